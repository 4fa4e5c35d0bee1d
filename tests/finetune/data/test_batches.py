"""Files that are worked on in order: by threads, or without where those cost more than they give."""

import threading
import time

import pytest

from finetune.data.batches import each


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
