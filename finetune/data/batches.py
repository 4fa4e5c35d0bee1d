"""Pictures to batches: decoded by threads a little ahead of their use, in order, never all in memory."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from finetune.data.examples import Examples, printable
from finetune.data.images import ImageLimits, read_square
from zoo.errors import DataError, ImageError
from zoo.spec import Preprocessing

# A task of one small picture (0.1 ms) would cost more to hand to a thread than to do.
_FILES_PER_TASK = 32
# Pictures of a task that decodes for a network: handing over single ones took a tenth of the time of small ones.
_PICTURES_PER_TASK = 8
# Files by which is found whether threads are worth it, twice. Python runs one thread at a time, and Pillow lets others
# run only while it decodes: two threads took 1.4 times as long as one for pictures of 0.3 ms each, as long for 0.8 ms,
# and 0.6 times as long for 2 ms.
_TRIED, _WORTH_THREADS = 4, 0.8e-3

Found = TypeVar("Found")


def image_batches(
    examples: Examples,
    indices: Sequence[int],
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    threads: int,
    limits: ImageLimits,
) -> Iterator[np.ndarray]:
    """Yield the pictures at `indices`, in that order, as (n, image_size, image_size, 3) uint8 with n <= batch_size.

    Raises:
        DataError: a picture that was checked cannot be read any more.
    """

    def load(part: Sequence[int]) -> list[np.ndarray]:
        return [read(index) for index in part]

    def read(index: int) -> np.ndarray:
        try:
            return read_square(examples.source(examples.files[index]), preprocessing, limits)
        except ImageError as error:
            name = printable(examples.files[index])
            raise DataError(f"{name}: changed or vanished while the run was reading it ({error}); run again") from error

    # few pictures are dealt to all threads
    size = max(1, min(_PICTURES_PER_TASK, len(indices) // (4 * threads)))
    parts = (indices[start : start + size] for start in range(0, len(indices), size))
    tasks = ahead(load, parts, threads=threads, most=max(threads, 2 * batch_size // size))
    pictures = (picture for part in tasks for picture in part)
    while batch := [picture for _, picture in zip(range(batch_size), pictures, strict=False)]:
        yield np.stack(batch)


def ahead(function: Callable, items: Iterable, *, threads: int, most: int) -> Iterator:
    """Yield `function(item)` for each item in order, computed by threads at most `most` items ahead of the reader."""
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def each(
    function: Callable[[str], Found], files: Sequence[str], threads: int, advance: Callable[[int], None]
) -> Iterator[Found]:
    """Yield what a function gives for each file in order; by threads where the first files take long enough.

    Args:
        function: of a file.
        files: all of them.
        threads: at most so many.
        advance: called with how many more are done.
    """

    def work(part: slice) -> list[Found]:
        return [function(file) for file in files[part]]

    seconds, done = math.inf, 0
    while done < min(2 * _TRIED, len(files)):
        # the better of two trials: the first may load libraries
        started, results = time.perf_counter(), work(slice(done, done + _TRIED))
        seconds, done = min(seconds, (time.perf_counter() - started) / len(results)), done + len(results)
        advance(len(results))
        yield from results
    parts = (slice(start, start + _FILES_PER_TASK) for start in range(done, len(files), _FILES_PER_TASK))
    alone = threads == 1 or seconds < _WORTH_THREADS
    for results in map(work, parts) if alone else ahead(work, parts, threads=threads, most=2 * threads):
        advance(len(results))
        yield from results
