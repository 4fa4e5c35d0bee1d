"""Files of the form of MNIST (idx, packed by gzip): a header with the shape, then bytes."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from finetune.data.examples import printable
from zoo.errors import DataError

# 0, 0, type 8 (unsigned byte), number of axes: http://yann.lecun.com/exdb/mnist/
_MAGIC = b"\0\0\x08"


def read_idx(path: Path, *, max_bytes: int) -> np.ndarray:
    """Return the array of unsigned bytes that a packed idx file holds.

    Args:
        path: of the file.
        max_bytes: that the array may take.

    Raises:
        DataError: the file is damaged, of another type, or too large.
    """
    name = printable(str(path))
    try:
        with gzip.open(path) as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:3] != _MAGIC or not 1 <= magic[3] <= 4:
                raise DataError(f"{name} is no idx file of unsigned bytes")
            header = stream.read(4 * magic[3])
            shape = struct.unpack(f">{magic[3]}I", header)
            expected = int(np.prod(shape, dtype=object))
            if expected > max_bytes:
                raise DataError(
                    f"{name} unpacks to {expected:,} bytes, over the limit of {max_bytes:,} (max_array_bytes)"
                )
            data = stream.read(expected + 1)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{name} cannot be read, or is damaged ({error})") from error
    if len(data) != expected:
        raise DataError(f"{name} has another length than its header says; fetch it again")
    return np.frombuffer(data, np.uint8).reshape(shape)
