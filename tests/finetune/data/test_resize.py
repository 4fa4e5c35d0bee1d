"""How a picture meets the square: exact geometry of crop, pad and stretch."""

import numpy as np
import picture_files as make
import pytest
from PIL import Image

from finetune.data.images import read_square
from finetune.data.resize import square
from zoo.spec import RESIZE_MODES, Preprocessing

MEAN, MEAN_PIXEL = (123.675, 116.28, 103.53), (124, 116, 104)


def row(mode: str, size: int = 8, **fields) -> Preprocessing:
    """Give a row that differs from the default by its resize mode."""
    return Preprocessing(size, MEAN, (1, 1, 1), resize=mode, **fields)


def squared(mode: str, pixels: np.ndarray, size: int = 8) -> np.ndarray:
    """Make the square of an array."""
    return square(Image.fromarray(pixels), row(mode, size))


def borders(result: np.ndarray) -> tuple[int, int, int, int]:
    """Count the rows and columns of the mean colour at left, top, right and bottom."""
    filled = (result == MEAN_PIXEL).all(axis=-1)
    columns, rows = np.flatnonzero(~filled.all(axis=0)), np.flatnonzero(~filled.all(axis=1))
    height, width = filled.shape
    return columns[0], rows[0], width - 1 - columns[-1], height - 1 - rows[-1]


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_a_picture_of_the_right_size_stays_as_it_is(mode, size):
    """Nothing is resampled, shifted or bordered where nothing has to be."""
    pixels = make.pixels(1, size, size)
    assert np.array_equal(squared(mode, pixels, size), pixels)


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 10_000), (10_000, 1), (1, 2), (3, 1), (31, 32)])
def test_every_shape_becomes_the_square(mode, height, width):
    """One pixel, one row and one column give a writable square like any other picture."""
    result = squared(mode, make.pixels(1, height, width))
    assert result.shape == (8, 8, 3) and result.dtype == np.uint8 and result.flags.writeable


@pytest.mark.parametrize("mode", RESIZE_MODES)
def test_one_pixel_fills_the_square(mode):
    """A picture of one pixel is square, so it has no borders."""
    assert (squared(mode, np.full((1, 1, 3), 9, np.uint8)) == 9).all()


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (4, 8, (0, 2, 0, 2)),
        (8, 4, (2, 0, 2, 0)),
        (5, 8, (0, 1, 0, 2)),
        (8, 5, (1, 0, 2, 0)),
        (400, 800, (0, 2, 0, 2)),
        (2, 1, (2, 0, 2, 0)),
        (31, 32, (0, 0, 0, 0)),
        (1, 10_000, (0, 3, 0, 4)),
        (10_000, 1, (3, 0, 4, 0)),
    ],
)
def test_pad_centres_the_whole_picture(height, width, expected):
    """The longer side fills the square; of an odd rest the smaller half comes first, as in a crop."""
    pixels = np.full((height, width, 3), 9, np.uint8)
    result = squared("pad", pixels)
    left, top, right, bottom = expected
    assert borders(result) == expected
    assert (result[top : 8 - bottom, left : 8 - right] == 9).all()


def test_pad_resizes_as_pillow_does():
    """Inside the borders stands the picture itself, no pixel cut or counted twice."""
    pixels = make.pixels(1, 30, 60)
    resized = Image.fromarray(pixels).resize((8, 4), Image.Resampling.BICUBIC)
    assert np.array_equal(squared("pad", pixels)[2:6], resized)


@pytest.mark.parametrize(
    ("mean", "colour"), [((0.0, 0.0, 0.0), (0, 0, 0)), ((-3.0, 127.5, 300.0), (0, 128, 255)), (MEAN, MEAN_PIXEL)]
)
def test_pad_fills_with_the_mean_colour(mean, colour):
    """The border's colour is the row's mean, rounded, and held to what a pixel can be."""
    result = square(Image.new("RGB", (8, 2), "red"), Preprocessing(8, mean, (1, 1, 1), resize="pad"))
    assert tuple(result[0, 0]) == colour


def test_stretch_resizes_the_whole_picture():
    """Every pixel is used, and both sides are resized on their own."""
    image = Image.fromarray(make.pixels(1, 30, 61))
    expected = image.resize((8, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(square(image, row("stretch")), expected)


@pytest.mark.parametrize("mode", ["pad", "stretch"])
def test_only_crop_heeds_the_crop_fraction(mode):
    """The whole picture is the whole picture, whatever share of the middle the weights were trained on."""
    image = Image.fromarray(make.pixels(1, 30, 61))
    assert np.array_equal(square(image, row(mode, crop_fraction=0.5)), square(image, row(mode)))


def test_crop_is_the_default():
    """A row that says nothing cuts the middle out."""
    image = Image.fromarray(make.pixels(1, 30, 61))
    assert np.array_equal(square(image, row("crop")), square(image, Preprocessing(8, MEAN, (1, 1, 1))))


@pytest.mark.parametrize("mode", RESIZE_MODES)
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photo_is_squared_upright(mode, orientation):
    """The picture is turned as EXIF says before it meets the square."""
    stored = Image.fromarray(make.pixels(1, 6, 15))
    turned = make.encode(stored, exif=make.exif(orientation))
    turns = {
        2: stored.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: stored.rotate(180),
        4: stored.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: stored.transpose(Image.Transpose.TRANSPOSE),
        6: stored.rotate(-90, expand=True),
        7: stored.transpose(Image.Transpose.TRANSVERSE),
        8: stored.rotate(90, expand=True),
    }
    assert np.array_equal(read_square(turned, row(mode)), square(turns[orientation], row(mode)))
