"""The one image decoder: training, evaluation, prediction and serving all see what it gives.

A second decoder would disagree with it on turned photos, transparency, 16-bit samples and damaged files; so whoever
needs pixels calls `open_image`, or `open_reduced` where few will do, and whoever needs the network's square
`read_square`.
"""

import hashlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import (
    AvifImagePlugin,  # noqa: F401  a plugin registers itself when it is imported;
    ExifTags,
    Image,
    TiffImagePlugin,  # noqa: F401  otherwise Pillow imports all of its forty
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401  inside the first threads that decode
    features,
)

from finetune.data import signatures
from finetune.data.examples import printable
from finetune.data.picture_file import ImageLimits, check_length, open_file, read_file
from finetune.data.pixels import picture_digest, picture_of
from finetune.data.resize import square
from finetune.data.turns import TURNS, Area, turned_area, turned_size
from zoo.errors import ImageError
from zoo.spec import Preprocessing

# Part of every cache key: raised by one whenever the same bytes would give other pixels or another verdict.
DECODER_VERSION = 2

# Only these are ever tried, whatever a file is called; "JPEG" includes MPO. Without EPS, Ghostscript never starts.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")

# Words in what Pillow says of a file that ends too early.
_CUT_SIGNS = ("truncated", "not enough image data", "end of file", "reached eof")

# How much larger than needed a JPEG has to be to be decoded at a half, a quarter or an eighth of its size, as libjpeg
# does it while it decodes. Pillow's own `thumbnail` and `resize(reducing_gap=3)` take this factor for one that nobody
# sees: a photo of 12 megapixels differed by 0.24 of 255 levels in the mean and by 3 at most, after 23 ms instead of 95.
_GAP = 3

# What Pillow 13 raises on damaged files. The first two rows came up when the bytes of small files of every format were
# flipped, cut and rearranged a few hundred thousand times; the rest stands in its source.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, OverflowError, RuntimeError),
    *(struct.error, Image.DecompressionBombError),
    *(KeyError, EOFError, ZeroDivisionError, AssertionError, MemoryError, zlib.error),
)

DEFAULT_LIMITS = ImageLimits()
Source = str | Path | bytes | np.ndarray | Image.Image


def open_image(source: Source, limits: ImageLimits = DEFAULT_LIMITS) -> Image.Image:
    """Decode a picture fully to RGB.

    The picture is turned as its EXIF orientation says; transparent parts lie over white; 16-bit samples keep their high
    byte; of an animation it is the first frame; palettes, grey, 1-bit and CMYK become RGB by Pillow's conversion.

    Args:
        source: a path, or the bytes of the file themselves, or an array as `finetune.data.pixels` takes it, or what
            Pillow has opened or made.
        limits: what the picture may cost.

    Returns:
        A loaded picture of mode RGB that holds no file open.

    Raises:
        ImageError: the reason alone, without the file's name, in one line.
    """
    return open_reduced(source, limits, least=None).image


@dataclass(frozen=True)
class Decoded:
    """A picture as large as it was needed.

    Attributes:
        image: loaded, of mode RGB, or L where that was asked for, turned as EXIF says.
        size: the picture's own width and height in pixels, turned as well.
        area: what of `image` the picture fills: left, top, right and bottom, in pixels of `image` and fractions of
            them, for the last pixels of a smaller one may reach over its edge.
    """

    image: Image.Image
    size: tuple[int, int]
    area: Area


def open_reduced(
    source: Source, limits: ImageLimits = DEFAULT_LIMITS, *, least: int | None, grey: bool = False
) -> Decoded:
    """Decode a picture to RGB, a large JPEG file at no more than the size that is needed.

    Args:
        source: as for `open_image`.
        limits: what the picture may cost, at its own size.
        least: pixels that the shorter side must keep. A JPEG file with twice as many or more is decoded at a half, a
            quarter or an eighth of its size, in a fraction of the time and the memory. None decodes it fully.
        grey: leave a picture that is nothing but grey in its one channel, which is resized in half the time.

    Raises:
        ImageError: see `open_image`.
    """
    if isinstance(source, np.ndarray):
        image = picture_of(source)
        _check_header(image, limits)
        return Decoded(image if _is_grey(image) and grey else _over_white(image), image.size, (0, 0, *image.size))
    data = b""
    if not isinstance(source, Image.Image):
        data = source if isinstance(source, bytes) else read_file(source, limits)
        _check_bytes(data, limits)
    try:
        with _quiet_pillow():
            if isinstance(source, Image.Image):
                return _pixels(source, limits, None, grey)  # it stays as it is
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _pixels(image, limits, least, grey)
    except ImageError:
        raise
    except _DAMAGE as error:
        raise ImageError(_reason(error, data, limits)) from error


def read_square(source: Source, preprocessing: Preprocessing, limits: ImageLimits = DEFAULT_LIMITS) -> np.ndarray:
    """Decode a picture as large as is needed, and give the network's square of it: `open_reduced`, then `square`.

    Returns:
        `(image_size, image_size, 3)` uint8.

    Raises:
        ImageError: see `open_image`.
    """
    least = math.ceil(_GAP * preprocessing.image_size / preprocessing.crop_fraction)
    decoded = open_reduced(source, limits, least=least, grey=True)
    return square(decoded.image, preprocessing, size=decoded.size, area=decoded.area)


