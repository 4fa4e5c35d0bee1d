"""The one way to write a file that must never be seen half-written."""

import fnmatch
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes the place of `path` when the block ends well.

    The file is flushed to disk, renamed over `path`, and the folder is flushed too, so that after a crash at any
    moment `path` holds either the old content or the new one. When the block raises, `path` is untouched and the
    temporary file is removed. The temporary name keeps the suffix of `path`, because Keras decides by it.

    Raises:
        OSError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def remove_leftovers(path: str | Path) -> None:
    """Remove what a process that was killed left beside `path` while it wrote it.

    Only for whoever is alone in writing there, as by a lock: it would take a living writer's file away.
    """
    path = Path(path)
    for file in path.parent.glob(_leftovers(path)):
        file.unlink(missing_ok=True)


def is_leftover(name: str, of: str) -> bool:
    """Whether a file is called as one that was to become the file `of`."""
    return fnmatch.fnmatchcase(name, _leftovers(Path(of)))


def _leftovers(path: Path) -> str:
    """Return the pattern of the names that `atomic_path` gives to what is not complete."""
    return f".{glob.escape(path.stem)}.{'[a-z0-9_]' * 8}.tmp{glob.escape(path.suffix)}"


def write_atomic(path: str | Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path` as `atomic_path` does."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp made the file 0600, while a user expects an ordinary file.
    mask = os.umask(0)
    os.umask(mask)
    return mask
