"""Paths of pictures in a CSV file: which column holds them, and what is wrong with one."""

import os
import stat

from finetune.config import FinetuneConfig
from finetune.data.columns import require_column
from finetune.data.examples import printable
from finetune.data.listing import PICTURE_SUFFIXES
from finetune.data.table_file import table_limits
from finetune.data.table_head import TableHead, read_head
from finetune.data.table_reading import read_table
from finetune.data.table_source import reading
from finetune.data.text_table import read_chunks
from zoo.errors import DataError

# A column of one of these names is looked at, however it is written; "path" may also list files that are not there.
PATH_NAMES = frozenset(
    "path file image img photo picture filename filepath imagepath imgpath imagename imgname imagefile imageid imgid "
    "photoid pictureid images files paths filenames".split()
)
_LOOKED_AT = 100
# Where pictures may lie that are not where the list says, and how their names may end.
_ENDINGS = ("", ".jpg", ".jpeg", ".png", ".JPG", ".webp", ".tif", ".bmp")
_MOST_FOLDERS = 50


def path_column(config: FinetuneConfig) -> tuple[str, str] | None:
    """Return the column of a CSV file that holds paths of pictures and why, or None where it is an ordinary table.

    Raises:
        DataError: the file is no table, or lacks the column that the config names.
    """
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    if config.path is not None:
        require_column(head, config.path)
        return config.path, ""
    if config.window is not None or config.time is not None:
        return None
    taken = (config.target, config.group, config.side, config.sample_weight, *config.ignore)
    names = [name for name in head.names if name and name not in taken]
    for name in names:
        if _plain(name) not in PATH_NAMES:
            continue
        cells = first_cells(config, head, name)
        promised = sum(_is_file(config.data, cell) or (name.lower() == "path" and _promises(cell)) for cell in cells)
        if cells and 2 * promised >= len(cells):
            return name, f"{promised} of its first {len(cells)} cells name picture files"
    # beside other columns it may well be a table, which such a column does not hinder
    if len(names) + (config.target is not None) == 2:
        for name in names:
            _refuse_elsewhere(config, name, first_cells(config, head, name))
    return None


def listed_paths(config: FinetuneConfig) -> list[tuple[str, str, str]]:
    """Return of each row of a CSV file that lists pictures its place, its path, and what is wrong with that.

    Whatever else the file has is not looked at; see `path_column` for how the column is found, but that its pictures
    need not be there.

    Raises:
        DataError: the file cannot be read, or no column names pictures.
    """
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    plain = {"target": None, "group": None, "side": None, "ignore": (), "window": None, "time": None}
    plain["path"] = config.path if config.path in head.names else None
    config = config.model_copy(update=plain)
    found = path_column(config)
    names = [found[0]] if found else [name for name in head.names if _names_pictures(config, head, name)]
    if not names:
        raise DataError(
            f"no column of {printable(config.data)} names pictures; the columns are "
            f"{', '.join(map(repr, map(printable, head.names)))}"
        )
    others = [name for name in head.names if name and name != names[0]]
    table = read_table(config.data, text=names[:1], ignore=others, **reading(config))
    column = table.columns[names[0]]
    rows = []
    for line, code in zip(table.lines.tolist(), column.values.tolist(), strict=True):
        cell = column.categories[code].strip() if code >= 0 else ""
        path = cell if "://" in cell or not cell else os.path.join(os.path.dirname(config.data), os.path.normpath(cell))
        rows.append((f"line {line}", path or config.data, path_fault(config.data, cell) if cell else "no path"))
    return rows


def path_fault(csv_path: str, path: str) -> str:
    """Return why there is no picture at a path; empty where there is something, which is looked at later."""
    if "://" in path:
        return "an address, not a file; fetch it first"
    try:
        if stat.S_ISDIR(os.stat(os.path.join(os.path.dirname(os.path.abspath(csv_path)), path)).st_mode):
            return "a folder, not a picture"
    except (FileNotFoundError, NotADirectoryError):
        slashed = path.replace("\\", "/")
        there = slashed != path and os.path.isfile(os.path.join(os.path.dirname(os.path.abspath(csv_path)), slashed))
        return "there is no such file" + (f", but {printable(slashed)} is; write / for \\ there" if there else "")
    except (OSError, ValueError):
        pass  # the check of all pictures says why
    return ""


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _refuse_elsewhere(config: FinetuneConfig, name: str, cells: list[str]) -> None:
    """Refuse a column that seems to name pictures, which are not where it says.

    Raises:
        DataError: they lie elsewhere, or nowhere.
    """
    known = _plain(name) in PATH_NAMES
    if not cells or not (known or _plain(name) == "id"):
        return
    folder = os.path.dirname(os.path.abspath(config.data))
    place, column = printable(config.data), f"the column {name!r}"
    found = [_elsewhere(folder, cell) for cell in cells[:5]]
    if all(found):
        raise DataError(
            f"{place}: {column} seems to name pictures; {cells[0]!r} is not in {printable(folder)}, but "
            f"{printable(found[0])} is. Where that is meant, write that; for a table leave the column out with "
            f"--set ignore={name}"
        )
    if known and all(map(_promises, cells)):
        raise DataError(
            f"{place}: {column} names pictures such as {cells[0]!r}, which are not found; they were looked for in "
            f"{printable(folder)}. Paths are relative to the CSV file's folder. For a table leave the column out with "
            f"--set ignore={name}"
        )


def _elsewhere(folder: str, cell: str) -> str:
    """Return the path of a picture that a cell may mean, relative to the list's folder; empty where there is none."""
    if "://" in cell:
        return ""
    try:
        below = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        below = []
    slashed = os.path.normpath(cell.replace("\\", "/"))
    names = (slashed, os.path.basename(slashed)) if _promises(slashed) else (slashed,)
    paths = [os.path.join(where, name) for where in ("", *below[:_MOST_FOLDERS]) for name in names]
    endings = _ENDINGS[:1] if _promises(cell) else _ENDINGS
    candidates = (path + ending for path in paths for ending in endings if _promises(path + ending))
    return next((path for path in candidates if os.path.isfile(os.path.join(folder, path))), "")


def _names_pictures(config: FinetuneConfig, head: TableHead, name: str) -> bool:
    cells = first_cells(config, head, name) if name else []
    return bool(cells) and 2 * sum(map(_promises, cells)) >= len(cells)


def first_cells(config: FinetuneConfig, head: TableHead, name: str) -> list[str]:
    """Return the cells of a column that are not blank, of the first hundred rows."""
    chunk = next(iter(read_chunks(head, table_limits(config))), None)
    if chunk is None:
        return []
    texts = chunk.column(head.names.index(name)).texts()[:_LOOKED_AT]
    return [text.decode().strip() for text in texts if text.strip()]


def _is_file(csv_path: str, cell: str) -> bool:
    return _promises(cell, also="") and os.path.isfile(os.path.join(os.path.dirname(os.path.abspath(csv_path)), cell))


def _promises(cell: str, also: str | None = None) -> bool:
    suffix = os.path.splitext(cell)[1].lower()
    return suffix in PICTURE_SUFFIXES or suffix == also
