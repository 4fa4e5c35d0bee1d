"""A CSV file as cells of text, in chunks of rows that know their lines: nothing is typed, guessed or shifted here.

Blocks without a quote are cut by NumPy; blocks with quotes go through Python's csv module in its strict mode. Both give
the same cells (a test compares them). Rows without any text are left out; their lines are in `Chunk.blank_lines`.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from finetune.data.quoted_rows import quoted_rows, too_long_cell
from finetune.data.table_file import Place, TableLimits, check_text, open_table_file, read_blocks, too_long_row
from finetune.data.table_head import TableHead
from zoo.errors import DataError

# Cells may be looked at in windows of this many bytes, so as many follow behind the last one.
PADDING = 64
BLANKS = " \t"


@dataclass(frozen=True)
class Cells:
    """Some cells: where each begins and ends in `data`.

    Attributes:
        data: (bytes + PADDING,) uint8, UTF-8 text.
        starts: (n,) int64 offsets of the first byte.
        ends: (n,) int64 offsets behind the last byte.
    """

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def texts(self) -> list[bytes]:
        """Return the bytes of each cell."""
        data = self.data.tobytes()
        return [data[start:end] for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


@dataclass(frozen=True)
class Chunk:
    """Some rows, one after the other.

    Attributes:
        lines: (rows,) int64, the line that each row begins at.
        data: as in Cells.
        starts: (rows, columns) int64.
        ends: (rows, columns) int64.
        blank_lines: lines of the rows without any text that were left out between these.
    """

    lines: np.ndarray
    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    blank_lines: tuple[int, ...] = ()

    def column(self, index: int) -> Cells:
        """Return the cells of one column."""
        return Cells(self.data, np.ascontiguousarray(self.starts[:, index]), np.ascontiguousarray(self.ends[:, index]))


def cells_of(texts: Sequence[bytes]) -> Cells:
    """Return texts as cells."""
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    lengths = np.diff(ends, prepend=0)
    return Cells(np.frombuffer(b"".join(texts) + bytes(PADDING), np.uint8), ends - lengths, ends)


def read_chunks(head: TableHead, limits: TableLimits) -> Iterator[Chunk]:
    """Read the rows of a table, from the first on each time it is called.

    Raises:
        DataError: a row has too few or too many cells, a quote is not closed, a byte is no text, or a limit is passed.
    """
    with open_table_file(head.path, head.stamp) as (stream, _), _cell_limit(limits.max_cell_characters):
        stream.seek(head.start)
        line = head.line
        blocks = read_blocks(stream, head.newline, limits, Place(head.path, line), head.block_bytes)
        for block in blocks:
            check_text(block, head.newline, Place(head.path, line))
            if b'"' in block or _has_other_line_ends(block, head.newline):
                place = Place(head.path, line)
                for lines, rows, following in quoted_rows(block, blocks, head.separator, head.newline, limits, place):
                    yield _chunk_of_rows(head, lines, rows)
                    line = following
            else:
                yield _chunk_of_block(head, block, line, limits)
                line += block.count(head.newline)


@contextmanager
def _cell_limit(characters: int) -> Iterator[None]:
    """Set the longest cell of the csv module, which knows only one limit for all, as long as a table is read."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _has_other_line_ends(block: bytes, newline: bytes) -> bool:
    if newline == b"\r":
        return b"\n" in block
    return block.count(b"\r") != block.count(b"\r\n")


def _chunk_of_block(head: TableHead, block: bytes, line: int, limits: TableLimits) -> Chunk:
    """Cut a block without quotes into cells."""
    data = np.frombuffer(block + bytes(PADDING), np.uint8)
    letters = data[: len(block)]
    line_ends = np.flatnonzero(letters == head.newline[0])
    if not block.endswith(head.newline):
        line_ends = np.append(line_ends, len(block))
    line_starts = np.concatenate(([0], line_ends[:-1] + 1))
    longest = int((line_ends - line_starts).argmax())
    if line_ends[longest] - line_starts[longest] > limits.max_row_bytes:
        raise DataError(too_long_row(Place(head.path, line + longest), limits))
    row_ends = line_ends - ((data[line_ends - 1] == 13) & (line_ends > line_starts))
    cuts = np.flatnonzero(letters == ord(head.separator))
    is_row = _which_are_rows(head, block, line_starts, row_ends, cuts, line)
    if not is_row.all():
        cuts = cuts[is_row[np.searchsorted(line_ends, cuts)]]
    cuts = cuts.reshape(np.count_nonzero(is_row), len(head.names) - 1)
    starts = np.concatenate((line_starts[is_row, None], cuts + 1), axis=1)
    ends = np.concatenate((cuts, row_ends[is_row, None]), axis=1)
    lines = line + np.flatnonzero(is_row)
    _check_cells(head, data, starts, ends, lines, limits)
    return Chunk(lines, data, starts, ends, tuple((line + np.flatnonzero(~is_row)).tolist()))


def _which_are_rows(
    head: TableHead, block: bytes, starts: np.ndarray, ends: np.ndarray, cuts: np.ndarray, line: int
) -> np.ndarray:
    """Return for each line whether it is a row (bool) or blank; refuse rows that are too long or too short."""
    wanted = len(head.names) - 1
    counts = np.diff(np.searchsorted(cuts, starts), append=len(cuts))
    gaps = head.separator + BLANKS
    first = np.frombuffer(block + b"\n", np.uint8)[starts]
    doubtful = (counts != wanted) | (ends == starts) | np.isin(first, np.frombuffer(gaps.encode(), np.uint8))
    is_row = np.ones(len(starts), bool)
    for index in np.flatnonzero(doubtful).tolist():
        if not block[starts[index] : ends[index]].strip(gaps.encode()):
            is_row[index] = False
        elif counts[index] != wanted:
            raise DataError(_wrong_width(head, line + index, int(counts[index]) + 1))
    return is_row


def _check_cells(
    head: TableHead, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray, limits: TableLimits
) -> None:
    """Refuse cells over the limit, which counts characters as the csv module does."""
    lengths = ends - starts
    for row, column in np.argwhere(lengths > limits.max_cell_characters).tolist():
        text = data[starts[row, column] : ends[row, column]].tobytes().decode()
        if len(text) > limits.max_cell_characters:
            raise DataError(too_long_cell(Place(head.path, int(lines[row])), limits))


def _chunk_of_rows(head: TableHead, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> Chunk:
    kept, blank = [], []
    for index, row in enumerate(rows):
        if not any(cell.strip(BLANKS) for cell in row):
            blank.append(lines[index])
        elif len(row) != len(head.names):
            raise DataError(_wrong_width(head, lines[index], len(row)))
        else:
            kept.append(index)
    cells = cells_of([cell.encode() for index in kept for cell in rows[index]])
    shape = (len(kept), len(head.names))
    places = np.array([lines[index] for index in kept], np.int64)
    return Chunk(places, cells.data, cells.starts.reshape(shape), cells.ends.reshape(shape), tuple(blank))


def _wrong_width(head: TableHead, line: int, found: int) -> str:
    wanted = len(head.names)
    few = "Add the missing cells (a blank cell still needs its separator)"
    many = f"Quote the cell that holds a {head.separator!r}, or remove what is too much"
    return (
        f"{Place(head.path, line)}: {found:,} cell{'s' * (found != 1)}; the header has {wanted:,} names. "
        f"{few if found < wanted else many}."
    )
