"""Names of files in a fraction of the memory of a tuple of texts, whose every entry is an object of Python's."""

import os
from collections.abc import Iterable, Sequence

import numpy as np


class PackedNames(Sequence[str]):
    """A sequence of texts, held as the bytes of all of them; each is made when it is asked for.

    Args:
        names: as the file system spells them, undecodable bytes as surrogates.

    Example:
        >>> PackedNames(["a/1.png", "a/2.png"])[1]
        'a/2.png'
    """

    def __init__(self, names: Iterable[str]):
        encoded = [os.fsencode(name) for name in names]
        self._ends = np.cumsum([len(name) for name in encoded], dtype="int64")
        self._bytes = b"".join(encoded)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int | slice) -> "str | tuple[str, ...]":
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = range(len(self))[index]
        first = self._ends[place - 1] if place else 0
        return os.fsdecode(self._bytes[first : self._ends[place]])
