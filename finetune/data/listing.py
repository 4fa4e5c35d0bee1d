"""What lies in a folder: pictures by their names, folders, and the rest. Nothing is opened."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from finetune.data.examples import Skipped, printable
from zoo.errors import DataError

# Extensions that promise a picture. Those that no decoder of ours reads are here too, so that they are skipped with a
# reason instead of vanishing.
PICTURE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .pjpeg .mpo .png .apng .gif .bmp .dib .webp .tif .tiff .ppm .pgm .pbm .pnm .avif .avifs "
    ".heic .heif .jxl .jp2 .j2k .ico .psd .tga .svg .svgz .pdf .eps .ps .ai".split()
)
FOLDER_LINK = "a link to a folder, not followed"

_SYSTEM_NAMES = frozenset(
    ["__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "__pycache__"]
)
_SPECIAL = "neither a file nor a folder"
_PICTURE, _FOLDER, _OTHER = "picture", "folder", "other"


@dataclass(frozen=True)
class Found:
    """What lies in a folder, as paths relative to the data's root in the order of their bytes.

    Attributes:
        folders: folders right below.
        pictures: files that promise to be pictures.
        skipped: links that promise a picture and lead nowhere.
        left_out: what was never meant as a picture.
    """

    folders: tuple[str, ...]
    pictures: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    left_out: tuple[Skipped, ...]


def list_folder(root: Path, folder: str, *, in_class: bool = False) -> Found:
    """List one folder.

    Args:
        root: the data's root.
        folder: relative to the root; "" is the root.
        in_class: whether files without an extension count as pictures.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        with os.scandir(root / folder) as entries:
            listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise DataError(
            f"{printable(str(root / folder))} cannot be listed: {error.strerror}. Make it readable, or move it away."
        ) from error
    folders, pictures, skipped, left_out = [], [], [], []
    for entry in listed:
        kind, reason = _kind(entry, in_class=in_class)
        path = os.path.join(folder, entry.name)
        if reason:
            (skipped if kind == _PICTURE else left_out).append(Skipped(path, reason))
        else:
            (pictures if kind == _PICTURE else folders).append(path)
    return Found(tuple(folders), tuple(pictures), tuple(skipped), tuple(left_out))


def list_tree(root: Path, folder: str) -> Found:
    """List a class folder with all that lies further below; `folders` are those right below it.

    Raises:
        DataError: one of the folders cannot be listed.
    """
    top = list_folder(root, folder, in_class=True)
    parts, waiting = [top], list(top.folders)
    while waiting:
        parts.append(list_folder(root, waiting.pop(), in_class=True))
        waiting += parts[-1].folders
    return Found(
        folders=top.folders,
        pictures=tuple(sorted((path for part in parts for path in part.pictures), key=os.fsencode)),
        skipped=tuple(item for part in parts for item in part.skipped),
        left_out=tuple(item for part in parts for item in part.left_out),
    )


def _kind(entry: os.DirEntry, *, in_class: bool) -> tuple[str, str]:
    """Return what an entry is, and why it is not used (empty where it is)."""
    if entry.name.startswith(".") or entry.name.casefold() in _SYSTEM_NAMES:
        return _OTHER, "system file"
    if entry.is_dir(follow_symlinks=False):
        return _FOLDER, ""
    if entry.is_symlink() and os.path.isdir(entry.path):
        return _OTHER, FOLDER_LINK
    suffix = os.path.splitext(entry.name)[1].lower()
    # Data sets with hashes for names lack extensions; beside the class folders such a file is a LICENSE or a Makefile.
    if suffix not in PICTURE_SUFFIXES and (suffix or not in_class):
        return _OTHER, f"not a picture by its name: {suffix or 'no extension'}"
    if entry.is_symlink():
        return _link_kind(entry)
    return (_PICTURE, "") if entry.is_file(follow_symlinks=False) else (_OTHER, _SPECIAL)


def _link_kind(link: os.DirEntry) -> tuple[str, str]:
    try:
        mode = link.stat().st_mode
    except OSError as error:
        return _PICTURE, "a link that leads to itself" if error.errno == errno.ELOOP else "a link to nothing"
    return (_PICTURE, "") if stat.S_ISREG(mode) else (_OTHER, _SPECIAL)
