"""A folder of class folders becomes Examples, or is refused before any picture is opened.

Read are `root/CLASS/**/pictures`, and `root/{train,validation,test}/CLASS/**/pictures` as ready-made splits.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.data.examples import Examples, Skipped, printable
from finetune.data.listing import FOLDER_LINK, Found, list_folder, list_tree
from zoo.errors import DataError, nearest

SPLIT_FOLDERS = {
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "test": "test",
}
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")

ACCEPTED = (
    "accepted are a folder of class folders, a CSV file (.csv, .tsv, .txt), an .npz file of arrays, keras:NAME and "
    "tfds:NAME"
)
_OTHER_FILES = (
    ((".xlsx", ".xls", ".xlsm", ".ods"), " Save the table as CSV in UTF-8 (Excel: 'CSV UTF-8')."),
    ((".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".tsv.gz"), " Unpack it first."),
    ((".parquet", ".feather", ".json", ".jsonl", ".h5", ".hdf5", ".pkl"), " Write the table as CSV first."),
    ((".npy",), " Put x and y into one file: np.savez('data.npz', x=x, y=y)."),
)


@dataclass(frozen=True)
class _Class:
    """One class folder; `split` is empty where the folders do not say."""

    split: str
    folder: str
    found: Found

    @property
    def name(self) -> str:
        return os.path.basename(self.folder)


def scan_folder(root: str | Path, *, drop_empty_classes: bool = False, judged: bool = False) -> Examples:
    """List the pictures below a folder of class folders, in an order that does not depend on the file system.

    No file is opened. Links to files are followed, links to folders are not.

    Args:
        root: the folder; `root/train` with `root/validation` (or `val`, `valid`) or `root/test` are ready-made splits.
        drop_empty_classes: leave class folders without a picture out instead of refusing them.
        judged: nothing is learned from the pictures, so one class is enough, and sides may have different ones.

    Raises:
        DataError: the folder is not arranged like that, or a class is empty, unreadable, or there twice.
    """
    root = Path(os.path.abspath(root))
    require_folder(root)
    top = list_folder(root, "")
    split_of = _split_folders(root, top.folders)
    holders = {folder: list_folder(root, folder) for folder in split_of} or {"": top}
    for folder, holder in holders.items():
        _check_holder(root / folder, holder)
    places = [folder for holder in holders.values() for folder in holder.folders]
    _check_names(root, {os.path.basename(folder) for folder in places})
    classes = [_Class(split_of.get(os.path.dirname(place), ""), place, list_tree(root, place)) for place in places]
    empty = [one for one in classes if not one.found.pictures]
    filled = [one for one in classes if one.found.pictures]
    if empty and not (drop_empty_classes and (filled or not judged)):
        raise DataError(_say_empty(root, empty))
    if not judged:
        _check_class_sets(root, filled)
    return _assemble(root, filled, empty, [top, *holders.values()] if split_of else [top])


def require_folder(root: str | Path) -> None:
    """Refuse a path that is no folder.

    Raises:
        DataError: it is not there, or is a file; the message says what is accepted, and what is near.
    """
    root = Path(os.path.abspath(root))
    name = printable(str(root))
    try:
        mode = root.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        beside = os.listdir(root.parent) if root.parent.is_dir() else []
        raise DataError(f"{name} does not exist; {ACCEPTED}.{printable(nearest(root.name, beside))}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        return
    if root.name.lower().endswith(ARCHIVE_SUFFIXES):
        raise DataError(f"{name} is an archive: unzip or unpack it, and name the folder that comes out.")
    save = next((how for suffixes, how in _OTHER_FILES if root.name.lower().endswith(suffixes)), "")
    raise DataError(f"{name} is a file of another kind; {ACCEPTED}.{save}")


def _split_folders(root: Path, folders: Sequence[str]) -> dict[str, str]:
    """Return the split that each folder right below the root stands for; empty where they are classes."""
    split_of = {folder: SPLIT_FOLDERS[folder.lower()] for folder in folders if folder.lower() in SPLIT_FOLDERS}
    others = [folder for folder in folders if folder not in split_of]
    has_train = "train" in split_of.values()
    if len(split_of) < 2 or (others and not has_train):
        return {}
    name, there = printable(str(root)), _names(split_of)
    if not has_train:
        raise DataError(f"{name} holds {there} but no train. Add the folder train, or name a folder of class folders.")
    if others:
        raise DataError(
            f"{name} holds ready-made splits ({there}) beside other folders ({_names(others)}). "
            f"Keep either the splits or the class folders there."
        )
    for split, count in Counter(split_of.values()).items():
        if count > 1:
            same = _names(folder for folder in split_of if split_of[folder] == split)
            raise DataError(f"{name} holds {count} folders for {split} ({same}). Keep one of them.")
    return split_of


def _check_holder(folder: Path, holder: Found) -> None:
    if holder.folders:
        return
    name = printable(str(folder))
    holds = f"{len(holder.pictures):,} pictures and no class folders" if holder.pictures else "no class folders"
    links = sum(item.reason == FOLDER_LINK for item in holder.left_out)
    raise DataError(
        f"{name} holds {holds}{f' ({links} links to folders are not followed)' if links else ''}. "
        f"Put the pictures of each class into a folder of its own: {name}/cat/1.jpg, {name}/dog/1.jpg."
    )


def _check_names(root: Path, names: Iterable[str]) -> None:
    place = printable(str(root))
    seen: dict[str, str] = {}
    for name in sorted(names, key=os.fsencode):
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise DataError(
                f"{place}: the name of the class folder {printable(name)} has control characters or bytes that are no "
                f"UTF-8. Rename it."
            )
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()).strip()
        if folded in seen:
            raise DataError(
                f"{place}: the class folders {_spelled(seen[folded])} and {_spelled(name)} differ only in upper and "
                f"lower case, blanks, or the coding of accents. Merge or rename them."
            )
        seen[folded] = name


def _spelled(name: str) -> str:
    # Two spellings of one accent look alike on a screen, so their code points are shown too.
    return repr(name) if name.isascii() else f"{name!r} ({ascii(name)})"


def _say_empty(root: Path, empty: Sequence[_Class]) -> str:
    return (
        f"{printable(str(root))}: class folders without a usable picture: {_names(map(_describe_empty, empty), '; ')}. "
        f"Add pictures, remove the folders, or leave them out with --set drop_empty_classes=true."
    )


def _describe_empty(one: _Class) -> str:
    unused = [*one.found.skipped, *one.found.left_out]
    return one.folder + (f" (first of {len(unused):,}: {unused[0].file}, {unused[0].reason})" if unused else "")


def _check_class_sets(root: Path, classes: Sequence[_Class]) -> None:
    place = printable(str(root))
    by_split: dict[str, set[str]] = {}
    for one in classes:
        by_split.setdefault(one.split, set()).add(one.name)
    shared = set.intersection(*by_split.values()) if by_split else set()
    extra = [f"{split} has {_names(sorted(names - shared))}" for split, names in by_split.items() if names - shared]
    if extra:
        raise DataError(
            f"{place}: the splits must hold the same classes; {'; '.join(extra)}, which others lack. "
            f"Add the missing class folders, or remove those."
        )
    if len(shared) < 2:
        raise DataError(
            f"{place}: at least two class folders are needed; found {_names(shared) or 'none'}."
            f"{_hint_below(root, classes)}"
        )


def _hint_below(root: Path, classes: Sequence[_Class]) -> str:
    for one in classes:
        if len(one.found.folders) > 1:
            inside = _names(os.path.basename(folder) for folder in one.found.folders)
            return f" {printable(one.folder)} holds the folders {inside}: is {printable(str(root / one.folder))} meant?"
    return ""


def _assemble(root: Path, classes: Sequence[_Class], empty: Sequence[_Class], holders: Sequence[Found]) -> Examples:
    classes = sorted(classes, key=lambda one: (one.name, os.fsencode(one.folder)))
    class_names = tuple(dict.fromkeys(one.name for one in classes))
    label_of = {name: label for label, name in enumerate(class_names)}
    everything = [*holders, *(one.found for one in (*classes, *empty))]
    loose = [Skipped(path, "in no class folder") for holder in holders for path in holder.pictures]
    left_out = tuple(item for found in everything for item in found.left_out)
    return Examples(
        root=str(root),
        files=tuple(path for one in classes for path in one.found.pictures),
        labels=tuple(label_of[one.name] for one in classes for _ in one.found.pictures),
        class_names=class_names,
        given_splits=tuple(one.split for one in classes if one.split for _ in one.found.pictures),
        skipped=(*loose, *(item for found in everything for item in found.skipped)),
        left_out=left_out,
        notes=tuple(_notes(classes, empty, left_out)),
    )


def _notes(classes: Sequence[_Class], empty: Sequence[_Class], left_out: Sequence[Skipped]) -> Iterator[str]:
    sizes: Counter[str] = Counter()
    nested = 0
    for one in classes:
        sizes[one.split] += len(one.found.pictures)
        nested += sum(os.path.dirname(path) != one.folder for path in one.found.pictures)
    if "" not in sizes:
        yield "split as the folders say: " + ", ".join(f"{split} {count:,}" for split, count in sizes.items())
    if nested:
        yield f"{nested:,} of {sizes.total():,} pictures lie in folders below their class folder and belong to it"
    if empty:
        yield f"empty class folders left out: {_names(one.folder for one in empty)}"
    links = [item.file for item in left_out if item.reason == FOLDER_LINK]
    if links:
        yield f"links to folders not followed: {_names(links)}"


def _names(names: Iterable[str], separator: str = ", ") -> str:
    listed = [printable(name) for name in names]
    more = [f"and {len(listed) - 10:,} more"] if len(listed) > 10 else []
    return separator.join([*listed[:10], *more])
