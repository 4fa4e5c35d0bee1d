"""Rows of CSV text with quotes: Python's csv module in its strict mode, and the line of whatever it refuses."""

import csv
import re
from collections.abc import Iterator

from finetune.data.table_file import BLOCK_BYTES, Place, TableLimits, check_text, too_long_row
from zoo.errors import DataError


class _Lines:
    """The lines of blocks, one by one, and those of the row that is being read.

    A class, because the csv module pulls lines as it needs them, while the place of a row must be known outside.
    """

    def __init__(self, block: bytes, blocks: Iterator[bytes], newline: bytes, limits: TableLimits, place: Place):
        self._blocks, self._newline, self._limits = blocks, newline, limits
        self.row_place = self._next_place = place
        self.row_bytes = 0
        self.row_lines: list[str] = []
        self._open(block)

    def _open(self, block: bytes) -> None:
        check_text(block, self._newline, self._next_place)
        end = self._newline.decode()
        lines = [line + end for line in block.decode().split(end)]
        last = lines.pop().removesuffix(end)
        self._waiting = ([last] if last else []) + lines[::-1]

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if not self._waiting:
            self._open(next(self._blocks))
        line = self._waiting.pop()
        self.row_lines.append(line)
        self.row_bytes += len(line) if line.isascii() else len(line.encode())
        self._next_place = self._next_place.at(self._next_place.line + 1)
        if self.row_bytes > self._limits.max_row_bytes:
            raise DataError(self._too_long())
        return line

    def _too_long(self) -> str:
        return too_long_row(self.row_place, self._limits) + (
            " Or is a quote not closed there?" if len(self.row_lines) > 1 else ""
        )

    def end_row(self) -> None:
        self.row_place, self.row_bytes, self.row_lines = self._next_place, 0, []

    @property
    def is_at_block_end(self) -> bool:
        return not self._waiting


def quoted_rows(
    block: bytes, blocks: Iterator[bytes], separator: str, newline: bytes, limits: TableLimits, place: Place
) -> Iterator[tuple[list[int], list[list[str]], int]]:
    """Read the rows that begin in a block; the last of them may end in a later block, which then is read to its end.

    Args:
        block: whole lines.
        blocks: those that follow.
        separator: character between cells.
        newline: byte that ends a line.
        limits: what a row and a cell may cost; the csv module knows the limit of a cell already.
        place: of the block's first line.

    Yields:
        The lines that some rows begin at, the rows' cells, and the line that follows.

    Raises:
        DataError: a quote is not closed, or closed in the middle of a cell, or a row or cell is too long.
    """
    source = _Lines(block, blocks, newline, limits, place)
    lines: list[int] = []
    rows: list[list[str]] = []
    num_bytes = 0
    try:
        for row in csv.reader(source, delimiter=separator, strict=True):
            lines.append(source.row_place.line)
            rows.append(row)
            num_bytes += source.row_bytes
            source.end_row()
            if source.is_at_block_end:
                break
            if num_bytes > BLOCK_BYTES:
                yield lines, rows, source.row_place.line
                lines, rows, num_bytes = [], [], 0
    except csv.Error as error:
        text = "".join(source.row_lines)
        raise DataError(explain(str(error), text, separator, limits, source.row_place)) from None
    yield lines, rows, source.row_place.line


def explain(error: str, text: str, separator: str, limits: TableLimits, place: Place) -> str:
    """Say in which line a row went wrong, and what to do.

    Args:
        error: what the csv module says.
        text: the row as far as it was read.
        separator: character between cells.
        limits: for the longest cell.
        place: where the row begins.
    """
    opened, closed = last_quoted_cell(text, separator)
    opens = place.at(place.line + _line_ends(text, 0, opened))
    if opened >= 0 and closed < 0:
        within = f" within {limits.max_cell_characters:,} characters" if "field limit" in error else ""
        more = ", or raise the limit with --set max_cell_characters=…" if within else ""
        return (
            f'{opens}: a quote (") opens a cell here and is not closed{within}. Close it, write "" for a quote '
            f"inside a quoted cell{more}."
        )
    if "field limit" in error:
        return too_long_cell(place, limits)
    if opened >= 0 and "expected after" in error:
        after = place.at(place.line + _line_ends(text, 0, closed))
        where = "" if after == opens else f" (it opens in line {opens.line:,})"
        return (
            f"{after}: {text[closed + 1]!r} follows the quote that closes a cell{where}; expected is the separator "
            f'{separator!r} or the end of the line. Write "" for a quote inside a quoted cell.'
        )
    if "new-line character" in error:
        return f"{place}: a carriage return (0x0D) stands in the middle of the line. Quote the cell, or remove it."
    return f"{place}: {error}."


def too_long_cell(place: Place, limits: TableLimits) -> str:
    """Say that a cell is over the limit."""
    return (
        f"{place}: a cell is longer than {limits.max_cell_characters:,} characters. If that is right, raise the limit "
        f"with --set max_cell_characters=…"
    )


def last_quoted_cell(text: str, separator: str) -> tuple[int, int]:
    """Return the offsets of the quotes that open and close the last quoted cell of a row; -1 where there is none."""
    opened, closed, at = -1, -1, 0
    cut = re.compile(f"[{re.escape(separator)}\r\n]")
    while at < len(text):
        if text[at] == '"':
            opened, closed = at, text.find('"', at + 1)
            while closed >= 0 and text[closed + 1 : closed + 2] == '"':
                closed = text.find('"', closed + 2)
            if closed < 0 or text[closed + 1 : closed + 2] not in (separator, "\r", "\n", ""):
                break
            at = closed + 1
        found = cut.search(text, at)
        at = found.end() if found else len(text)
    return opened, closed


def _line_ends(text: str, start: int, end: int) -> int:
    part = text[start : max(start, end)]
    return part.count("\n") or part.count("\r")
