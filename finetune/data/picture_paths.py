"""Paths of pictures in a CSV file: which column holds them, and what is wrong with one."""

import os
import stat

from finetune.config import FinetuneConfig
from finetune.data.columns import require_column
from finetune.data.examples import printable
from finetune.data.listing import PICTURE_SUFFIXES
from finetune.data.table_head import TableHead, read_head
from finetune.data.table_reading import read_table
from finetune.data.table_source import reading, table_limits
from finetune.data.text_table import read_chunks
from zoo.errors import DataError

# A column of one of these names is looked at; "path" may also list files that are not there.
PATH_NAMES = ("path", "file", "image", "filename", "file_name", "filepath", "image_path")
_LOOKED_AT = 100


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
    for name in head.names:
        if name.lower() not in PATH_NAMES or name in (config.target, config.group, config.side, *config.ignore):
            continue
        cells = _first_cells(config, head, name)
        promised = sum(_is_file(config.data, cell) or (name.lower() == "path" and _promises(cell)) for cell in cells)
        if cells and 2 * promised >= len(cells):
            return name, f"{promised} of its first {len(cells)} cells name picture files"
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
        return "there is no such file"
    except (OSError, ValueError):
        pass  # the check of all pictures says why
    return ""


def _names_pictures(config: FinetuneConfig, head: TableHead, name: str) -> bool:
    cells = _first_cells(config, head, name) if name else []
    return bool(cells) and 2 * sum(map(_promises, cells)) >= len(cells)


def _first_cells(config: FinetuneConfig, head: TableHead, name: str) -> list[str]:
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
