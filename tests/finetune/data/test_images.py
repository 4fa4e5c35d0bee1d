"""The one decoder: what every kind of picture becomes, and why a file is refused."""

import io
import random
import stat
import struct
import subprocess
import sys
import threading
import warnings

import numpy as np
import picture_files as make
import pytest
from PIL import EpsImagePlugin, Image

from finetune.data.images import ImageLimits, open_image, read_square, square
from zoo.errors import ImageError
from zoo.spec import Preprocessing

RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"]


def decoded(data: bytes) -> np.ndarray:
    """Decode to (height, width, 3) uint8."""
    image = open_image(data)
    assert image.mode == "RGB"
    return np.asarray(image)


def reason(data: bytes, **limits: int) -> str:
    """Give the reason for which a file is refused."""
    with pytest.raises(ImageError) as caught:
        open_image(data, ImageLimits(**limits))
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty file"),
        (make.HTML, "an HTML page, not an image"),
        (b"just a note, \xc3\xa4 line\n", "text, not an image"),
        (make.PDF, "a PDF document"),
        (make.ZIP, "a ZIP archive"),
        (b"\x01\x02\x03\x04" * 100, "not a picture of a known format"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "damaged or truncated: begins as JPEG"),
        (make.encode(Image.new("F", (2, 2)), "TIFF"), "a float TIFF"),
        (make.encode(Image.new("I", (2, 2)), "TIFF"), "a TIFF of 32-bit or signed integers"),
        (make.png_file(2, 1, colour=3, rows=b"\0\0\1"), "a palette that is missing"),
        (make.encode(make.pixels())[:-12] + make.chunk(b"IEND", b"")[:-1] + b"\0", "bad CRC in chunk 'IEND'"),
        (make.text_bomb(), "damaged: Decompressed data too large"),
    ],
)
def test_a_refusal_says_what_the_file_is(data, expected):
    """The reason stands in the report beside the file's name."""
    assert expected in reason(data)


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("share", [0.75, 0.97])
def test_a_cut_picture_is_truncated(picture_format, share):
    """A download that stopped is never shown with a grey rest."""
    data = make.encode(make.pixels(0, 60, 60), picture_format)
    assert "truncated" in reason(data[: int(share * len(data))])


@pytest.mark.parametrize("side", [12_000, 20_000])
def test_pixels_are_limited_by_the_header(side):
    """A small file that claims to be huge is refused before it is decoded, under and over Pillow's own limit."""
    assert "limit of 89,000,000 (max_image_pixels)" in reason(make.png_file(side, side))


def test_the_pixel_limit_names_the_size():
    """The message holds both what was found and what is accepted."""
    expected = "12 x 10 pixels are over the limit of 119 (max_image_pixels)"
    assert reason(make.encode(make.pixels()), max_pixels=119) == expected
    assert open_image(make.encode(make.pixels()), ImageLimits(max_pixels=120)).size == (12, 10)


@pytest.mark.parametrize("as_file", [False, True])
def test_the_length_of_a_file_is_limited(tmp_path, as_file):
    """The same limit holds for bytes and for files, which are not read then."""
    data = make.encode(make.pixels())
    source = make.write_files(tmp_path, {"a.png": data}) / "a.png" if as_file else data
    with pytest.raises(ImageError, match=r"bytes are over the limit of 50 \(max_file_bytes\)"):
        open_image(source, ImageLimits(max_file_bytes=50))


