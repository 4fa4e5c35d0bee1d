"""Which examples a run has learned from: 8 bytes of a hash of each, in no order, by which they are known elsewhere."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.columns import Column
from zoo.errors import DataError

# Among a million examples, two share their mark by chance in one of 37 million data sets.
_MARK = np.dtype("<u8")
# splitmix64, which spreads a change of one bit over all of them: https://prng.di.unimi.it/splitmix64.c
_SPREAD = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


@dataclass(frozen=True)
class Unseen:
    """Those of some examples that a run has not learned from.

    Attributes:
        indices: of the examples that are left, in their order.
        note: what is to be said of those that are left out; empty where there are none.
    """

    indices: Sequence[int]
    note: str = ""


def unseen(packed: bytes, marks: np.ndarray, indices: Sequence[int]) -> Unseen:
    """Return which examples of other data can judge a run.

    Args:
        packed: what `pack` gave when the run learned; empty where nothing was kept, and then all examples can.
        marks: (n,) of all of the other data, made by the function that made those.
        indices: of the examples that are to judge.

    Raises:
        DataError: the run has learned from all of them.
    """
    known = np.frombuffer(packed[: len(packed) // _MARK.itemsize * _MARK.itemsize], _MARK)
    chosen = np.asarray(indices, "int64")
    seen = np.isin(marks[chosen], known)
    count, total = int(seen.sum()), len(chosen)
    if not count:
        return Unseen(indices)
    if count == total:
        raise DataError(
            f"all {total:,} examples were trained on, so they cannot judge the run. Give examples that it has not "
            f"seen, or none: then its own test side judges it"
        )
    note = f"{count:,} of {total:,} examples were trained on and are left out"
    return Unseen(tuple(chosen[~seen].tolist()), note)


def pack(marks: np.ndarray) -> bytes:
    """Return marks as a run directory keeps them: each once, ascending."""
    return np.unique(marks.astype(_MARK)).tobytes()


def digest_marks(digests: np.ndarray) -> np.ndarray:
    """Return a mark, (n,) uint64, for each SHA-256 in (n, 32) uint8."""
    return np.ascontiguousarray(digests[:, : _MARK.itemsize]).view(_MARK)[:, 0]


def row_marks(columns: Mapping[str, Column]) -> np.ndarray:
    """Return a mark, (rows,) uint64, for each row of a table; the order of its columns and lines does not matter.

    Args:
        columns: those that a model takes, by name, each of the kind that the model takes it as.
    """
    total = np.zeros((), _MARK)
    for name, column in columns.items():
        if column.kind == "numeric":
            numbers = np.asarray(column.values, "<f8") + 0.0  # -0.0 becomes 0.0
            cells = np.where(np.isnan(numbers), np.nan, numbers).view(_MARK)
        else:
            cells = _text_marks(("", *column.categories))[np.asarray(column.values) + 1]
        total = total + _spread(cells ^ _text_marks([f"{column.kind} {name}"])[0])
    return total


def _text_marks(texts: Iterable[str]) -> np.ndarray:
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[: _MARK.itemsize] for text in texts)
    return np.frombuffer(b"".join(digests), _MARK)


def _spread(numbers: np.ndarray) -> np.ndarray:
    for shift, factor in _SPREAD:
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers
