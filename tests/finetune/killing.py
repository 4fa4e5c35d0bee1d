"""Counts the steps by which a process changes what lies on the disk, and kills it by SIGKILL before one of them."""

import os
import signal
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

# Python tells of these before they are done: https://docs.python.org/3/library/audit_events.html
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")


class Steps:
    """Steps that change what lies below some folders; counted from 1, in the process that made this.

    A file that is opened is one step where that makes it or empties it. What is written to it counts when it is
    flushed to disk, as two steps: half of it is there, and all of it. SIGKILL loses nothing that the kernel has taken.
    """

    def __init__(self, roots: Sequence[Path], kill_at: int = 0):
        self.names: list[str] = []
        self._roots, self._kill_at = tuple(f"{root}/" for root in roots), kill_at
        self._sizes: dict[str, int] = {}
        self._fsync, os.fsync = os.fsync, self._flush
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if event == "open":
            self._open(*arguments)
        elif event in _CHANGES:
            self._step(event, arguments[0])

    def _open(self, path: object, mode: object, flags: int) -> None:
        if not self._is_ours(path) or not flags & (os.O_WRONLY | os.O_RDWR):
            return
        size = os.path.getsize(path) if os.path.exists(path) else None
        if (size is None and flags & os.O_CREAT) or (size and flags & os.O_TRUNC):
            self._step("open", path)
        self._sizes.setdefault(os.fspath(path), 0 if flags & os.O_TRUNC else size or 0)

    def _flush(self, file: int) -> None:
        path = os.readlink(f"/proc/self/fd/{file}")
        if stat.S_ISREG(os.fstat(file).st_mode) and self._is_ours(path):
            before, size = self._sizes.get(path, 0), os.path.getsize(path)
            self._step("half of", path, (before + size) // 2)
            self._step("all of", path)
            self._sizes[path] = size
        self._fsync(file)

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self._roots)

    def _step(self, what: str, path: object, size: int | None = None) -> None:
        if not self._is_ours(path):
            return
        self.names.append(f"{what} {os.fspath(path)}")
        if len(self.names) == self._kill_at:
            if size is not None:
                self._kill_at = 0
                os.truncate(path, size)
            os.kill(os.getpid(), signal.SIGKILL)
