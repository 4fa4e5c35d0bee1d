"""The file of a picture: what it may cost, and how its bytes are read without waiting for anything."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zoo.errors import ImageError


@dataclass(frozen=True)
class ImageLimits:
    """What one picture may cost; a picture over a limit is refused before it is decoded.

    Attributes:
        max_pixels: width times height as the header states them; 89 million take 356 MB decoded, and up to four times
            as much while a transparent or turned picture is converted. Values over twice Pillow's own MAX_IMAGE_PIXELS
            (178,956,970) change nothing, because Pillow refuses those itself.
        max_file_bytes: length of the file; the default just holds an uncompressed picture of `max_pixels`.
        max_frames: frames of an animation (GIF, WebP, APNG, AVIF); the first one is the picture.
    """

    max_pixels: int = 89_000_000
    max_file_bytes: int = 268_435_456
    max_frames: int = 1000


def open_file(path: str | Path, limits: ImageLimits) -> BinaryIO:
    """Open a picture's file for reading once it is known to be a regular file within `max_file_bytes`.

    Raises:
        ImageError: it cannot be read, is empty, too long, or not a file.
    """
    try:
        file = open(path, "rb", opener=_open_without_waiting)
    except (OSError, ValueError) as error:
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    status = os.fstat(file.fileno())
    try:
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not a regular file")
        check_length(status.st_size, limits)
    except ImageError:
        file.close()
        raise
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    # Otherwise the opening of a named pipe waits for a writer for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_file(path: str | Path, limits: ImageLimits) -> bytes:
    """Return the bytes of a picture's file, one more than the limit where it has grown over it.

    Raises:
        ImageError: see `open_file`.
    """
    with open_file(path, limits) as file:
        try:
            return file.read(limits.max_file_bytes + 1)
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error


def check_length(length: int, limits: ImageLimits) -> None:
    """Refuse a file that is empty or too long.

    Raises:
        ImageError: it is.
    """
    if not length:
        raise ImageError("empty file")
    if length > limits.max_file_bytes:
        raise ImageError(f"{length:,} bytes are over the limit of {limits.max_file_bytes:,} (max_file_bytes)")
