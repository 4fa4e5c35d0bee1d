"""What a file is by its first bytes, and the faults of PNG, GIF and WebP files that Pillow lets pass."""

import struct
import zlib

from zoo.errors import ImageError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GIF_SIGNATURES = (b"GIF87a", b"GIF89a")

_NO_PIXELS = "not an image of pixels: convert to JPEG or PNG"
_FOREIGN = (
    (b"%!PS", f"PostScript, {_NO_PIXELS}"),
    (b"\xc5\xd0\xd3\xc6", f"PostScript, {_NO_PIXELS}"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL, which Pillow cannot decode"),
    (b"\xff\x0a", "JPEG XL, which Pillow cannot decode"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000, which is not read here: convert to JPEG or PNG"),
    (b"8BPS", "a Photoshop file: convert to JPEG or PNG"),
    (b"version https://git-lfs", "a Git LFS pointer, not the picture: run `git lfs pull`"),
)
_PICTURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (PNG_SIGNATURE, "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_CHUNK_HEAD = struct.Struct(">I4s")
_TEXT_CONTROLS = frozenset(b"\t\n\f\r\x1b")


def foreign_kind(data: bytes) -> str | None:
    """Say what a file is that is no picture for us, by its first bytes.

    Returns:
        A few words ("a PDF document"), or None where the file may be a picture.
    """
    if picture_kind(data):
        return None
    for signature, kind in _FOREIGN:
        if data.startswith(signature):
            return kind
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[12:64]:
        return "HEIC: convert to JPEG (Pillow cannot decode it here)"
    # PDF readers accept up to 1024 bytes of anything in front; no picture has this mark there.
    if b"%PDF-" in data[:1024]:
        return f"a PDF document, {_NO_PIXELS}"
    if not any(data[:1024]):
        return "nothing but zero bytes"
    return _markup_kind(data[:1024])


def damage(said: str) -> str:
    """Return in plain words what Pillow says of a file that it cannot decode."""
    return "damaged: a text in it unpacks to too many bytes" if "MAX_TEXT_" in said else f"damaged: {said}"


def _markup_kind(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not text.startswith(b"<"):
        return None
    if b"<svg" in text or b"<!doctype svg" in text:
        return f"SVG, {_NO_PIXELS}"
    if b"<html" in text or b"<!doctype html" in text or b"<head" in text or b"<body" in text:
        return "an HTML page, not an image"
    return "XML or other markup, not an image"


def picture_kind(data: bytes) -> str | None:
    """Name the picture format that the first bytes promise, or None."""
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    return next((kind for signature, kind in _PICTURES if data.startswith(signature)), None)


def looks_like_text(data: bytes) -> bool:
    """Whether the first bytes are valid UTF-8 without control characters other than those of plain text."""
    head = data[:512]
    try:
        # Three bytes less, because the cut may go through a character.
        head[: max(len(head) - 3, 1)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(byte >= 32 or byte in _TEXT_CONTROLS for byte in head)


def check_png(data: bytes) -> None:
    """Walk all chunks of a PNG file up to its end mark and compare every CRC; Pillow leaves out those after the pixels.

    What follows the end mark is ignored, as every PNG reader does.

    Raises:
        ImageError: a chunk is cut, its CRC differs, or the end mark is missing.
    """
    view = memoryview(data)
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, kind = _CHUNK_HEAD.unpack_from(data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise ImageError("truncated")
        if zlib.crc32(view[position + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ImageError(f"bad CRC in chunk {ascii(kind.decode('latin-1'))}")
        if kind == b"IEND":
            return
        position = end + 4
    raise ImageError("truncated")


def gif_frames(data: bytes, most: int) -> int:
    """Count the frames of a GIF file without decoding one, and stop counting at `most` + 1.

    Pillow counts by walking through to the end, which a file of a few megabytes can make last for minutes. A cut file
    ends the count; whether its first frame is whole, is found by decoding it.
    """
    if len(data) < 13:
        return 0
    position = 13 + _palette_bytes(data[10])
    frames = 0
    while position + 10 < len(data) and frames <= most:
        if data[position] == 0x2C:
            frames += 1
            position = _after_blocks(data, position + 11 + _palette_bytes(data[position + 9]))
        elif data[position] == 0x21:
            position = _after_blocks(data, position + 2)
        else:
            break
    return frames


def _palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1


def is_cut_riff(data: bytes) -> bool:
    """Whether a WebP file is shorter than the length that its header states."""
    return data.startswith(b"RIFF") and len(data) < int.from_bytes(data[4:8], "little") + 8
