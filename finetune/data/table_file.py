"""A file that should be a table of text: told apart from what is none, opened, and cut into blocks of whole lines."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

from finetune.config import FinetuneConfig
from finetune.data.examples import printable
from zoo.errors import DataError, nearest

SUFFIXES = (".csv", ".tsv", ".txt")
# A block of text is read at a time: enough rows that a call of NumPy costs little, and in bounded memory.
BLOCK_BYTES = 1 << 20
MAX_BLOCK_BYTES = 1 << 24
BLOCK_ROWS = 4096
UTF8_MARK = b"\xef\xbb\xbf"

_SAVE = "save the table as CSV in UTF-8 (Excel: 'CSV UTF-8'), and name that file"
_UNPACK = "unpack it, and name the CSV file that comes out"
_PANDAS = "write it as CSV first, such as pandas' read_{0}(…).to_csv('table.csv', index=False), and name that file"
_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive", _UNPACK),
    (b"PK\x05\x06", "an empty ZIP archive", _UNPACK),
    (b"\x1f\x8b", "a gzip file", _UNPACK),
    (b"BZh", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", _SAVE),
    (b"PAR1", "a Parquet file", _PANDAS.format("parquet")),
    (b"ARROW1", "an Arrow (Feather) file", _PANDAS.format("feather")),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _PANDAS.format("hdf")),
    (b"\x93NUMPY", "a NumPy array", "write it as CSV with a header line, and name that file"),
    (b"SQLite format 3\x00", "an SQLite database", _PANDAS.format("sql")),
    (b"%PDF-", "a PDF document", _SAVE),
    (b"\x89PNG", "a picture", "name a table, or a folder of class folders"),
    (b"\xff\xd8\xff", "a picture", "name a table, or a folder of class folders"),
    (b"version https://git-lfs", "a Git LFS pointer, not the table", "run `git lfs pull`"),
)
_OFFICE = {".xlsx": "an Excel workbook", ".xlsm": "an Excel workbook", ".ods": "an OpenDocument sheet"}
_TEXT_FORMS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"{\\rtf", "an RTF document"),
)


@dataclass(frozen=True)
class TableLimits:
    """What one table may cost; each is a setting of the same name.

    Attributes:
        max_columns: columns of the header.
        max_row_bytes: bytes of one row, with the line ends inside quoted cells.
        max_cell_characters: characters of one cell.
        max_cells: rows × columns; a number takes 8 bytes in memory.
        max_texts: different texts of all columns together; one takes about 100 bytes in memory.
    """

    max_columns: int = 10_000
    max_row_bytes: int = 4_000_000
    max_cell_characters: int = 131_072
    max_cells: int = 500_000_000
    max_texts: int = 10_000_000


@dataclass(frozen=True)
class Stamp:
    """What shows that a file is still the one that was looked at first."""

    num_bytes: int
    modified_ns: int


@contextmanager
def open_table_file(path: str, stamp: Stamp | None = None) -> Iterator[tuple[BinaryIO, Stamp]]:
    """Open a table's file, and refuse what is no file of text.

    Args:
        path: of the file.
        stamp: of an earlier opening; the file must not have changed since, nor change before it is closed.

    Yields:
        The file at its first byte, and its stamp.

    Raises:
        DataError: the file is missing, unreadable, empty, something else than a table, or changed.
    """
    require_table_file(path)
    try:
        with open(path, "rb") as stream:
            now = _stamp(stream)
            _check_bytes(path, stream.read(4096))
            stream.seek(0)
            yield stream, now
            if _stamp(stream) != (stamp or now):
                raise DataError(f"{printable(path)} changed while it was read. Start again when it is complete.")
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror or error}.") from error


def read_blocks(
    stream: BinaryIO, newline: bytes, limits: TableLimits, place: "Place", num_bytes: int = BLOCK_BYTES
) -> Iterator[bytes]:
    """Read on in blocks of whole lines; only the last may lack its line end.

    Args:
        stream: file at the beginning of a line.
        newline: the byte that ends a line.
        limits: no line may be longer than a row.
        place: file and number of the first line, for messages.
        num_bytes: of a block, about.

    Raises:
        DataError: a line is too long.
    """
    rest, line = b"", place.line
    while data := stream.read(num_bytes):
        cut = data.rfind(newline) + 1
        if len(rest) + (data.find(newline) if cut else len(data)) > limits.max_row_bytes:
            raise DataError(too_long_row(place.at(line), limits))
        if cut:
            block = rest + data[:cut]
            yield block
            line += block.count(newline)
        rest = data[cut:] if cut else rest + data
    if rest:
        yield rest


@dataclass(frozen=True)
class Place:
    """A line of a file, for messages."""

    file: str
    line: int

    def at(self, line: int) -> "Place":
        """Return another line of the same file."""
        return Place(self.file, line)

    def __str__(self) -> str:
        return f"{printable(self.file)} line {self.line:,}"


def too_long_row(place: Place, limits: TableLimits) -> str:
    """Say that a row is over the limit."""
    return (
        f"{place}: the row is longer than {limits.max_row_bytes:,} bytes. Is this a table? If so, raise the limit with "
        f"--set max_row_bytes=…"
    )


def check_text(block: bytes, newline: bytes, place: Place) -> None:
    """Refuse bytes that are no UTF-8 text, naming their line.

    Args:
        block: whole lines.
        newline: the byte that ends a line.
        place: file and number of the first line.

    Raises:
        DataError: a byte is not UTF-8, or zero.
    """
    if (zero := block.find(b"\x00")) >= 0:
        line = place.at(place.line + block.count(newline, 0, zero))
        raise DataError(
            f"{line}: a NUL byte (0x00), which no text holds. The file is damaged or no table; if the rest is right, "
            f"remove them: tr -d '\\000' < {printable(place.file)} > clean.csv"
        )
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = place.at(place.line + block.count(newline, 0, error.start))
        raise DataError(
            f"{line}: the byte 0x{block[error.start]:02X} is not UTF-8; a table must be UTF-8 text. Save it as such "
            f"(Excel: 'CSV UTF-8'), or convert it: iconv -f WINDOWS-1252 -t UTF-8 {printable(place.file)} > utf8.csv"
        ) from None


def _stamp(stream: BinaryIO) -> Stamp:
    status = os.fstat(stream.fileno())
    return Stamp(status.st_size, status.st_mtime_ns)


def table_limits(config: FinetuneConfig) -> TableLimits:
    """Return what a config lets a CSV file cost."""
    return TableLimits(**{field.name: getattr(config, field.name) for field in fields(TableLimits)})


def is_table_file(data: str) -> bool:
    """Whether DATA is a CSV file by its name."""
    return data.lower().endswith(SUFFIXES)


def require_table_file(path: str) -> None:
    """Refuse a path that is no file.

    Raises:
        DataError: it is not there, or is a folder, a pipe or a device.
    """
    name, folder = printable(path), Path(path).parent
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        beside = sorted(os.listdir(folder)) if folder.is_dir() else []
        near = printable(nearest(Path(path).name, beside))
        raise DataError(f"{name} does not exist; a CSV file is expected.{near}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{printable(path)} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        raise DataError(f"{name} is a folder; a CSV file is expected.{_tables_in(path)}")
    if not stat.S_ISREG(mode):
        raise DataError(f"{name} is no regular file (a pipe or a device); write the table to a file first.")


def _tables_in(folder: str) -> str:
    try:
        tables = [printable(name) for name in sorted(os.listdir(folder)) if name.lower().endswith((".csv", ".tsv"))]
    except OSError:
        return ""
    more = f" and {len(tables) - 5:,} more" if len(tables) > 5 else ""
    return f" It holds {', '.join(tables[:5])}{more}." if tables else ""


def _check_bytes(path: str, head: bytes) -> None:
    name = printable(path)
    if not head.removeprefix(UTF8_MARK).strip():
        raise DataError(f"{name} is empty; expected are a line of column names and rows of cells.")
    for signature, kind, remedy in _SIGNATURES:
        if head.startswith(signature):
            office = _OFFICE.get(Path(path).suffix.lower()) if head.startswith(b"PK") else None
            raise DataError(f"{name} is {office or kind}, not CSV text: {_SAVE if office else remedy}.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or _has_alternating_zeros(head):
        raise DataError(
            f"{name} line 1: the text is UTF-16; a table must be UTF-8. Save it as such (Excel: 'CSV UTF-8'), or "
            f"convert it: iconv -f UTF-16 -t UTF-8 {name} > utf8.csv"
        )
    start = head.removeprefix(UTF8_MARK).lstrip().lower()
    for sign, kind in _TEXT_FORMS:
        if start.startswith(sign):
            raise DataError(f"{name} is {kind}, not CSV text: {_SAVE}.")


def _has_alternating_zeros(head: bytes) -> bool:
    """Say whether nearly every second byte is zero, as in UTF-16 text without a mark."""
    pairs = len(head) // 2
    return pairs >= 4 and max(head[0::2].count(0), head[1::2].count(0)) > 0.8 * pairs
