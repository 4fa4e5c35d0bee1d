"""A CSV file as cells of text, in chunks of rows that know their lines: nothing is typed, guessed or shifted here.

Most blocks are cut by NumPy; where a quote stands inside a cell, or something is wrong with quotes, Python's csv module
in its strict mode reads the block. Both give the same cells (a test compares them). Rows without any text are left out;
their lines are in `Chunk.blank_lines`.
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

# Cells may be looked at in windows of this many bytes, so there are as many before the first one and behind the last.
PADDING = 64
BLANKS = " \t"


@dataclass(frozen=True)
class Cells:
    """Some cells: where each begins and ends in `data`.

    Attributes:
        data: (PADDING + bytes + PADDING,) uint8, UTF-8 text.
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
        return self.cells([index])

    def cells(self, columns: Sequence[int]) -> Cells:
        """Return the cells of some columns, row after row."""
        return Cells(self.data, self.starts[:, columns].ravel(), self.ends[:, columns].ravel())


def cells_of(texts: Sequence[bytes]) -> Cells:
    """Return texts as cells."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = PADDING + np.cumsum(lengths)
    return Cells(_padded(b"".join(texts)), ends - lengths, ends)


def _padded(text: bytes) -> np.ndarray:
    return np.frombuffer(bytes(PADDING) + text + bytes(PADDING), np.uint8)


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
            chunk = None
            if not _has_other_line_ends(block, head.newline):
                chunk = _chunk_of_block(head, block, line, limits)
            if chunk is not None:
                yield chunk
                line += block.count(head.newline)
                continue
            place = Place(head.path, line)
            for lines, rows, following in quoted_rows(block, blocks, head.separator, head.newline, limits, place):
                yield _chunk_of_rows(head, lines, rows)
                line = following


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


def _chunk_of_block(head: TableHead, block: bytes, line: int, limits: TableLimits) -> Chunk | None:
    """Cut a block into cells; return None where that takes a proper parser of quotes."""
    data = _padded(block)
    letters = data[PADDING:-PADDING]
    is_end, is_cut = letters == head.newline[0], letters == ord(head.separator)
    line_ends = np.flatnonzero(is_end)
    quotes = np.flatnonzero(letters == ord('"')) if b'"' in block else None
    if quotes is not None:
        if len(quotes) % 2:
            return None
        within = np.zeros(len(letters), np.int8)
        within[quotes[0::2]], within[quotes[1::2]] = 1, -1
        outside = np.cumsum(within, dtype=np.int8) == 0
        is_end &= outside
        is_cut &= outside
    row_ends = np.flatnonzero(is_end)
    if not block.endswith(head.newline):
        row_ends = np.append(row_ends, len(block))
    row_starts = np.concatenate(([0], row_ends[:-1] + 1))
    lines = line + np.searchsorted(line_ends, row_starts)
    longest = int((row_ends - row_starts).argmax())
    if row_ends[longest] - row_starts[longest] > limits.max_row_bytes:
        if quotes is not None:
            return None
        raise DataError(too_long_row(Place(head.path, int(lines[longest])), limits))
    # The Windows line end has one byte more.
    row_stops = row_ends - ((data[PADDING - 1 :][row_ends] == 13) & (row_ends > row_starts))
    cuts = np.flatnonzero(is_cut)
    is_row = _which_are_rows(head, block, row_starts, row_stops, cuts, lines)
    if is_row is None:
        return None
    if not is_row.all():
        cuts = cuts[is_row[np.searchsorted(row_ends, cuts)]]
    cuts = cuts.reshape(np.count_nonzero(is_row), len(head.names) - 1)
    starts = np.concatenate((row_starts[is_row, None], cuts + 1), axis=1) + PADDING
    ends = np.concatenate((cuts, row_stops[is_row, None]), axis=1) + PADDING
    if quotes is not None and not _strip_quotes(data, quotes, starts, ends):
        return None
    _check_cells(head, data, starts, ends, lines[is_row], limits)
    return Chunk(lines[is_row], data, starts, ends, tuple(lines[~is_row].tolist()))


def _strip_quotes(data: np.ndarray, quotes: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> bool:
    """Move the borders of quoted cells inside their quotes; return False where a cell holds quotes otherwise.

    As long as every quote is the first or the last byte of a cell, quotes open and close in turn; so the first cell
    that is otherwise is noticed even though all borders behind it may be wrong.
    """
    before = np.searchsorted(quotes, starts - PADDING)
    counts = np.searchsorted(quotes, ends - PADDING) - before
    quoted = counts == 2
    if (quoted != (counts > 0)).any():
        return False
    at, to = starts[quoted], ends[quoted]
    if not ((data[at] == ord('"')) & (data[to - 1] == ord('"'))).all():
        return False
    starts += quoted
    ends -= quoted
    return True


def _which_are_rows(
    head: TableHead, block: bytes, starts: np.ndarray, ends: np.ndarray, cuts: np.ndarray, lines: np.ndarray
) -> np.ndarray | None:
    """Return for each row whether it has text (bool); refuse those that are too long or too short.

    None where quotes may be the reason, because the borders of rows are not sure then.
    """
    wanted = len(head.names) - 1
    counts = np.diff(np.searchsorted(cuts, starts), append=len(cuts))
    gaps = (head.separator + BLANKS).encode()
    letters = np.frombuffer(block + b"\n\n", np.uint8)
    first, second = letters[starts], letters[starts + 1]
    doubtful = (counts != wanted) | (ends == starts) | np.isin(first, np.frombuffer(gaps, np.uint8))
    doubtful |= (first == ord('"')) & np.isin(second, np.frombuffer(gaps + b'"', np.uint8))
    is_row = np.ones(len(starts), bool)
    has_quotes = b'"' in block
    for index in np.flatnonzero(doubtful).tolist():
        row = block[starts[index] : ends[index]]
        is_row[index] = bool(row.strip(gaps + b'"'))
        if b'"' in row and not is_row[index]:
            return None
        if is_row[index] and counts[index] != wanted:
            if has_quotes:
                return None
            raise DataError(_wrong_width(head, int(lines[index]), int(counts[index]) + 1))
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
