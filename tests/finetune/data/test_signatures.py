"""What a file is by its first bytes, and the walks through PNG and GIF files."""

import picture_files as make
import pytest

from finetune.data import signatures
from zoo.errors import ImageError


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (make.HTML, "an HTML page, not an image"),
        (b"\xef\xbb\xbf\n  <HTML lang='en'><head>", "an HTML page, not an image"),
        (make.SVG, "SVG, not an image of pixels: convert to JPEG or PNG"),
        (b"<?xml version='1.0'?><note/>", "XML or other markup, not an image"),
        (make.PDF, "a PDF document, not an image of pixels: convert to JPEG or PNG"),
        (b"junk before\n" + make.PDF, "a PDF document, not an image of pixels: convert to JPEG or PNG"),
        (make.EPS, "PostScript, not an image of pixels: convert to JPEG or PNG"),
        (b"\xc5\xd0\xd3\xc6" + bytes(26) + make.EPS, "PostScript, not an image of pixels: convert to JPEG or PNG"),
        (make.ZIP, "a ZIP archive"),
        (make.HEIC, "HEIC: convert to JPEG (Pillow cannot decode it here)"),
        (bytes(4096), "nothing but zero bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer, not the picture: run `git lfs pull`"),
    ],
)
def test_a_file_that_is_no_picture_is_named(data, kind):
    """The first bytes tell what was put among the pictures."""
    assert signatures.foreign_kind(data) == kind


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF"])
def test_no_picture_format_is_taken_for_something_else(picture_format):
    """What Pillow writes is never called foreign."""
    assert signatures.foreign_kind(make.encode(make.pixels(), picture_format)) is None


def test_a_jpeg_that_mentions_pdf_stays_a_jpeg():
    """The mark of a PDF inside the comment of a JPEG does not make it a document."""
    assert signatures.foreign_kind(make.encode(make.pixels(), "JPEG", comment=b"%PDF-1.7")) is None


def test_an_avif_file_with_the_general_brand_is_not_called_heic():
    """AVIF and HEIC share a container and the brand mif1; the further brands tell them apart."""
    head = b"\x00\x00\x00\x1cftypmif1\x00\x00\x00\x00mif1avifmiaf"
    assert signatures.foreign_kind(head + bytes(64)) is None


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("colours", [2, 256])
def test_gif_frames_are_counted_as_pillow_counts_them(frames, colours):
    """The walk skips palettes, extensions and pixel data of every frame."""
    images = [make.Image.fromarray(make.pixels(seed, 30, 30)).quantize(colours) for seed in range(frames)]
    data = make.encode(images[0], "GIF", save_all=True, append_images=images[1:], comment=b"x" * 600)
    assert signatures.gif_frames(data, 1000) == frames


def test_gif_frames_stop_counting_over_the_limit():
    """A file of millions of frames costs no more than one just over the limit."""
    assert signatures.gif_frames(make.gif_of_frames(500), 20) == 21


@pytest.mark.parametrize("length", [0, 5, 12, 13, 20, 24, 30])
def test_gif_frames_survive_any_cut(length):
    """A cut GIF ends the count without a fault."""
    assert signatures.gif_frames(make.gif_of_frames(3)[:length], 1000) <= 1


def test_a_png_may_be_followed_by_anything():
    """Bytes after the end mark are not the picture's."""
    assert signatures.check_png(make.encode(make.pixels()) + b"PK\x03\x04 appended") is None


@pytest.mark.parametrize("kind", [b"IHDR", b"tEXt", b"IDAT", b"IEND"])
def test_every_chunk_of_a_png_is_compared_with_its_crc(kind):
    """Also those that hold no pixels, and the last one."""
    data = make.png_file(1, 1, rows=b"\0\0", extra=make.chunk(b"tEXt", b"a\0b"))
    broken = data.replace(kind, kind[:3] + bytes([kind[3] ^ 0x20]))
    with pytest.raises(ImageError, match="bad CRC in chunk"):
        signatures.check_png(broken)


def test_a_png_without_its_end_mark_is_truncated():
    """All pixels are there, but the file is not whole."""
    with pytest.raises(ImageError, match="truncated"):
        signatures.check_png(make.encode(make.pixels())[:-12])
