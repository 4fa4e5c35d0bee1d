"""Batches of CIFAR as their publisher packs them: pickles, of which the numbers are read and nothing is run."""

import pickletools
from pathlib import Path

import numpy as np

from finetune.data.examples import printable
from zoo.errors import DataError

SIDE = 32
_PICTURE_BYTES = 3 * SIDE * SIDE
_STRINGS = ("SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "BINBYTES", "SHORT_BINBYTES")
_NUMBERS = ("BININT", "BININT1", "BININT2")


def read_cifar_batch(path: Path, *, labels: str, max_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures (n, 32, 32, 3) uint8 and their classes (n,) of one batch.

    The opcodes of the pickle are listed as data; the one long string under "data" and the whole numbers under the key
    of the labels are taken, and no object is made: https://www.cs.toronto.edu/~kriz/cifar.html

    Args:
        path: of the batch.
        labels: its key of the classes, "labels" or "fine_labels".
        max_bytes: that the file may have.

    Raises:
        DataError: the file is damaged, too large, or none of CIFAR's.
    """
    name = printable(str(path))
    try:
        if path.stat().st_size > max_bytes:
            raise DataError(f"{name} is over the limit of {max_bytes:,} bytes (max_array_bytes)")
        data, numbers = _taken(path.read_bytes(), labels)
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, UnicodeError) as error:
        raise DataError(f"{name} is no batch of CIFAR, or is damaged ({str(error)[:120]})") from error
    if not numbers or len(data) != _PICTURE_BYTES * len(numbers):
        raise DataError(f"{name} is no batch of CIFAR: {len(data):,} bytes of pictures for {len(numbers):,} labels")
    pixels = np.frombuffer(data, np.uint8).reshape(-1, 3, SIDE, SIDE)
    return pixels.transpose(0, 2, 3, 1), np.array(numbers, "int32")


def _taken(content: bytes, labels: str) -> tuple[bytes, list[int]]:
    key, data, numbers = "", b"", []
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in _STRINGS:
            text = argument.encode("latin-1", "replace") if isinstance(argument, str) else argument
            if key == "data" and len(text) >= _PICTURE_BYTES:
                data, key = text, ""
            elif len(text) < _PICTURE_BYTES and (key != "data" or text in (b"data", labels.encode())):
                key = text.decode("latin-1")
        elif opcode.name in _NUMBERS and key == labels:
            numbers.append(argument)
    return data, numbers
