"""What every reader of weight files does first: limits, opening, and one way to say what is wrong with a file."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from zoo.errors import ModelFileError


@dataclass(frozen=True)
class ReadLimits:
    """How much a weight file may ask for before it is refused.

    The defaults hold every published image network many times over (DenseNet-264 has some 1,600 tensors), and keep the
    refusal of a hostile file within a second and 200 MB.

    Attributes:
        file_bytes: size of the file, or of all shards together.
        pickle_bytes: length of the pickled part of a torch file.
        opcodes: pickle instructions in the whole file; a state dict takes about 38 a tensor.
        rebuilds: tensors, storages and ordered dicts that the pickle asks for, used or not; about 3 a tensor.
        memo_entries: highest slot of the pickle memo; a state dict takes about 9 a tensor.
        nesting: MARKs open at a time. Values are never walked recursively, so deeper tuples cost nothing.
        tensors: entries of the state dict.
        members: entries of a zip archive.
        header_bytes: JSON header of a safetensors file or index, and directory of a zip archive.
        expansion: bytes of all tensors written out in full, as a multiple of the file's size. A view with stride 0 is
            larger than its storage; float16 becoming float32 and tied weights need a factor of 2 each.
        expansion_floor_bytes: expansion that is allowed to small files in any case.
    """

    file_bytes: int = 4 * 2**30
    pickle_bytes: int = 16 * 2**20
    opcodes: int = 400_000
    rebuilds: int = 40_000
    memo_entries: int = 200_000
    nesting: int = 100
    tensors: int = 10_000
    members: int = 12_000
    header_bytes: int = 4 * 2**20
    expansion: int = 4
    expansion_floor_bytes: int = 16 * 2**20


DEFAULT_LIMITS = ReadLimits()


class Refused(Exception):
    """Why a file is not read, without the file's name; `opened` turns it into a ModelFileError that has the name.

    Args:
        found: what was found and what is accepted.
        remedy: what to do about it; the reader's usual remedy when left out.
    """

    def __init__(self, found: str, remedy: str | None = None):
        super().__init__(found)
        self.found = found
        self.remedy = remedy


def shown(text: str, limit: int = 80) -> str:
    """Return text out of a file in quotes, on one line and shortened, so that a message cannot be forged or flooded."""
    return repr(text) if len(text) <= limit else f"{text[:limit]!r}... ({len(text)} characters)"


def check_limit(value: int, limits: ReadLimits, name: str, what: str) -> None:
    """Raise Refused when `value` is over the limit called `name`."""
    allowed = getattr(limits, name)
    if value > allowed:
        raise Refused(
            f"{what}: {value}; at most {allowed} accepted",
            how_to_raise(f"ReadLimits({name}=...)"),
        )


def how_to_raise(setting: str) -> str:
    """Return the sentence that tells a user how to raise a limit, such as "ReadLimits(tensors=...)"."""
    return f"If you trust the file, raise the limit: zoo.read_weights(MODEL, FILE, limits=zoo.{setting})."


@dataclass(frozen=True)
class WeightFile:
    """A weight file that is open for reading; offsets and sizes in bytes."""

    handle: BinaryIO
    num_bytes: int
    limits: ReadLimits

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            Refused: the file ends before.
        """
        self._check_inside(offset, size)
        self.handle.seek(offset)
        found = self.handle.read(size)
        if len(found) != size:
            raise Refused(f"became shorter while it was read: {len(found)} of {size} bytes at byte {offset}")
        return found

    def array_at(self, offset: int, count: int, dtype: str) -> np.ndarray:
        """Return `count` numbers of `dtype` as a new array of shape `(count,)`.

        Raises:
            Refused: the file ends before.
        """
        self._check_inside(offset, count * np.dtype(dtype).itemsize)
        self.handle.seek(offset)
        found = np.fromfile(self.handle, dtype=dtype, count=count)
        if len(found) != count:
            raise Refused(f"became shorter while it was read: {len(found)} of {count} numbers at byte {offset}")
        return found

    def _check_inside(self, offset: int, size: int) -> None:
        if offset + size > self.num_bytes:
            raise Refused(f"is cut short or damaged: needs {size} bytes at byte {offset}, has {self.num_bytes} in all")


@contextmanager
def opened(path: str | Path, limits: ReadLimits, remedy: str) -> Iterator[WeightFile]:
    """Open a weight file; whatever is refused in the block leaves as a ModelFileError that names the file.

    Args:
        path: the file.
        limits: `file_bytes` is checked here.
        remedy: last sentence of the message where a refusal brings none of its own.

    Raises:
        ModelFileError: the file is missing, no ordinary file, unreadable, empty, too large or of another kind
            altogether (an HTML page, ...), or the block raised Refused.
    """
    try:
        num_bytes = _size(Path(path))
        check_limit(num_bytes, limits, "file_bytes", "size in bytes")
        with Path(path).open("rb", buffering=0) as handle:
            file = WeightFile(handle, num_bytes, limits)
            _check_start(file.bytes_at(0, min(num_bytes, 64)))
            yield file
    except Refused as error:
        raise ModelFileError(f"{_name(path)}: {error.found}. {error.remedy or remedy}") from error
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        raise ModelFileError(
            f"{_name(path)}: {reason}. Give the path of a file of weights that you may read."
        ) from error


def _name(path: str | Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except ValueError as error:  # a NUL in the name
        raise Refused(f"is no path ({error})", "Give the path of an existing file of weights.") from error
    if stat.S_ISDIR(found.st_mode):
        raise Refused("is a folder, not a file of weights", "Give the path of the file inside it.")
    if not stat.S_ISREG(found.st_mode):
        raise Refused("is a device or a pipe, not an ordinary file", "Copy it to an ordinary file first.")
    if found.st_size == 0:
        raise Refused("is empty (0 bytes)", "Get the file again: a download or a copy failed.")
    return found.st_size


_PAGE = "Get the file again, and look at the address: it answered with a page instead of the file."
_FOREIGN = (
    (b"<", "is an HTML or XML page, not weights", _PAGE),
    (b"version https://git-lfs", "is a Git LFS pointer, not the weights themselves", "Run `git lfs pull` there."),
    (b"\x1f\x8b", "is compressed with gzip", "Unpack it first: gunzip."),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes", "Load it with keras.Model.load_weights."),
    (b"\x93NUMPY", "is a NumPy array", "Save the weights as safetensors: safetensors.numpy.save_file."),
)


def is_safetensors(start: bytes) -> bool:
    """Whether a file with this start can be safetensors: a header of less than 4 GiB, as JSON after its length."""
    return start[4:9] == b"\0\0\0\0{"


def _check_start(start: bytes) -> None:
    if is_safetensors(start):
        return  # the length before the header may look like anything: 60 is "<"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for signature, found, remedy in _FOREIGN:
        if text.startswith(signature):
            raise Refused(found, remedy)
