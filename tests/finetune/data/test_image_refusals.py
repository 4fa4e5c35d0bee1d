"""The one decoder: why a file is refused, at what cost, and what it never does."""

import io
import random
import stat
import struct
import subprocess
import sys
import threading
import warnings

import picture_files as make
import pytest
from PIL import EpsImagePlugin, Image

from finetune.data.images import ImageLimits, open_image
from zoo.errors import ImageError

FORMATS = ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"]


def reason(data: bytes, **limits: int) -> str:
    """Give the reason for which a file is refused."""
    with pytest.raises(ImageError) as caught:
        open_image(data, ImageLimits(**limits))
    return str(caught.value)


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
        (make.text_bomb(), "damaged: a text in it unpacks to too many bytes"),
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
    "bomb", ["make.text_bomb()", "make.gif_of_frames(10_000)", "make.png_file(12_000, 12_000)", "make.forged_webp()"]
)
def test_a_bomb_costs_little_memory(bomb):
    """A file of a few kilobytes that would unfold to hundreds of megabytes is refused within 60 MB."""
    program = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
import picture_files as make
from finetune.data.images import open_image
from zoo.errors import ImageError
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
    """Torn EXIF and large headers end in a picture or a verdict, whatever filters were set since the last one."""
    open_image(torn_tags())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_image(torn_tags())
        reason(make.png_file(12_000, 12_000))
    assert caught == []


def test_pillow_still_warns_outside_of_the_decoder():
    """The user's own use of Pillow in the same process is left alone."""
    with pytest.warns(UserWarning):
        open_image(torn_tags())
        with Image.open(io.BytesIO(torn_tags())) as image:
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
    with pytest.warns(UserWarning, match="heard"):
        thread.start()
        inside.wait()
        warnings.warn("heard", stacklevel=1)
    go_on.set()
    thread.join()


def test_an_unreadable_file_is_a_verdict(tmp_path):
    """Missing files and folders are reasons, not tracebacks."""
    for path, words in ((tmp_path / "none.jpg", "No such file"), (tmp_path, "directory"), ("a\0.png", "null byte")):
        with pytest.raises(ImageError, match=f"cannot be read: .*{words}"):
            open_image(path)


def test_a_file_over_the_limit_is_not_read(tmp_path):
    """Its length is asked for first; here it would be ten gigabytes."""
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    with pytest.raises(ImageError, match=r"10,000,000,000 bytes are over the limit"):
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
