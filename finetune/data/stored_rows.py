"""Rows of a file as an array that takes hardly any memory: they are read when they are asked for."""

import os
import weakref
from pathlib import Path

import numpy as np

# Files up to here are read at once: their rows are then there ten times as fast.
_AT_ONCE_BYTES = 16_000_000


class StoredRows:
    """Rows of a file by index, slice or array of indices, each time as a copy.

    A memory map would count as memory of the process as soon as it is read: training on many pictures would look, and
    be judged by containers with a limit, as if it took as much memory as there are pictures. Letting go of its pages
    again takes three times as long as reading.

    Args:
        path: file that holds nothing but the rows; it may be removed while they are in use.
        dtype: of the numbers.
        shape: (rows, ...).
    """

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]):
        self.shape, self.dtype, self.ndim = tuple(shape), np.dtype(dtype), len(shape)
        self._row_bytes = int(np.prod(shape[1:], dtype="int64")) * self.dtype.itemsize
        self.nbytes = shape[0] * self._row_bytes
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._all = self._read(range(shape[0])) if self.nbytes <= _AT_ONCE_BYTES else None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: int | slice | np.ndarray) -> np.ndarray:
        if self._all is not None:
            return np.array(self._all[chosen])
        places = np.arange(len(self))[chosen] if isinstance(chosen, slice) else np.asarray(chosen)
        if places.dtype == bool:
            places = np.flatnonzero(places)
        rows = self._read(np.atleast_1d(places).tolist())
        return rows if places.ndim else rows[0]

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, places: "range | list[int]") -> np.ndarray:
        """Return rows; those that lie one behind the other in the file are read together."""
        rows = np.empty((len(places), *self.shape[1:]), self.dtype)
        held, size, first = memoryview(rows.reshape(-1)).cast("B") if rows.size else b"", self._row_bytes, 0
        while first < len(places):
            last = first + 1
            while last < len(places) and places[last] == places[last - 1] + 1:
                last += 1
            self._fill(held[first * size : last * size], range(len(self))[places[first]] * size)
            first = last
        return rows

    def _fill(self, part: memoryview, offset: int) -> None:
        while part:
            count = os.preadv(self._file, [part], offset)
            if not count:
                raise OSError(f"the file of rows ends at byte {offset:,}, before its last row")
            part, offset = part[count:], offset + count
