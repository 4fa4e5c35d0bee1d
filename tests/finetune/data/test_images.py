"""The one decoder: what every kind of picture becomes."""

import struct

import numpy as np
import picture_files as make
import pytest
from PIL import Image
from sklearn.ensemble import RandomForestRegressor

from finetune.data.images import open_image, read_square, square
from zoo.spec import Preprocessing

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"]


def decoded(data: bytes) -> np.ndarray:
    """Decode to (height, width, 3) uint8."""
    image = open_image(data)
    assert image.mode == "RGB"
    return np.asarray(image)


def palette_picture(**options) -> bytes:
    """Encode one red and one green pixel by a palette."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    return make.encode(image, **options)


@pytest.mark.parametrize("picture_format", FORMATS)
def test_every_allowed_format_becomes_rgb(picture_format):
    """Each format that is read gives a picture of the right size and colour."""
    data = make.encode(Image.new("RGB", (16, 8), (200, 40, 40)), picture_format)
    assert decoded(data).shape == (8, 16, 3)
    assert np.abs(decoded(data).astype(int) - (200, 40, 40)).max() <= 4


@pytest.mark.parametrize("kind", [bytes, str, "path"])
def test_a_path_and_the_bytes_give_the_same_pixels(tmp_path, kind):
    """Serving hands over bytes, training paths; both go through the same decoder."""
    pixels = make.pixels()
    path = make.write_files(tmp_path, {"a.png": make.encode(pixels)}) / "a.png"
    source = path.read_bytes() if kind is bytes else str(path) if kind is str else path
    assert np.array_equal(open_image(source), pixels)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (make.encode(Image.new("L", (1, 1), 77)), (77, 77, 77)),
        (make.encode(Image.new("1", (1, 1), 1)), WHITE),
        (make.encode(Image.new("1", (1, 1), 0)), BLACK),
        (palette_picture(), RED),
        (palette_picture(transparency=0), WHITE),
        (palette_picture(transparency=1), RED),
        (make.encode(Image.new("RGBA", (1, 1), (255, 0, 0, 0))), WHITE),
        (make.encode(Image.new("RGBA", (1, 1), (255, 0, 0, 255))), RED),
        (make.encode(Image.new("RGBA", (1, 1), (255, 0, 0, 51))), (255, 204, 204)),
        (make.encode(Image.new("LA", (1, 1), (0, 51))), (204, 204, 204)),
        (make.encode(Image.new("L", (1, 1), 9), transparency=9), WHITE),
        (make.encode(Image.new("RGB", (1, 1), RED), transparency=RED), WHITE),
        (make.encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), RED),
    ],
)
def test_every_mode_has_one_written_colour(data, expected):
    """Palettes, grey, 1-bit and CMYK are converted; what is transparent lies over white."""
    assert tuple(decoded(data)[0, 0]) == expected


def test_a_cmyk_jpeg_has_the_colours_of_its_rgb_twin():
    """Printers' JPEG files have four inverted channels."""
    pixels = np.kron(make.pixels(0, 2, 3), np.ones((8, 8, 1), np.uint8))
    image = Image.fromarray(pixels).convert("CMYK")
    data = make.encode(image, "JPEG", quality=100, subsampling=0)
    assert np.abs(decoded(data).astype(int) - pixels).max() <= 3


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_keeps_the_high_byte(picture_format):
    """16-bit samples are scaled, where Pillow alone would make nearly all of them white."""
    grey = np.array([[0, 255, 256, 0x1234, 0x8000, 65535]], np.uint16)
    data = make.encode(Image.fromarray(grey), picture_format)
    assert decoded(data)[0, :, 0].tolist() == [0, 0, 1, 0x12, 0x80, 255]


def test_sixteen_bit_grey_and_colour_agree():
    """A grey picture has the same pixels whether it is stored in one channel of 16 bits or in three."""
    samples = [0x00FF, 0x1280, 0xFFFF]
    grey = make.png_file(3, 1, depth=16, colour=0, rows=b"\0" + struct.pack(">3H", *samples))
    colour = [value for value in samples for _ in range(3)]
    rgb = make.png_file(3, 1, depth=16, colour=2, rows=b"\0" + struct.pack(">9H", *colour))
    assert np.array_equal(decoded(grey), decoded(rgb))


