"""Files that are worked on in order: by threads, or without where those cost more than they give."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from finetune.data import batches
from finetune.data.batches import each, image_batches
from finetune.data.examples import Examples
from finetune.data.images import ImageLimits


@pytest.mark.parametrize(("seconds", "alone"), [(0, True), (0.003, False)])
def test_threads_are_taken_where_they_are_worth_it(seconds, alone):
    """What takes next to no time is done where it is asked for; results come in order either way."""
    threads, steps = set(), []

    def found(file):
        threads.add(threading.get_ident())
        time.sleep(seconds)
        return file + "!"

    files = [str(number) for number in range(90)]
    assert list(each(found, files, 3, steps.append)) == [file + "!" for file in files]
    assert sum(steps) == 90 and (threads == {threading.get_ident()}) == alone


@pytest.mark.parametrize("count", [0, 1, 5, 8, 9])
def test_few_files_are_each_done_once(count):
    """Fewer than are tried, none among them."""
    files = [str(number) for number in range(count)]
    assert list(each(str, files, 2, lambda steps: None)) == files


@pytest.fixture
def decoded(monkeypatch):
    """Return a function that decodes pictures whose only number is their place, and which threads did it."""
    seen = set()

    def read(source, preprocessing, limits):
        seen.add(threading.get_ident())
        time.sleep(0.002)
        return np.full((2, 2, 3), int(Path(source).stem), "uint8")

    monkeypatch.setattr(batches, "read_square", read)

    def run(indices, batch_size, threads):
        seen.clear()
        examples = Examples("/nowhere", tuple(f"{number}.png" for number in range(200)), (0,) * 200, ("a",))
        found = image_batches(examples, indices, None, batch_size=batch_size, threads=threads, limits=ImageLimits())
        return list(found), len(seen)

    return run


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 7, 32])
@pytest.mark.parametrize("count", [0, 1, 7, 64, 65, 200])
def test_pictures_come_in_order_whatever_a_thread_takes_at_a_time(decoded, count, batch_size, threads):
    """All batches but the last are full, and none is empty."""
    indices = np.random.default_rng(0).permutation(200)[:count]
    found, _ = decoded(indices, batch_size, threads)
    assert [len(batch) for batch in found] == [min(batch_size, count - at) for at in range(0, count, batch_size)]
    assert [picture[0, 0, 0] for batch in found for picture in batch] == indices.tolist()


@pytest.mark.parametrize("count", [4, 9, 40])
def test_few_pictures_are_dealt_to_all_threads(decoded, count):
    """A handful of large photos is not left to one of them."""
    assert decoded(range(count), 32, 2)[1] == 2
