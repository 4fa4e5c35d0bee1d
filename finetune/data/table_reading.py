"""A CSV file becomes a table: every column is read as numbers or as texts, at most twice."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.column_typing import Numbers, Tally, Texts, say_odd, shown, tally_texts, verdict
from finetune.data.columns import Column, LeftOut, Table, numbers_of, require_column
from finetune.data.examples import printable
from finetune.data.separators import SEPARATORS
from finetune.data.table_file import Place, TableLimits
from finetune.data.table_head import TableHead, read_head
from finetune.data.text_table import Chunk, read_chunks
from zoo.errors import ConfigError, DataError

_LISTED = 10
# What pandas calls a column without a name when it writes the table again.
_UNNAMED = re.compile(r"Unnamed: [0-9]+")


def read_table(
    path: str,
    *,
    text: Collection[str] = (),
    numeric: Collection[str] = (),
    categorical: Collection[str] = (),
    ignore: Collection[str] = (),
    missing_texts: Collection[str] = (),
    only: bool = False,
    remedy: str = "",
    separator: str | None = None,
    decimal: str = ".",
    limits: TableLimits | None = None,
) -> Table:
    """Read a CSV file and type its columns.

    Args:
        path: file of UTF-8 text, its first line the names of the columns.
        text: columns that stay text whatever they look like, as class labels; NA, None and 007 are texts there.
        numeric: columns that must be numbers.
        categorical: columns whose cells are categories, also where they look like numbers.
        ignore: columns that are left out.
        missing_texts: texts that mean the same as a blank cell, in columns not named in `text`.
        only: leave out all columns that are not named.
        remedy: sentence on what to do where a column in `numeric` has a cell that is no number.
        separator: between cells: a character, or comma, semicolon, tab, pipe; None finds it.
        decimal: "." or ",".
        limits: what the file may cost.

    Raises:
        DataError: the file cannot be read as a table of such columns; the message names the line.
        ConfigError: the arguments contradict each other.

    Example:
        >>> read_table("data/wine.csv", text=["class"]).columns["class"].categories
        ('Barbera', 'Barolo', 'Grignolino')
    """
    if decimal not in (".", ","):
        raise ConfigError(f"decimal must be '.' or ','; received {decimal!r}")
    limits = limits or TableLimits()
    head = read_head(path, separator=separator, limits=limits)
    wishes = _wishes(head, {"text": text, "numeric": numeric, "categorical": categorical, "ignore": ignore})
    if only:
        wishes = dict.fromkeys(range(len(head.names)), "ignore") | wishes
    reading = _Reading(head, limits, decimal, frozenset(missing_texts), wishes, remedy)
    numbers, texts, lines, blank_lines = _read_columns(reading)
    return _assemble(reading, numbers, texts, lines, blank_lines)


@dataclass(frozen=True)
class _Reading:
    """What a file is read by; `wishes` holds the kinds that were asked for, by index."""

    head: TableHead
    limits: TableLimits
    decimal: str
    missing_texts: frozenset[str]
    wishes: dict[int, str]
    remedy: str = ""


def _wishes(head: TableHead, named: dict[str, Collection[str]]) -> dict[int, str]:
    wishes: dict[int, str] = {}
    for wish, names in named.items():
        for name in names:
            require_column(head, name)
            index = head.names.index(name)
            if wishes.get(index, wish) != wish:
                raise ConfigError(f"the column {name!r} is asked for as {wishes[index]} and as {wish}; say one of them")
            wishes[index] = wish
    return wishes


def _read_columns(reading: _Reading) -> tuple[Numbers, dict[int, Texts], np.ndarray, list[int]]:
    """Read all columns; those that turn out to be texts after they had begun with numbers are read a second time."""
    numbers: Numbers | None = None
    texts: dict[int, Texts] = {}
    lines, blank_lines, num_rows = [], [], 0
    for chunk in read_chunks(reading.head, reading.limits):
        blank_lines += chunk.blank_lines
        if not len(chunk.lines):
            continue
        if numbers is None:
            numbers, texts = _begin(reading, chunk)
        numbers.add(chunk)
        for index, builder in texts.items():
            builder.add(chunk.column(index))
        _check_wishes(reading, numbers)
        lines.append(chunk.lines)
        num_rows += len(chunk.lines)
        _check_size(reading, num_rows, texts)
    if numbers is None:
        raise DataError(f"{printable(reading.head.path)} holds a header and no rows; at least one row is expected.")
    again = {index: Texts() for index in numbers.indices if _is_text_after_all(reading, index, numbers.tally(index))}
    for chunk in read_chunks(reading.head, reading.limits) if again else ():
        for index, builder in again.items() if len(chunk.lines) else ():
            builder.add(chunk.column(index))
        _check_size(reading, 0, texts | again)
    return numbers, texts | again, np.concatenate(lines), blank_lines


def _begin(reading: _Reading, chunk: Chunk) -> tuple[Numbers, dict[int, Texts]]:
    """Return empty columns, of numbers where most cells of the first chunk are."""
    wishes = reading.wishes
    wanted = [index for index in range(len(reading.head.names)) if wishes.get(index) != "ignore"]
    trial = Numbers([index for index in wanted if index not in wishes], reading.decimal, reading.missing_texts)
    trial.add(chunk)
    texts = {index for index in wanted if wishes.get(index) in ("text", "categorical")}
    for index in trial.indices:
        tally = trial.tally(index)
        if tally.numbers < tally.total / 2 or (tally.padded and tally.digits_only):
            texts.add(index)
    numbers = [index for index in wanted if index not in texts]
    return Numbers(numbers, reading.decimal, reading.missing_texts), {index: Texts() for index in sorted(texts)}


def _check_wishes(reading: _Reading, numbers: Numbers) -> None:
    for index, wish in reading.wishes.items():
        if wish == "numeric" and (tally := numbers.tally(index)).odd_line:
            raise DataError(_odd(reading, index, tally))


def _check_size(reading: _Reading, num_rows: int, texts: dict[int, Texts]) -> None:
    limits, name = reading.limits, printable(reading.head.path)
    if num_rows * len(reading.head.names) > limits.max_cells:
        raise DataError(
            f"{name}: over {limits.max_cells:,} cells. Take fewer rows, or raise the limit with --set max_cells=…"
        )
    if sum(map(len, texts.values())) > limits.max_texts:
        most = reading.head.names[max(texts, key=lambda index: len(texts[index]))]
        raise DataError(
            f"{name}: over {limits.max_texts:,} different texts, most of them in the column {most!r}. Leave it out "
            f"with --set ignore={most}, or raise the limit with --set max_texts=…"
        )


def _is_text_after_all(reading: _Reading, index: int, tally: Tally) -> bool:
    if index in reading.wishes:
        return False
    decision = verdict(tally)
    if decision == "faulty":
        raise DataError(_odd(reading, index, tally))
    return decision == "categorical"


def _odd(reading: _Reading, index: int, tally: Tally) -> str:
    place = Place(reading.head.path, tally.odd_line)
    return say_odd(place, reading.head.names[index] or f"number {index + 1}", tally, reading.decimal, reading.remedy)


def _assemble(
    reading: _Reading, numbers: Numbers, texts: dict[int, Texts], lines: np.ndarray, blank_lines: Sequence[int]
) -> Table:
    head = reading.head
    left_out = [LeftOut(head.names[index], "asked for") for index, wish in reading.wishes.items() if wish == "ignore"]
    columns, notes = {}, _notes(head, blank_lines)
    for index in sorted({*numbers.indices, *texts}):
        if index in texts:
            column, note = _finish_texts(reading, index, texts.pop(index), lines)
            notes += [note] if note else []
        else:
            column = _finish_numbers(reading, index, numbers)
        column.values.flags.writeable = False
        if column.name and not _UNNAMED.fullmatch(column.name):
            columns[column.name] = column
        else:
            left_out.append(_unnamed(head, index, column))
    return Table(head.path, columns, lines, head.separator, reading.decimal, tuple(left_out), tuple(notes))


def _finish_numbers(reading: _Reading, index: int, numbers: Numbers) -> Column:
    asked = index in reading.wishes
    why = ("numbers" if numbers.tally(index).total else "blank") + (", asked for" if asked else "")
    return Column(reading.head.names[index], "numeric", numbers.values(index), (), why, asked)


def _finish_texts(reading: _Reading, index: int, builder: Texts, lines: np.ndarray) -> tuple[Column, str]:
    """Return a column and a statement on it, which may be empty."""
    name, wish = reading.head.names[index], reading.wishes.get(index)
    codes, categories = builder.finish(frozenset() if wish == "text" else reading.missing_texts)
    kinds = f"{len(categories):,} different texts"
    if wish:
        return Column(name, "categorical", codes, categories, f"{kinds}, asked for", True), ""
    tally = tally_texts(codes, categories, lines, reading.decimal)
    decision = verdict(tally)
    if decision == "faulty":
        raise DataError(say_odd(Place(reading.head.path, tally.odd_line), name, tally, reading.decimal))
    if decision == "numeric":
        return Column(name, "numeric", numbers_of(codes, categories, reading.decimal), (), "numbers"), ""
    if not tally.odd_line:
        return Column(name, "categorical", codes, categories, f"{kinds}, whole numbers with zeros in front"), ""
    mixed = ""
    if tally.numbers:
        mixed = (
            f"column {name!r} holds texts: {tally.numbers:,} of {tally.total:,} cells are numbers, but not "
            f"{shown(tally.odd_text)} (line {tally.odd_line:,}) and others"
        )
    return Column(name, "categorical", codes, categories, kinds), mixed


def _unnamed(head: TableHead, index: int, column: Column) -> LeftOut:
    """Return why a column without a name can be left out; refuse it where it seems to hold data."""
    name = column.name or f"(column {index + 1} without a name)"
    if column.blank.all():
        return LeftOut(name, "no name and no cells")
    values = column.values
    whole = column.kind == "numeric" and np.isfinite(values).all() and (values == np.floor(values)).all()
    if whole and values.min() in (0, 1) and len(np.unique(values)) == len(values) == values.max() - values.min() + 1:
        return LeftOut(name, "no name, and it numbers the rows")
    if whole and index == 0 and values.min() >= 0 and len(np.unique(values)) == len(values):
        return LeftOut(name, "no name, and whole numbers that are all different, as an index of rows has them")
    raise DataError(
        f"{printable(head.path)} line {head.line - 1:,}: column {index + 1} has no name, and it is no index of rows. "
        f"Name it in the header."
    )


def _notes(head: TableHead, blank_lines: Sequence[int]) -> list[str]:
    notes = [] if head.separator == "," else [f"cells separated by {SEPARATORS.get(head.separator, head.separator)}"]
    if blank_lines:
        more = f" and {len(blank_lines) - _LISTED:,} more" if len(blank_lines) > _LISTED else ""
        listed = ", ".join(f"{line:,}" for line in blank_lines[:_LISTED])
        notes.append(f"rows without any text left out: line {listed}{more}")
    return notes
