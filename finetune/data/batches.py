"""Pictures to batches: decoded by threads a little ahead of their use, in order, never all in memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from finetune.data.examples import Examples, printable
from finetune.data.images import ImageLimits, read_square
from zoo.errors import DataError, ImageError
from zoo.spec import Preprocessing


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

    def load(index: int) -> np.ndarray:
        try:
            return read_square(examples.source(examples.files[index]), preprocessing, limits)
        except ImageError as error:
            name = printable(examples.files[index])
            raise DataError(f"{name}: changed or vanished while the run was reading it ({error}); run again") from error

    pictures = ahead(load, indices, threads=threads, most=2 * batch_size)
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
