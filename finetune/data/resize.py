"""How a picture meets the model's square: the middle is cut out, or the whole is padded or stretched."""

import numpy as np
from PIL import Image

from finetune.data.turns import Area
from zoo.spec import Preprocessing

_INTERPOLATIONS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def square(
    image: Image.Image, preprocessing: Preprocessing, *, size: tuple[int, int] | None = None, area: Area | None = None
) -> np.ndarray:
    """Make the network's square of a picture in one step, as `preprocessing.resize` says.

    "crop" cuts the centred square out; "pad" keeps the whole picture and its shape, in the middle of a square of the
    mean colour, which normalisation turns into zeros; "stretch" keeps the whole picture and gives up its shape.

    Args:
        image: of mode RGB or L, of any size.
        preprocessing: gives the side in pixels, the interpolation, and for "crop" the share of the shorter side.
        size: of the picture, (width, height), where `image` is a smaller one of it.
        area: what the picture fills of that one, left, top, right, bottom.

    Returns:
        `(image_size, image_size, 3)` uint8.
    """
    side, resample = preprocessing.image_size, _INTERPOLATIONS[preprocessing.interpolation]
    size, area = size or image.size, area or (0, 0, *image.size)
    if preprocessing.resize == "pad":
        return _padded(image, side, resample, preprocessing.mean, size, area)
    box = area if preprocessing.resize == "stretch" else _centre(size, area, preprocessing.crop_fraction)
    return np.array(_in_colour(image.resize((side, side), resample, box=box)))


def _in_colour(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def _centre(size: tuple[int, int], area: Area, fraction: float) -> Area:
    """Return the centred square of a picture, in pixels of the image that it fills an area of."""
    side, scale = max(1, round(min(size) * fraction)), (area[2] - area[0]) / size[0]
    left, top = (start + (length - side) // 2 * scale for start, length in zip(area, size, strict=False))
    return left, top, left + side * scale, top + side * scale


def _padded(
    image: Image.Image,
    side: int,
    resample: Image.Resampling,
    mean: tuple[float, ...],
    size: tuple[int, int],
    area: Area,
) -> np.ndarray:
    longer = max(size)
    width, height = (max(1, round(length * side / longer)) for length in size)
    left, top = (side - width) // 2, (side - height) // 2
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = [round(min(max(value, 0), 255)) for value in mean]
    pixels[top : top + height, left : left + width] = _in_colour(image.resize((width, height), resample, box=area))
    return pixels
