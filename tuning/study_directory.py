"""The directory of a study: made where it is not there, refused where it holds other things, locked while in use."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import LockedError, ResourceError, RunStateError

JOURNAL, _LOCK = "journal.log", "LOCK"


def make_directory(path: Path) -> bool:
    """Make a directory; return whether it was not there.

    Raises:
        RunStateError: there is a file of that name.
        ResourceError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
        return True
    except FileExistsError:
        if path.is_dir():
            return False
        raise RunStateError(f"{path}: is a file; a study is a directory") from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot be made ({error.strerror}); choose another --study") from error


def require_empty(path: Path) -> None:
    """Refuse a directory that holds anything but an empty study.

    Raises:
        RunStateError: it does.
    """
    found = sorted(entry.name for entry in path.iterdir() if entry.name != _LOCK)
    if found and found != [JOURNAL]:
        raise RunStateError(
            f"{path}: not empty (has {', '.join(found[:3])}) and no study; choose another directory with --study DIR"
        )


@contextmanager
def locked(path: Path, folder: int) -> Iterator[None]:
    """Hold the lock of a directory, of which `folder` is an open descriptor, while the block runs.

    Raises:
        LockedError: another process holds it.
        ResourceError: the directory cannot be written.
    """
    # The lock belongs to the open folder, so the kernel frees it with the process, however that ends.
    note = path / _LOCK
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = note.read_text().strip() if note.is_file() else "(unknown)"
        raise LockedError(f"{path}: process {pid} is searching here; wait for it to end") from error
    try:
        note.write_text(f"{os.getpid()}\n")
        yield
    except PermissionError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        note.unlink(missing_ok=True)