@pytest.mark.parametrize("picture_format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_are_limited(picture_format):
    """An animation over the limit is refused; one at the limit is read."""
    data = make.animation(picture_format, 4)
    assert reason(data, max_frames=3) == "more than 3 frames (max_frames)"
    assert open_image(data, ImageLimits(max_frames=4)).size == (4, 4)


@pytest.mark.parametrize(
    "bomb", ["make.text_bomb()", "make.gif_of_frames(10_000)", "make.png_file(12_000, 12_000)", "forged_webp()"]
)
def test_a_bomb_costs_little_memory(bomb):
    """A file of a few kilobytes that would unfold to hundreds of megabytes is refused within 60 MB."""
    program = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
import picture_files as make
from finetune.data.images import open_image
from zoo.errors import ImageError
def forged_webp():
    data = bytearray(make.encode(make.pixels(), "WEBP", lossless=True))
    data[21:25] = (11_999 | 11_999 << 14).to_bytes(4, "little")
    return bytes(data)
open_image(make.encode(make.pixels(), "WEBP"))
data = {bomb}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_image(data)
except ImageError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert int(grown) < 60_000


@pytest.fixture
def ghostscript(tmp_path, monkeypatch):
    """A program called gs that leaves a mark when it is started."""
    program, mark = tmp_path / "bin" / "gs", tmp_path / "started"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n: > {mark}\nexit 0\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    return mark


@pytest.mark.parametrize("name", ["a.jpg", "a.eps", "a.ps"])
@pytest.mark.parametrize("content", [make.EPS, make.PDF, make.SVG, make.encode(Image.new("F", (2, 2)), "TIFF")])
def test_ghostscript_is_never_started(ghostscript, tmp_path, name, content):
    """No content under any name leads to another program."""
    path = make.write_files(tmp_path, {name: content}) / name
    with pytest.raises(ImageError):
        open_image(path)
    assert not ghostscript.exists()


def test_pillow_alone_would_start_ghostscript(ghostscript):
    """The trap of the test above works."""
    with pytest.raises(OSError), Image.open(io.BytesIO(make.EPS)) as image:
        image.load()
    assert ghostscript.exists()


def torn_tags() -> bytes:
    """Give a JPEG whose EXIF block makes Pillow warn."""
    block = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 9, 0x010E, 2, 400, 500)
    return make.encode(make.pixels(), "JPEG", exif=block)


def test_pillow_does_not_warn_from_inside_the_decoder():
    """Torn EXIF and large headers end in a picture or a verdict, not in lines on the screen."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_image(torn_tags())
        reason(make.png_file(12_000, 12_000))
    assert caught == []


def test_pillow_still_warns_outside_of_the_decoder():
    """The user's own use of Pillow in the same process is left alone."""
    open_image(torn_tags())
    with pytest.warns(UserWarning), Image.open(io.BytesIO(torn_tags())) as image:
        image.getexif()


def test_other_threads_warn_while_one_decodes(monkeypatch):
    """Silence is bound to the thread that decodes."""
    inside, go_on = threading.Event(), threading.Event()

    def wait(*args, **options):
        inside.set()
        go_on.wait()
        raise OSError("enough")

    monkeypatch.setattr(Image, "open", wait)
    thread = threading.Thread(target=lambda: reason(make.encode(make.pixels())))
    thread.start()
    inside.wait()
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
    go_on.set()
    thread.join()


def test_an_unreadable_file_is_a_verdict(tmp_path):
    """Missing files and folders are reasons, not tracebacks."""
    for path, words in ((tmp_path / "none.jpg", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ImageError, match=f"cannot be read: .*{words}"):
            open_image(path)


def test_a_named_pipe_is_not_waited_for(tmp_path):
    """Opening a pipe without a writer would hang for ever."""
    pipe = tmp_path / "a.jpg"
    make.os.mkfifo(pipe)
    with pytest.raises(ImageError, match="not a regular file"):
        open_image(pipe)


@pytest.mark.parametrize("picture_format", FORMATS)
def test_flipped_bytes_give_a_picture_or_a_reason(picture_format):
    """Whatever Pillow raises on a damaged file becomes a reason in one line."""
    generator = random.Random(picture_format)
    whole = make.encode(make.pixels(), picture_format)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(generator.choice((1, 2, 8))):
            data[generator.randrange(min(len(data), 400))] = generator.randrange(256)
        try:
            assert open_image(bytes(data), ImageLimits(max_pixels=1_000_000)).mode == "RGB"
        except ImageError as error:
            assert str(error).isprintable() and "object at" not in str(error)


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
