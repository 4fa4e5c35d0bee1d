"""The frame of all report pages: one file each, without scripts or network, every text in it legible and escaped."""

import base64
import struct
import unicodedata
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from finetune.report.figures import duration, memory, number, percent, setting

_HERE = Path(__file__).parent


@cache
def page_frame(folder: Path = _HERE) -> Environment:
    """Return what makes pages of the templates in a folder, and of those that all pages share.

    Args:
        folder: of the templates.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, _HERE]),
        autoescape=True,
        finalize=_legible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (percent, number, duration, memory, setting):
        environment.filters[function.__name__] = function
    environment.filters |= {"data_uri": _data_uri, "png_size": _png_size}
    return environment


def _legible(value: object) -> object:
    """Spell out characters of a text that are invisible, reorder their neighbours or cannot be encoded."""
    if not isinstance(value, str) or hasattr(value, "__html__") or value.isprintable():
        return value
    return "".join(c if _harmless(c) else _spelled(c) for c in value)


def _harmless(character: str) -> bool:
    # The two joiners shape letters in Persian, Indic scripts and emoji.
    return character.isprintable() or character in "\u200c\u200d" or unicodedata.category(character) == "Zs"


def _spelled(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def _data_uri(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _png_size(picture: bytes) -> tuple[int, int]:
    # Width and height open the first chunk: https://www.w3.org/TR/png-3/#11IHDR
    return struct.unpack(">II", picture[16:24])
