"""The header of a CSV file: its names, its separator and line ends, and where the rows begin."""

import codecs
import csv
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.data.examples import printable
from finetune.data.quoted_rows import explain
from finetune.data.separators import HINT_LINE, check_declared, find_separator, read_separator, sample_rows
from finetune.data.table_file import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    MAX_BLOCK_BYTES,
    Place,
    Stamp,
    TableLimits,
    check_text,
    open_table_file,
    read_blocks,
)
from zoo.errors import DataError, nearest


@dataclass(frozen=True)
class TableHead:
    """What the first block of a table's file says.

    Attributes:
        path: the file as the user named it.
        names: of the columns, outer blanks gone; unique but for empty ones.
        separator: character between cells.
        newline: byte that ends a line.
        start: offset of the first row, bytes.
        line: of the first row, counted from 1.
        stamp: size and time of the file.
        block_bytes: how much to read at a time, so that a block of a wide table holds some rows too.
    """

    path: str
    names: tuple[str, ...]
    separator: str
    newline: bytes
    start: int
    line: int
    stamp: Stamp
    block_bytes: int = BLOCK_BYTES


def require_name(path: str, names: Sequence[str], name: str) -> None:
    """Refuse the name of a column that is not among the names.

    Raises:
        DataError: it lists the columns, and the nearest name.
    """
    if name not in names:
        more = f" and {len(names) - 30:,} more" if len(names) > 30 else ""
        near = nearest(name, names)
        raise DataError(f"{printable(path)} has no column {name!r}; it has {', '.join(names[:30])}{more}.{near}")


def read_head(path: str, *, separator: str | None, limits: TableLimits) -> TableHead:
    """Read the header of a table, and find its separator where none is declared.

    Args:
        path: of the file.
        separator: a character or one of the words of `read_separator`; None finds it.
        limits: what the table may cost.

    Raises:
        DataError: the file is no table, or its header cannot be used.
        ConfigError: `separator` cannot stand between cells.
    """
    declared = read_separator(separator) if separator else None
    with open_table_file(path) as (stream, stamp):
        mark = len(codecs.BOM_UTF8) if stream.read(3) == codecs.BOM_UTF8 else 0
        stream.seek(mark)
        newline = _newline(stream.read(65_536))
        stream.seek(mark)
        block = next(read_blocks(stream, newline, limits, Place(path, 1)))
    check_text(block, newline, Place(path, 1))
    return _parse_head(path, block, mark, newline, declared, stamp, limits)


def _newline(sample: bytes) -> bytes:
    # Old Macintosh programs end a line with a carriage return alone.
    return b"\r" if b"\r" in sample.rstrip(b"\r") and b"\n" not in sample else b"\n"


def _parse_head(
    path: str, block: bytes, mark: int, newline: bytes, declared: str | None, stamp: Stamp, limits: TableLimits
) -> TableHead:
    end = newline.decode()
    lines = [line + end for line in block.decode().split(end)]
    hint = HINT_LINE.fullmatch(lines[0].rstrip(end))
    skipped = 1 if hint else 0
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    lines, above = lines[skipped:], lines[:skipped]
    if not lines:
        raise DataError(f"{printable(path)} is empty but for its first line; expected are column names and rows.")
    separator = declared or (hint.group(1) if hint else find_separator(path, lines))
    place = Place(path, 1 + skipped)
    header, used = _first_row(lines, separator, place, limits)
    _check_width(place, len(header), limits)
    check_declared(path, header, lines, separator)
    names = tuple(name.strip().removeprefix("\ufeff").strip() for name in header)
    _check_names(place, names)
    _check_shift(path, names, sample_rows(lines[used:], separator), separator)
    start = mark + sum(len(line.encode()) for line in (*above, *lines[:used]))
    row_bytes = len(block) // max(1, len(lines) - 1)
    block_bytes = min(MAX_BLOCK_BYTES, max(BLOCK_BYTES, BLOCK_ROWS * row_bytes))
    return TableHead(path, names, separator, newline, start, place.line + used, stamp, block_bytes)


def _first_row(lines: Sequence[str], separator: str, place: Place, limits: TableLimits) -> tuple[list[str], int]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error as error:
        raise DataError(explain(str(error), "".join(lines), separator, limits, place)) from None


def _check_width(place: Place, width: int, limits: TableLimits) -> None:
    if width > limits.max_columns:
        raise DataError(
            f"{place}: {width:,} columns; the limit is {limits.max_columns:,}. Leave some out, or raise it with "
            f"--set max_columns={width}"
        )


def _check_names(place: Place, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if name and name in first:
            raise DataError(
                f"{place}: the columns {first[name] + 1} and {index + 1} have the same name {name!r}. Rename one."
            )
        first[name] = index


def _check_shift(path: str, names: Sequence[str], rows: Sequence[Sequence[str]], separator: str) -> None:
    if {len(row) for row in rows} != {len(names) + 1}:
        return
    if any(row[-1].strip() for row in rows):
        remedy = "A name is missing in the header; add it, or the cells would stand under the wrong names"
    else:
        remedy = f"Remove the {separator!r} at the end of every row, or add one to the header"
    raise DataError(
        f"{printable(path)}: the header has {len(names)} names, but every row has {len(names) + 1} cells. {remedy}."
    )
