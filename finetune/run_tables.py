"""Rows of numbers and texts as CSV, and back: the history and the predictions of a run."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence


def to_csv(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as text with a head line; what only some rows have is blank in the others."""
    text = io.StringIO()
    # phases measure the gradients of different stages
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def from_csv(text: str, texts: Collection[str] = ()) -> list[dict[str, object]]:
    """Return the rows of what `to_csv` gave, without their blanks.

    Args:
        text: with a head line.
        texts: names of columns that stay texts; in others what looks like a number becomes one.
    """
    rows = csv.DictReader(io.StringIO(text))
    return [{name: value if name in texts else _number(value) for name, value in row.items() if value} for row in rows]


def escaped(value: object) -> object:
    """Return a cell that spreadsheets do not take for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
