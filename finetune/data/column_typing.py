"""Numbers or texts: what a column is, judged by all of its cells.

A column is numeric when all its cells that are not blank are numbers. Whole numbers with zeros in front (007) are
names, so they make it categorical. Nearly all numbers is a fault: a typing error must not turn 10,000 values into
10,000 categories.
"""

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.data.number_cells import MISSING_MARKS, nearly_number, parse_numbers
from finetune.data.table_file import Place
from finetune.data.text_table import Cells, Chunk, cells_of

# From this share of numbers on, the other cells are faults and not categories.
MOSTLY = 0.95


@dataclass(frozen=True)
class Tally:
    """What the cells of a column are.

    Attributes:
        numbers: cells that are numbers.
        nearly: cells that seem meant as numbers: 1,5 or inf.
        marks: cells that other programs write where a value is missing: NA, null, ?.
        texts: other cells that are not blank.
        padded: whether a whole number has zeros in front.
        digits_only: whether all numbers are digits alone.
        odd_line: line of the first cell that is neither blank nor a number; 0 where there is none.
        odd_text: what stands there.
    """

    numbers: int = 0
    nearly: int = 0
    marks: int = 0
    texts: int = 0
    padded: bool = False
    digits_only: bool = True
    odd_line: int = 0
    odd_text: str = ""

    @property
    def total(self) -> int:
        """Cells that are not blank."""
        return self.numbers + self.nearly + self.marks + self.texts

    def __add__(self, other: "Tally") -> "Tally":
        first = self if self.odd_line else other
        return Tally(
            self.numbers + other.numbers,
            self.nearly + other.nearly,
            self.marks + other.marks,
            self.texts + other.texts,
            self.padded or other.padded,
            self.digits_only and other.digits_only,
            first.odd_line,
            first.odd_text,
        )


def verdict(tally: Tally) -> str:
    """Return "numeric", "categorical", or "faulty" for a column of numbers with some cells that are none."""
    if tally.padded and tally.digits_only:
        return "categorical"
    if tally.numbers == tally.total:
        return "numeric"
    meant = tally.numbers + tally.nearly
    return "faulty" if meant and meant + tally.marks >= MOSTLY * tally.total else "categorical"


def say_odd(place: Place, name: str, tally: Tally, decimal: str, remedy: str = "") -> str:
    """Say which cell of a numeric column is no number, and what to do; `remedy` is for columns that must be numbers."""
    hint = nearly_number(tally.odd_text, decimal)
    most = f"{tally.numbers:,} of the column's {tally.total:,} cells are numbers"
    remedy = remedy or (
        f"Mend it, or take the column as texts with --set categorical={name}, or leave it out with --set ignore={name}"
    )
    return f"{place}, column {name!r}: {shown(tally.odd_text)} is no number: {hint or most}. {remedy}"


