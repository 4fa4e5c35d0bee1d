"""What is learned from, and in which order: rows by index, read a little ahead of the steps."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from finetune.training.mixing import Mixing

# Rows of one call: enough that Python costs nothing beside the steps, little enough that memory stays flat.
_BYTES_A_CALL = 32_000_000
# A call should take about this long, so that progress shows and a signal is soon heard.
_SECONDS_A_CALL = 0.3
_FIRST_STEPS = 16
# All rows together that are held in memory: what two calls would be, of which one is read while the other is taken.
_BYTES_HELD = 2 * _BYTES_A_CALL


class Pace:
    """How many steps the next call takes; `calls` changes it, and what one epoch found out serves the next."""

    def __init__(self):
        """Begin with a few."""
        self.steps = _FIRST_STEPS


@dataclass(frozen=True)
class Lessons:
    """What is learned from.

    Attributes:
        x: (n, ...) rows by index: an array, a file, or pictures decoded on demand; then n rows for each of the `views`.
        y: (n, ...) targets as the loss takes them.
        train: indices of the rows to learn from.
        validation: indices of the rows that pick the epoch.
        weights: (n,) float32 in the training loss; None where all count 1.
        mixing: makes training batches of two examples each.
        views: changed versions of each row that epochs take turns with.
    """

    x: np.ndarray
    y: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    weights: np.ndarray | None = None
    mixing: Mixing | None = None
    views: int = 0

    @property
    def are_few(self) -> bool:
        """Whether all rows may be held in memory, and a call may name its own by their numbers."""
        held = self.x, self.y
        plain = all(isinstance(rows, np.ndarray) and rows.dtype.kind in "fiub" for rows in held)
        return plain and not self.mixing and sum(rows.nbytes for rows in held) <= _BYTES_HELD

    def by_number(self) -> "Lessons":
        """Return the same lessons with the numbers of rows in their place."""
        return replace(self, x=np.arange(len(self.x)), y=np.arange(len(self.y)), weights=None)

    def seen(self, chosen: np.ndarray, epoch: int) -> np.ndarray:
        """Return the rows of examples as training sees them in an epoch: each in turn as it is and in each version."""
        return self.x[chosen + len(self.y) * ((chosen + epoch) % (1 + self.views))]


def order_of(num_examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the order of examples in an epoch (counted from 0): a permutation of range(num_examples)."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def calls(
    lessons: Lessons,
    order: np.ndarray,
    first: int,
    batch_size: int,
    epoch: int,
    *,
    one_by_one: bool,
    pace: Pace | None = None,
) -> Iterator[tuple[int, tuple[np.ndarray, ...], int]]:
    """Yield for each call its first step, its rows, and how many steps it has; the next rows are read meanwhile."""
    total = math.ceil(len(order) / batch_size)
    row_bytes = sum(rows[order[:1]].nbytes for rows in (lessons.x, lessons.y))
    most = 1 if one_by_one else max(1, _BYTES_A_CALL // max(1, row_bytes * batch_size))
    pace = pace or Pace()
    with ThreadPoolExecutor(1, thread_name_prefix="rows") as reader:

        def read(first: int) -> tuple | None:
            last = min(first + min(pace.steps, most), total)
            ready = reader.submit(_rows, lessons, order, (first, last), batch_size, epoch)
            return (first, ready, last - first) if first < last else None

        coming = read(first)
        while coming:
            first, ready, taken = coming
            coming = read(first + taken)
            started = time.perf_counter()
            yield first, ready.result(), taken
            a_step = (time.perf_counter() - started) / taken
            pace.steps = max(1, int(_SECONDS_A_CALL / a_step))


def _rows(
    lessons: Lessons, order: np.ndarray, steps: tuple[int, int], batch_size: int, epoch: int
) -> tuple[np.ndarray, ...]:
    """Return the rows of some steps: (x, y) or (x, y, weights)."""
    chosen = order[steps[0] * batch_size : steps[1] * batch_size]
    x, y = lessons.seen(chosen, epoch), lessons.y[chosen]
    if lessons.mixing:
        # each batch is mixed by itself, as what is drawn depends on its number
        mixed = [
            lessons.mixing(x[at : at + batch_size], y[at : at + batch_size], epoch=epoch, batch=number)
            for number, at in enumerate(range(0, len(x), batch_size), start=steps[0])
        ]
        x, y = (np.concatenate(parts) for parts in zip(*mixed, strict=True)) if mixed else (x, y)
    return (x, y) if lessons.weights is None else (x, y, lessons.weights[chosen])
