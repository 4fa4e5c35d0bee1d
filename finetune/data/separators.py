"""Which character stands between the cells of a table: as declared, or found in its first rows."""

import csv
import re
from collections.abc import Iterable, Sequence

from finetune.data.examples import printable
from zoo.errors import ConfigError, DataError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SAMPLE_ROWS = 100
_WORDS = {name: letter for letter, name in SEPARATORS.items()} | {"\\t": "\t"}
# The first line of some exports, a hint to Excel: "sep=;".
HINT_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def read_separator(text: str) -> str:
    """Return the character that a setting means: itself, or one of the words comma, semicolon, tab, pipe.

    Raises:
        ConfigError: it is nothing that can stand between cells.
    """
    letter = _WORDS.get(text.lower(), text)
    if len(letter) != 1 or letter.isalnum() or not letter.isascii() or letter in "\"'\r\n\x00.+-_":
        words = ", ".join(_WORDS)
        raise ConfigError(f"separator must be one character between cells, or one of {words}; received {text!r}")
    return letter


def find_separator(name: str, lines: Sequence[str]) -> str:
    """Return the separator that splits the header and the rows after it alike.

    Args:
        name: of the file, for messages.
        lines: the first lines of the table, the header first.

    Raises:
        DataError: two separators fit equally well, or the cells seem to be separated by something else.
    """
    widths = {letter: [len(row) for row in sample_rows(lines, letter)] for letter in SEPARATORS}
    fitting = {letter: counts for letter, counts in widths.items() if counts and counts[0] > 1}
    even = {letter: counts for letter, counts in fitting.items() if len(set(counts)) == 1} or fitting
    if not even:
        _check_one_column(name, lines)
        return ","
    most = max(counts[0] for counts in even.values())
    best = [letter for letter, counts in even.items() if counts[0] == most]
    if len(best) > 1:
        found = " and ".join(SEPARATORS[letter] for letter in best)
        raise DataError(
            f"{printable(name)} line 1: {found} split the header {_shown(lines[0])} alike. Say which one it is: "
            f"--set separator={SEPARATORS[best[0]]}"
        )
    return best[0]


def check_declared(name: str, header: Sequence[str], lines: Sequence[str], separator: str) -> None:
    """Refuse a declared separator that leaves one column where another one splits it.

    Raises:
        DataError: the header is one column that holds another usual separator.
    """
    if len(header) > 1:
        return
    others = [letter for letter in SEPARATORS if letter != separator and letter in header[0]]
    if others:
        raise DataError(
            f"{printable(name)} line 1: the separator {separator!r} leaves one column: {_shown(header[0])}. "
            f"Try --set separator={SEPARATORS[others[0]]}"
        )
    _check_one_column(name, lines)


def sample_rows(lines: Iterable[str], separator: str) -> list[list[str]]:
    """Return the cells of the first rows, blank lines left out; as many rows as can be read."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=separator):
            if any(map(str.strip, row)):
                rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        pass  # whoever reads the table says what is wrong, and in which line
    return rows


def _check_one_column(name: str, lines: Sequence[str]) -> None:
    rows = [line for line in lines[:SAMPLE_ROWS] if line.strip()]
    for letter, word in ((None, "blanks"), (":", "colons"), ("^", "carets"), ("~", "tildes")):
        widths = {len(row.split(letter)) for row in rows}
        if len(rows) > 1 and len(widths) == 1 and widths != {1}:
            remedy = "Write commas instead" if letter is None else f"Say so with --set separator={letter!r}"
            raise DataError(
                f"{printable(name)} line 1: one column: {_shown(lines[0])}, but {word} seem to stand between cells. "
                f"Detected are comma, semicolon, tab and pipe. {remedy}."
            )


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:60] + "…")