def shown(text: str) -> str:
    """Return a text in quotes, cut to what fits into a message."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


class Numbers:
    """The numeric columns while they are read: they grow in place, so that memory holds each number once.

    All columns of a chunk are read at once, which costs the same a cell in a table of 5 columns and of 5,000.
    """

    def __init__(self, indices: Sequence[int], decimal: str, missing_texts: Collection[str]):
        self.indices = list(indices)
        self._place_of = {index: place for place, index in enumerate(self.indices)}
        self._decimal, self._missing = decimal, missing_texts
        self._values = [array("d") for _ in self.indices]
        self._numbers = np.zeros(len(self.indices), np.int64)
        self._padded = np.zeros(len(self.indices), bool)
        self._digits_only = np.ones(len(self.indices), bool)
        self._odd: dict[int, Tally] = {}

    def add(self, chunk: Chunk) -> None:
        """Append the rows of a chunk."""
        cells = chunk.cells(self.indices)
        parsed = parse_numbers(cells, self._decimal)
        shape = (len(chunk.lines), len(self.indices))
        for store, values in zip(self._values, parsed.values.reshape(shape).T, strict=True):
            store.frombytes(values.tobytes())
        is_number = ~(parsed.is_odd | parsed.is_blank)
        self._numbers += is_number.reshape(shape).sum(axis=0)
        self._padded |= parsed.is_padded.reshape(shape).any(axis=0)
        self._digits_only &= (parsed.is_whole | ~is_number).reshape(shape).all(axis=0)
        which = np.flatnonzero(parsed.is_odd)
        texts = Cells(cells.data, cells.starts[which], cells.ends[which]).texts() if len(which) else []
        for (row, place), text in zip(np.argwhere(parsed.is_odd.reshape(shape)).tolist(), texts, strict=True):
            self._add_odd(self.indices[place], text.decode(), int(chunk.lines[row]))

    def _add_odd(self, index: int, text: str, line: int) -> None:
        if text.strip() and text.strip() not in self._missing:
            counted = Tally(**{_sort(text, self._decimal): 1}, odd_line=line, odd_text=text)
            self._odd[index] = self._odd[index] + counted if index in self._odd else counted

    def tally(self, index: int) -> Tally:
        """Return what the cells of a column are so far."""
        place = self._place_of[index]
        known = Tally(
            numbers=int(self._numbers[place]),
            padded=bool(self._padded[place]),
            digits_only=bool(self._digits_only[place]),
        )
        return known + self._odd.get(index, Tally())

    def values(self, index: int) -> np.ndarray:
        """Return a column (rows,) float64, NaN where a cell is blank or no number."""
        return np.frombuffer(self._values[self._place_of[index]], np.float64)


class _Codes(dict):
    """Text to code; a new text gets the next code."""

    def __missing__(self, text: bytes) -> int:
        code = self[text] = len(self)
        return code


class Texts:
    """A categorical column while it is read: a code a cell, each text once."""

    def __init__(self) -> None:
        self._codes = _Codes()
        self._data = array("i")

    def add(self, cells: Cells) -> None:
        """Append the cells of a chunk."""
        codes = np.fromiter(map(self._codes.__getitem__, cells.texts()), np.int32, len(cells))
        self._data.frombytes(codes.tobytes())

    def __len__(self) -> int:
        return len(self._codes)

    def finish(self, missing_texts: Collection[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return codes (rows,) int32 into sorted texts, -1 where a cell is blank or one of `missing_texts`."""
        texts = [text.decode() for text in self._codes]
        kept = [code for code, text in enumerate(texts) if text.strip() and text.strip() not in missing_texts]
        kept.sort(key=texts.__getitem__)
        new_code = np.full(len(texts), -1, np.int32)
        new_code[kept] = np.arange(len(kept), dtype=np.int32)
        return new_code[np.frombuffer(self._data, np.int32)], tuple(texts[code] for code in kept)


def tally_texts(codes: np.ndarray, categories: Collection[str], lines: np.ndarray, decimal: str) -> Tally:
    """Count what the cells of a categorical column are; `codes` and `lines` are (rows,)."""
    if not categories:
        return Tally()
    texts = list(categories)
    parsed = parse_numbers(cells_of([text.encode() for text in texts]), decimal)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    sums = dict.fromkeys(("nearly", "marks", "texts"), 0)
    for code in np.flatnonzero(parsed.is_odd).tolist():
        sums[_sort(texts[code], decimal)] += int(counts[code])
    # One place more, for the code -1.
    is_odd = np.append(parsed.is_odd & (counts > 0), False)
    row = int(is_odd[codes].argmax()) if is_odd.any() else -1
    return Tally(
        numbers=int(counts.sum()) - sum(sums.values()),
        **sums,
        padded=bool(parsed.is_padded.any()),
        digits_only=bool((parsed.is_whole | parsed.is_odd).all()),
        odd_line=int(lines[row]) if row >= 0 else 0,
        odd_text=texts[codes[row]] if row >= 0 else "",
    )


def _sort(text: str, decimal: str) -> str:
    if text.strip().lower() in MISSING_MARKS:
        return "marks"
    return "nearly" if nearly_number(text, decimal) else "texts"
