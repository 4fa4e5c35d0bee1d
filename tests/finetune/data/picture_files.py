"""Picture files, sound and bad, for the tests of scanning, checking and decoding; and the check of a folder of them."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.data.checks import Inspection, inspect
from finetune.data.folder import scan_folder
from finetune.data.images import ImageLimits

HTML = b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
ZIP = b"PK\x03\x04" + bytes(26) + b"a.txt"
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)


def pixels(seed: int = 0, height: int = 10, width: int = 12) -> np.ndarray:
    """Give a picture without any symmetry, (height, width, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encode(image: Image.Image | np.ndarray, picture_format: str = "PNG", **options) -> bytes:
    """Encode a picture with Pillow."""
    stream = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(stream, picture_format, **options)
    return stream.getvalue()


def animation(picture_format: str, frames: int) -> bytes:
    """Encode an animation of distinct frames, WebP without loss."""
    images = [Image.fromarray(pixels(seed, 4, 4)) for seed in range(frames)]
    options = {"lossless": True} if picture_format == "WEBP" else {}
    return encode(images[0], picture_format, save_all=True, append_images=images[1:], **options)


def exif(orientation: int) -> bytes:
    """Give an EXIF block that states nothing but the orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    """Give one PNG chunk with its right CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(
    width: int, height: int, *, depth: int = 8, colour: int = 0, rows: bytes = b"", extra: bytes = b""
) -> bytes:
    """Build a PNG file by hand: `colour` is the PNG colour type, `rows` filtered, `extra` chunks before them."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """Give a PNG of 100 kB whose text chunk is 100 MB when decompressed."""
    packer = zlib.compressobj(9)
    text = b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    return png_file(1, 1, rows=b"\0\0", extra=chunk(b"zTXt", b"Comment\0\0" + text))


def forged_webp() -> bytes:
    """Give a WebP of a few hundred bytes that claims 12,000 x 12,000 pixels."""
    data = bytearray(encode(pixels(), "WEBP", lossless=True))
    data[21:25] = (11_999 | 11_999 << 14).to_bytes(4, "little")
    return bytes(data)


def gif_of_frames(count: int) -> bytes:
    """Give a GIF of `count` frames of one pixel."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * count + b"\x3b"


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    """Write files by their paths relative to root."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def touch(root: Path, *names: str) -> Path:
    """Make empty files by their paths relative to root; scanning opens none."""
    for name in names:
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb"):
            pass
    return root


def class_folders(root: Path, classes: tuple[str, ...] = ("cat", "dog"), per_class: int = 3) -> Path:
    """Write class folders of distinct small PNG files 0.png, 1.png and so on."""
    for number, name in enumerate(classes):
        for index in range(per_class):
            content = encode(pixels(1000 * number + index, 4, 4))
            write_files(root, {f"{name}/{index}.png": content})
    return root


@contextmanager
def unprivileged() -> Iterator[None]:
    """Let root meet file permissions as any other user does."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def no_track(title, total, unit):
    """Show nothing."""
    yield lambda steps: None


def check(root: Path, cache_dir: Path | None = None, **options) -> Inspection:
    """Scan and inspect a folder."""
    settings = {"limits": ImageLimits(), "threads": 2, "track": no_track, "cache_dir": cache_dir} | options
    return inspect(scan_folder(root), **settings)
