"""A table of typed columns: numbers as float64, texts as codes into sorted categories."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from finetune.data.column_typing import say_odd, tally_texts, verdict
from finetune.data.examples import printable
from finetune.data.number_cells import parse_numbers
from finetune.data.table_file import Place
from finetune.data.table_head import TableHead, require_name
from finetune.data.text_table import cells_of
from zoo.errors import DataError

# A model computes with 32-bit numbers, which end at 3.4e38; the variance of a column must be one, too.
MOST_NUMBER = 1e18


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as the user wrote it, outer blanks gone.
        kind: "numeric" or "categorical".
        values: (rows,) float64, NaN where blank; or int32 indices into `categories`, -1 where blank.
        categories: different texts, sorted, as the user wrote them; empty for numbers.
        why: why it is of this kind, in a few words.
        asked: whether the user named the kind, rather than the cells.
    """

    name: str
    kind: str
    values: np.ndarray
    categories: tuple[str, ...]
    why: str
    asked: bool = False

    @property
    def blank(self) -> np.ndarray:
        """Where the cells are blank, (rows,) bool."""
        return np.isnan(self.values) if self.kind == "numeric" else self.values < 0


@dataclass(frozen=True)
class LeftOut:
    """A column that is not used, and why in a few words."""

    column: str
    reason: str


@dataclass(frozen=True)
class Table:
    """The typed rows of a CSV file.

    Attributes:
        path: the file as the user named it.
        columns: by name, in the order of the file.
        lines: (rows,) int64, the line of the file that each row begins at.
        separator: character between cells.
        decimal: sign between whole and fraction.
        left_out: columns that were not kept.
        notes: statements on how the file was read, for the report.
        sha256: of what the table was made from, where that is no file.
    """

    path: str
    columns: dict[str, Column]
    lines: np.ndarray
    separator: str
    decimal: str
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.lines)

    def place(self, row: int) -> Place:
        """Return where a row begins, for messages."""
        return Place(self.path, int(self.lines[row]))

    def without(self, columns: Iterable[LeftOut] = (), rows: Sequence[int] = ()) -> "Table":
        """Return the table without some columns and some rows (indices)."""
        gone = tuple(columns)
        names = {item.column for item in gone}
        kept = {name: column for name, column in self.columns.items() if name not in names}
        lines = self.lines
        if len(rows):
            mask = np.ones(self.num_rows, bool)
            mask[list(rows)] = False
            lines = lines[mask]
            kept = {name: replace(column, values=column.values[mask]) for name, column in kept.items()}
        return replace(self, columns=kept, lines=lines, left_out=(*self.left_out, *gone))


def require_column(table: Table | TableHead, name: str) -> None:
    """Refuse the name of a column that the table lacks.

    Raises:
        DataError: it lists the columns, and the nearest name.
    """
    names = [*table.columns] if isinstance(table, Table) else [name for name in table.names if name]
    gone = [item for item in table.left_out if item.column == name] if isinstance(table, Table) else []
    if gone and name not in names:
        raise DataError(f"{printable(table.path)}: the column {name!r} was left out: {gone[0].reason}.")
    require_name(table.path, names, name)


def looks_numeric(table: Table, name: str) -> bool:
    """Say whether a column of texts seems to be meant as numbers, so that `as_numbers` is worth calling.

    It may still raise: one cell of a hundred that is no number does not make texts of the others.
    """
    column = table.columns[name]
    if column.kind == "numeric":
        return True
    tally = tally_texts(column.values, column.categories, table.lines, table.decimal)
    return tally.total > 0 and verdict(tally) != "categorical"


def as_numbers(table: Table, name: str, *, remedy: str = "Mend it.") -> Column:
    """Return a column of texts as numbers, blanks as NaN; a numeric column as it is.

    Args:
        table: that holds the column.
        name: of the column.
        remedy: sentence on what to do where a text is no number.

    Raises:
        DataError: a text is no number, or one is too large; the message names its line.
    """
    column = table.columns[name]
    if column.kind == "categorical":
        column = parse_texts(column, table.path, table.lines, table.decimal, remedy)
    large = large_numbers(column.values)
    if len(large):
        raise DataError(say_large(f"{table.place(large[0])}, column {name!r}", column.values[large[0]]))
    return column


def parse_texts(column: Column, path: str, lines: np.ndarray, decimal: str, remedy: str = "Mend it.") -> Column:
    """Return a column of texts as numbers of any size, blanks as NaN.

    Args:
        column: of texts.
        path: of its table, for the message.
        lines: (rows,) where each row begins.
        decimal: sign between whole and fraction.
        remedy: sentence on what to do where a text is no number.

    Raises:
        DataError: a text is no number; the message names its line.
    """
    tally = tally_texts(column.values, column.categories, lines, decimal)
    if tally.odd_line or tally.odd_text:
        raise DataError(say_odd(Place(path, tally.odd_line), column.name, tally, decimal, remedy))
    values = numbers_of(column.values, column.categories, decimal)
    return Column(column.name, "numeric", values, (), "numbers", column.asked)


def large_numbers(values: np.ndarray) -> np.ndarray:
    """Return the indices of numbers that a model cannot compute with."""
    return np.flatnonzero(np.abs(values) > MOST_NUMBER)


def say_large(place: str, value: float) -> str:
    """Say that a number is too large, and what to do."""
    return (
        f"{place}: {value:g} is too large; models compute with numbers of at most {MOST_NUMBER:g}. Mend it, or write "
        f"all of these numbers in a larger unit."
    )


def numbers_of(codes: np.ndarray, categories: Sequence[str], decimal: str) -> np.ndarray:
    """Return categories that are numbers as numbers (rows,) float64, NaN where the code is -1."""
    parsed = parse_numbers(cells_of([text.encode() for text in categories]), decimal)
    return np.append(parsed.values, np.nan)[codes]
