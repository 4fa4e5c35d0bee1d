"""How a picture meets the model's square: the middle is cut out, or the whole is padded or stretched."""

import numpy as np
from PIL import Image

from zoo.spec import Preprocessing

_INTERPOLATIONS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def square(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """Make the network's square of a picture in one step, as `preprocessing.resize` says.

    "crop" cuts the centred square out; "pad" keeps the whole picture and its shape, in the middle of a square of the
    mean colour, which normalisation turns into zeros; "stretch" keeps the whole picture and gives up its shape.

    Args:
        image: RGB, of any size.
        preprocessing: gives the side in pixels, the interpolation, and for "crop" the share of the shorter side.

    Returns:
        `(image_size, image_size, 3)` uint8.
    """
    side, resample = preprocessing.image_size, _INTERPOLATIONS[preprocessing.interpolation]
    if preprocessing.resize == "pad":
        return _padded(image, side, resample, preprocessing.mean)
    box = (0, 0, *image.size) if preprocessing.resize == "stretch" else _centre(image, preprocessing.crop_fraction)
    return np.array(image.resize((side, side), resample, box=box))


def _centre(image: Image.Image, fraction: float) -> tuple[int, int, int, int]:
    side = max(1, round(min(image.size) * fraction))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return left, top, left + side, top + side


def _padded(image: Image.Image, side: int, resample: Image.Resampling, mean: tuple[float, ...]) -> np.ndarray:
    longer = max(image.size)
    width, height = (max(1, round(length * side / longer)) for length in image.size)
    left, top = (side - width) // 2, (side - height) // 2
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = [round(min(max(value, 0), 255)) for value in mean]
    pixels[top : top + height, left : left + width] = image.resize((width, height), resample)
    return pixels
