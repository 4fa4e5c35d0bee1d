"""Pictures that come as arrays: what their numbers mean, and what identifies them."""

import hashlib

import numpy as np
from PIL import Image

from zoo.errors import ImageError

# By the last axis; two axes are grey.
CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}


def picture_of(array: np.ndarray) -> Image.Image:
    """Return an array as a picture of Pillow's, to go the same way as one from a file.

    Args:
        array: (height, width) or (height, width, 1, 3 or 4), of grey, RGB or RGBA. uint8 is taken as it is; uint16 is a
            16-bit picture, whose high byte counts; other numbers must lie in [0, 255] and are rounded.

    Raises:
        ImageError: the shape or the numbers are not those of a picture.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in CHANNELS:
        raise ImageError(f"an array of shape {array.shape}; expected is (height, width) or (height, width, 1, 3 or 4)")
    if not array.size:
        raise ImageError(f"an array of shape {array.shape}: nothing to see")
    pixels = _eight_bits(array)
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


def digest_of(array: np.ndarray) -> bytes:
    """Return the SHA-256 of an array's type, shape and numbers."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def picture_digest(array: np.ndarray) -> bytes:
    """Return the SHA-256 of the pixels that an array of a picture stands for, whatever its numbers are stored as.

    Raises:
        ImageError: the numbers are not those of a picture.
    """
    if not array.size:
        return digest_of(array)
    pixels = _eight_bits(array)
    return digest_of(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)


def _eight_bits(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise ImageError(f"an array of {array.dtype}; expected are numbers in [0, 255]")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):
        raise ImageError(f"values from {low:g} to {high:g}; expected are numbers in [0, 255]")
    return np.rint(array).astype(np.uint8)