def source_digest(source: str | Path | bytes | np.ndarray, limits: ImageLimits) -> bytes:
    """Return the SHA-256 of what `open_image` takes: of a file's bytes, or of an array's pixels.

    Raises:
        ImageError: the file cannot be read, or the array is no picture.
    """
    if isinstance(source, np.ndarray):
        return picture_digest(source)
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    with open_file(source, limits) as stream:
        try:
            return hashlib.file_digest(stream, "sha256").digest()
        except OSError as error:
            raise ImageError(f"cannot be read: {error.strerror}") from error


def _pixels(image: Image.Image, limits: ImageLimits, least: int | None, grey: bool) -> Decoded:
    if image.format not in (None, "MPO", *FORMATS):
        raise ImageError(f"a picture of the format {image.format}, which is not decoded; convert it to RGB first")
    _check_header(image, limits)
    size = filled = image.size
    if least is not None:
        _, (*_, right, bottom) = image.draft(None, (least, least)) or (None, (0, 0, *size))
        filled = (right, bottom)
    image.load()
    turn = _turn(image)
    pixels = _eight_bits(image)
    pixels = pixels if grey and _is_grey(pixels) else _over_white(pixels)
    pixels = pixels if turn is None else pixels.transpose(turn)
    return Decoded(pixels, turned_size(size, turn), turned_area(filled, pixels.size, turn))


def _check_bytes(data: bytes, limits: ImageLimits) -> None:
    check_length(len(data), limits)
    foreign = signatures.foreign_kind(data)
    if foreign:
        raise ImageError(foreign)
    if data.startswith(signatures.PNG_SIGNATURE):
        signatures.check_png(data)
    if data.startswith(signatures.GIF_SIGNATURES):
        _check_frames(signatures.gif_frames(data, limits.max_frames), limits)


def _check_header(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if not width or not height:
        raise ImageError(f"{width} x {height} pixels: nothing to see")
    if width * height > limits.max_pixels:
        raise ImageError(f"{width} x {height} pixels are over the limit of {limits.max_pixels:,} (max_image_pixels)")
    # GIF frames are counted before; the pages of a TIFF are no animation, and counting them is work without bound.
    if image.format in ("PNG", "WEBP", "AVIF"):
        _check_frames(image.n_frames, limits)


def _check_frames(count: int, limits: ImageLimits) -> None:
    if count > limits.max_frames:
        raise ImageError(f"more than {limits.max_frames:,} frames (max_frames)")


def _eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "P" and image.palette is None:
        raise ImageError("damaged: its colours are numbers of a palette that is missing")
    if image.mode == "F":
        raise ImageError(f"a float {image.format}: its range is unknown; convert to 8 or 16 bits")
    if image.mode == "I" and image.format == "TIFF":
        raise ImageError("a TIFF of 32-bit or signed integers: its range is unknown; convert to 8 or 16 bits")
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    # The high byte, as Pillow takes it of 16-bit colour; its own conversion of grey would clip at 255 instead.
    bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (16,))[0] if image.format == "TIFF" else 16
    return Image.fromarray((np.asarray(image) >> (bits - 8)).astype(np.uint8))


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation))
    except _DAMAGE:
        # Photos with torn EXIF but sound pixels are common, also in ImageNet; every viewer shows them unturned.
        return None


def _is_grey(image: Image.Image) -> bool:
    return image.mode == "L" and not image.has_transparency_data


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    pixels = image.convert("RGBA")
    white = Image.new("RGB", pixels.size, "white")
    white.paste(pixels, mask=pixels)
    return white


def _reason(error: Exception, data: bytes, limits: ImageLimits) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"more pixels than the limit of {limits.max_pixels:,} (max_image_pixels)"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if isinstance(error, UnidentifiedImageError):
        return _unknown(data)
    text = printable(" ".join(str(error).split()))[:120]
    if isinstance(error, EOFError) or signatures.is_cut_riff(data) or any(sign in text.lower() for sign in _CUT_SIGNS):
        return "truncated"
    return signatures.damage(text or type(error).__name__)


def _unknown(data: bytes) -> str:
    kind = signatures.picture_kind(data)
    if kind == "AVIF" and not features.check("avif"):
        return "AVIF, which this Pillow cannot decode: convert to JPEG or PNG"
    if kind:
        return f"damaged or truncated: begins as {kind}, but cannot be read further"
    if signatures.looks_like_text(data):
        return "text, not an image"
    return "not a picture of a known format (JPEG, PNG, GIF, BMP, WebP, TIFF, PPM, AVIF)"


class _WhileDecoding:
    """Stands where the list of warning filters has a pattern: matches every message, but only inside the decoder."""

    # scikit-learn hands filters on as texts where it trains in parallel; this one matches nothing
    pattern = r"(?!)"

    def match(self, message: str) -> bool:
        return _decoding.get()


_decoding = ContextVar("decoding", default=False)
_FILTER = ("ignore", _WhileDecoding(), Warning, None, 0)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    # Pillow warns on torn EXIF and large headers, which get a verdict here. warnings.catch_warnings would swap the
    # filters of all threads; this entry may stay, for outside of a decoder's own context it never matches. Filters that
    # were set since the last picture stand before it, so it is put in front again.
    if not warnings.filters or warnings.filters[0] is not _FILTER:
        warnings.filters.insert(0, _FILTER)
    token = _decoding.set(True)
    try:
        yield
    finally:
        _decoding.reset(token)
