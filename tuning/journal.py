"""The journal of a study: a file that only grows, a record a line, which after any crash holds all but its torn end.

A line is the length of its JSON text in bytes, the CRC-32 of that text, and the text: `0000000042 1c291ca3 {…}`.

What is written outlives this process, however it ends, for the system has it. Only a power cut takes what the system
had not yet brought to the disk: some of the last lines, which it may leave as zeros. Such an end is dropped like a torn
line, and what stood there is proposed and run again, the same; so waiting for the disk decides how much work a power
cut costs, not whether the study is right.
"""

import json
import math
import os
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from zoo.errors import ResourceError, RunStateError

Record = dict[str, object]
_HEAD = len("0000000042 1c291ca3 ")


class Journal:
    """Records in the order in which they were written.

    Reading needs only the path. Only one process may write.
    """

    def __init__(self, path: Path):
        self.path = path
        self._handle: int | None = None
        self._flushed = -math.inf

    def read(self) -> list[Record]:
        """Return all records; a last line that was not written to its end is not one.

        Raises:
            RunStateError: a line before the last is damaged, or the file cannot be read.
        """
        return self._parsed()[0]

    def open(self) -> list[Record]:
        """Begin to write: drop a torn last line, and return the records.

        Raises:
            RunStateError: a line before the last is damaged.
            ResourceError: the file cannot be written.
        """
        records, sound = self._parsed()
        try:
            self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            os.ftruncate(self._handle, sound)
            os.fsync(self._handle)
        except OSError as error:
            raise ResourceError(f"{self.path}: cannot be written ({error.strerror})") from error
        self._flushed = time.monotonic()
        return records

    def append(self, record: Mapping[str, object], *, patience: float = 0.0) -> None:
        """Write a record.

        Args:
            record: JSON values.
            patience: seconds since the disk was last waited for, within which it is not waited for again.

        Raises:
            ResourceError: the disk is full or cannot be written; the journal is as it was before.
        """
        line = _line(record)
        before = os.fstat(self._handle).st_size
        try:
            written = os.write(self._handle, line)
            if written < len(line):
                raise OSError(f"{written} of {len(line)} bytes could be written")
            if time.monotonic() - self._flushed >= patience:
                os.fsync(self._handle)
                self._flushed = time.monotonic()
        except OSError as error:
            os.ftruncate(self._handle, before)
            raise ResourceError(
                f"{self.path}: cannot be written ({error.strerror or error}); free space, and call the search again"
            ) from error

    def close(self) -> None:
        """End writing."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _parsed(self) -> tuple[list[Record], int]:
        """Return the records, and how many bytes they take."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise RunStateError(f"{self.path}: cannot be read ({error.strerror})") from error
        records, sound = [], 0
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            record = _record(line)
            if record is None:
                # no line of ours holds a zero byte, nor one that somebody edited
                if sound + len(line) + 1 < len(content) and b"\0" not in content[sound:]:
                    raise RunStateError(
                        f"{self.path} line {number}: damaged (byte {sound}), and lines follow it; the study cannot be "
                        f"trusted. Take a copy of the file from before, or begin a new study"
                    )
                break
            records.append(record)
            sound += len(line) + 1
        return records, sound


def _line(record: Mapping[str, object]) -> bytes:
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    return b"%010d %08x %s\n" % (len(text), zlib.crc32(text), text)


def _record(line: bytes) -> Record | None:
    """Return the record of a line, or None for one that is damaged."""
    text = line[_HEAD:]
    if line[:_HEAD] != b"%010d %08x " % (len(text), zlib.crc32(text)):
        return None
    return json.loads(text)