def test_twelve_bit_tiff_is_scaled_by_its_own_depth():
    """Scanners' 12-bit files are neither black nor white."""
    fields = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 122), (277, 1), (278, 1), (279, 3)]
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, value) for tag, value in fields)
    data = b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + b"\xff\xf8\x00"
    assert decoded(data)[0, :, 0].tolist() == [255, 128]


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, np.fliplr),
        (3, lambda stored: np.rot90(stored, 2)),
        (4, np.flipud),
        (5, lambda stored: stored.transpose(1, 0, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (7, lambda stored: np.rot90(stored, 2).transpose(1, 0, 2)),
        (8, lambda stored: np.rot90(stored, 1)),
    ],
)
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_turns_the_picture(orientation, upright, picture_format):
    """A phone's photo is upright, whatever the format, and turned only once."""
    stored = make.pixels()
    options = {"lossless": True} if picture_format == "WEBP" else {}
    if picture_format == "TIFF":
        options["tiffinfo"] = {0x0112: orientation}
    else:
        options["exif"] = make.exif(orientation)
    assert np.array_equal(decoded(make.encode(stored, picture_format, **options)), upright(stored))


def test_a_photo_with_torn_exif_is_shown_as_stored():
    """Damage in the EXIF block alone costs the orientation, not the picture."""
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 1, 0x0112, 5, 1, 500)
    data = make.encode(make.pixels(), "JPEG", exif=block)
    assert np.array_equal(decoded(data), decoded(make.encode(make.pixels(), "JPEG")))


@pytest.mark.parametrize("picture_format", ["GIF", "WEBP", "PNG", "MPO", "TIFF"])
def test_an_animation_is_its_first_frame(picture_format):
    """Animations, stereo photos and documents of several pages count as their first picture."""
    first = decoded(make.animation(picture_format, 3))
    assert np.array_equal(first, decoded(make.animation(picture_format, 1)))


def test_an_appended_archive_changes_nothing():
    """What follows the picture's end is not looked at."""
    data = make.encode(make.pixels(), "JPEG")
    assert np.array_equal(decoded(data + make.ZIP), decoded(data))


@pytest.mark.parametrize(("width", "height"), [(7, 4), (4, 7)])
def test_square_is_cut_from_the_middle(width, height):
    """Of an odd rest the smaller half is cut off first: one column or row before the square, two after it."""
    pixels = make.pixels(0, height, width)
    left, top = ((width - 4) // 2, 0) if width > height else (0, (height - 4) // 2)
    cut = square(Image.fromarray(pixels), Preprocessing(4, (0, 0, 0), (1, 1, 1)))
    assert np.array_equal(cut, pixels[top : top + 4, left : left + 4])


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_square_is_resized_as_the_row_says(interpolation):
    """The interpolation is Pillow's of the same name, up and down."""
    image = Image.fromarray(make.pixels(0, 9, 9))
    for size in (5, 20):
        expected = image.resize((size, size), Image.Resampling[interpolation.upper()])
        resized = square(image, Preprocessing(size, (0, 0, 0), (1, 1, 1), interpolation))
        assert np.array_equal(resized, expected)


def test_read_square_decodes_then_cuts():
    """The network's square is that of the upright RGB picture, as writable uint8."""
    data = make.encode(make.pixels(0, 6, 9), exif=make.exif(6))
    preprocessing = Preprocessing(5, (0, 0, 0), (1, 1, 1))
    result = read_square(data, preprocessing)
    assert result.dtype == np.uint8 and result.shape == (5, 5, 3) and result.flags.writeable
    assert np.array_equal(result, square(open_image(data), preprocessing))


def test_scikit_learn_trains_after_pictures_were_decoded():
    """What keeps Pillow quiet does not stand in the way of whoever copies the filters of warnings."""
    decoded(make.encode(Image.new("RGB", (4, 4))))
    assert RandomForestRegressor(2).fit([[0], [1]], [0, 1]).n_features_in_ == 1
