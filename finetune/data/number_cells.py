"""Cells that are numbers: a strict grammar, read by NumPy where that is exact, and words for what is nearly a number.

A number is an optional sign, digits with at most one decimal sign, and an optional exponent, blanks around allowed. No
`inf`, no `nan`, no thousands separators, nothing that overflows.
"""

import re
from dataclasses import dataclass

import numpy as np

from finetune.data.text_table import Cells

# Up to 15 digits the digits are an exact double and so is the power of ten; IEEE division then rounds correctly.
_SHORT = 15
# Longer ones are checked by NumPy too, and converted one by one.
_LONG = 40
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:(?P<mark>[,.'\u00a0\u202f ])[0-9]{3})(?:(?P=mark)[0-9]{3})*(?:[.,][0-9]+)?")
_OTHER_DECIMAL = re.compile(r"[+-]?[0-9]*[.,][0-9]+(?:[eE][+-]?[0-9]+)?")
# What programs write where a value is missing; only a blank cell means that here.
MISSING_MARKS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", "."})


@dataclass(frozen=True)
class Parsed:
    """What some cells are as numbers.

    Attributes:
        values: (n,) float64, NaN where the cell is blank or no number.
        odd: (k,) int64, which cells are neither blank nor a number.
        num_blank: how many are blank.
        padded: whether there is a whole number with zeros in front, such as 007.
        digits_only: whether all numbers are digits alone, without sign, decimal sign and exponent.
    """

    values: np.ndarray
    odd: np.ndarray
    num_blank: int
    padded: bool
    digits_only: bool


def parse_numbers(cells: Cells, decimal: str) -> Parsed:
    """Read cells as numbers.

    Args:
        cells: text.
        decimal: the sign between whole and fraction, "." or ",".
    """
    data, point = cells.data, ord(decimal)
    starts, ends = _without_blanks(cells)
    blank = starts == ends
    first = data[starts]
    signed = ~blank & ((first == ord("-")) | (first == ord("+")))
    starts = starts + signed
    lengths = ends - starts
    values = np.full(len(cells), np.nan)
    known = blank.copy()
    padded, digits_only = False, not signed.any()
    for shortest, longest in ((1, _SHORT), (_SHORT + 1, _LONG)):
        which = np.flatnonzero((lengths >= shortest) & (lengths <= longest) & ~blank)
        if not len(which):
            continue
        digits, is_point, fits = _digits(data, starts[which], lengths[which], point)
        has_point = is_point.any(axis=0)
        zero_first = (digits[0] == 0) & (lengths[which] > 1) & ~has_point & ~signed[which]
        padded |= bool((zero_first & fits).any())
        digits_only &= not has_point[fits].any()
        if not fits.all():
            which, digits, is_point = which[fits], digits[:, fits], is_point[:, fits]
        if longest == _SHORT:
            values[which] = _exact(digits, is_point, lengths[which])
        else:
            values[which] = _convert(data, starts[which], ends[which], decimal)
        known[which] = True
    np.negative(values, out=values, where=signed & (first == ord("-")))
    odd = _read_rest(cells, np.flatnonzero(~known), decimal, values)
    # What is left has an exponent or is odd.
    digits_only &= bool(known.all())
    return Parsed(values, np.array(odd, np.int64), int(blank.sum()), padded, digits_only)


def _without_blanks(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    data, starts, ends = cells.data, cells.starts, cells.ends
    while (blank := (starts < ends) & _is_blank(data[starts])).any():
        starts = starts + blank
    while (blank := (starts < ends) & _is_blank(data[ends - 1])).any():
        ends = ends - blank
    return starts, ends


def _is_blank(letters: np.ndarray) -> np.ndarray:
    return (letters == 32) | (letters == 9)


def _digits(
    data: np.ndarray, starts: np.ndarray, lengths: np.ndarray, point: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the digits of some cells (longest, n) uint8, where the point is (bool), and which cells have just these.

    Where no digit stands, behind the cell too, the digit is zero.
    """
    width = int(lengths.max())
    letters = np.stack([data[place:][starts] for place in range(width)])
    inside = np.arange(width)[:, None] < lengths
    is_point = (letters == point) & inside
    letters -= ord("0")
    is_digit = (letters < 10) & inside
    letters *= is_digit
    num_digits = is_digit.sum(axis=0, dtype=np.uint8)
    num_points = is_point.sum(axis=0, dtype=np.uint8)
    return letters, is_point, (num_digits + num_points == lengths) & (num_digits > 0) & (num_points < 2)


def _exact(digits: np.ndarray, is_point: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the values of digits (longest, n), at most 15 of them, correctly rounded."""
    width = len(digits)
    decimal = np.zeros(digits.shape[1])
    for row in digits:
        decimal *= 10
        decimal += row
    whole = decimal.astype(np.int64)
    # Digits stand at the left, zeros behind: the point, or the end of the cell, says how many are behind the point.
    behind = np.arange(width - 1, -1, -1, dtype=np.uint8)[:, None]
    has_point = is_point.any(axis=0)
    places = np.where(has_point, (is_point * behind).sum(axis=0, dtype=np.uint8), width - lengths)
    powers = 10 ** np.arange(width + 1, dtype=np.int64)
    # The point took up a digit's place: what stands before it is ten times too large.
    fraction = whole % powers[places]
    whole = np.where(has_point, (whole - fraction) // 10 + fraction, whole)
    return whole / powers[places]


def _convert(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, decimal: str) -> np.ndarray:
    texts = Cells(data, starts, ends).texts()
    if decimal != ".":
        texts = [text.replace(decimal.encode(), b".") for text in texts]
    return np.fromiter(map(float, texts), np.float64, len(texts))


def _read_rest(cells: Cells, which: np.ndarray, decimal: str, values: np.ndarray) -> list[int]:
    """Set the values of cells with exponents; return the indices of those that are no numbers."""
    odd = []
    if not len(which):
        return odd
    texts = Cells(cells.data, cells.starts[which], cells.ends[which]).texts()
    for index, text in zip(which.tolist(), texts, strict=True):
        value = to_number(text, decimal)
        if value is None:
            odd.append(index)
        else:
            values[index] = value
    return odd


def to_number(text: bytes, decimal: str) -> float | None:
    """Return the finite number that a text is, or None."""
    value = _value(text.strip(b" \t"), decimal)
    return value if value is not None and np.isfinite(value) else None


def _value(text: bytes, decimal: str) -> float | None:
    if decimal != ".":
        text = text.replace(b".", b"_").replace(decimal.encode(), b".")
    return float(text) if _NUMBER.fullmatch(text) else None


def nearly_number(text: str, decimal: str) -> str:
    """Say why a text is no number although it seems meant as one; an empty string where it seems to be words.

    Args:
        text: a cell that `to_number` refuses.
        decimal: the sign between whole and fraction.
    """
    plain = text.strip(" \t")
    text = text.strip()
    if text.lower() in MISSING_MARKS:
        return (
            f"only a blank cell means that a value is missing; if {text!r} does too, say so with "
            f"--set missing_texts={text}"
        )
    value = _value(text.encode(), decimal)
    if _NOT_FINITE.fullmatch(text) or (value is not None and not np.isfinite(value)):
        return "numbers must be finite, at most 1.8e308"
    if plain != text and value is not None:
        return "line ends or unusual blanks stand around it"
    other = "," if decimal == "." else "."
    is_thousands = _THOUSANDS.fullmatch(text)
    if _OTHER_DECIMAL.fullmatch(text) and other in text:
        either = f", or remove it if it separates thousands (as 1{other}234 may)" if is_thousands else ""
        return f"the decimal sign is {decimal!r}; if it is {other!r} here, say so with --set decimal={other}{either}"
    if is_thousands:
        return "numbers are written without separators between thousands"
    return ""
