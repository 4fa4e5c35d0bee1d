"""How numbers lie in weight files, and which NumPy numbers they become."""

from dataclasses import dataclass

import numpy as np

from zoo.weights.weight_file import Refused


@dataclass(frozen=True)
class Element:
    """A kind of number in a file.

    Attributes:
        name: as safetensors calls it.
        stored: NumPy dtype that reads its bytes, little-endian.
        given: NumPy dtype that a user gets.
    """

    name: str
    stored: str
    given: str

    @property
    def num_bytes(self) -> int:
        """Bytes that one number takes in the file."""
        return np.dtype(self.stored).itemsize


# bfloat16 is unknown to NumPy: its bits are the upper half of a float32. Booleans are bytes until they are checked.
_ROWS = (
    ("F64", "<f8", "<f8"),
    ("F32", "<f4", "<f4"),
    ("F16", "<f2", "<f4"),
    ("BF16", "<u2", "<f4"),
    ("I64", "<i8", "<i8"),
    ("I32", "<i4", "<i4"),
    ("I16", "<i2", "<i2"),
    ("I8", "|i1", "|i1"),
    ("U64", "<u8", "<u8"),
    ("U32", "<u4", "<u4"),
    ("U16", "<u2", "<u2"),
    ("U8", "|u1", "|u1"),
    ("BOOL", "|u1", "|b1"),
)
ELEMENTS = {row[0]: Element(*row) for row in _ROWS}


def decoded(raw: np.ndarray, element: Element) -> np.ndarray:
    """Return the numbers that `raw`, read as `element.stored`, stands for.

    Args:
        raw: `(count,)`.
        element: what `raw` holds.

    Returns:
        `(count,)`, read-only because tensors may share it. float16 and bfloat16 become float32, exactly; all others
        keep their dtype.

    Raises:
        Refused: a boolean is neither 0 nor 1.
    """
    if element.name == "BF16":
        numbers = (raw.astype("<u4") << 16).view("<f4")
    else:
        if element.name == "BOOL" and raw.size and raw.max() > 1:
            raise Refused(f"is damaged: a boolean is stored as {raw.max()}; 0 or 1 accepted")
        numbers = raw.astype(element.given, copy=False)
    numbers.flags.writeable = False
    return numbers
