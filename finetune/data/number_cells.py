"""Cells that are numbers: a strict grammar, read by NumPy where that is exact, and words for what is nearly a number.

A number is an optional sign, digits with at most one decimal sign, and an optional exponent, blanks around allowed. No
`inf`, no `nan`, no thousands separators, nothing that overflows.
"""

import re
from dataclasses import dataclass

import numpy as np

from finetune.data.text_table import PADDING, Cells

# Up to 15 digits make an exact double, and so do powers of ten up to 22: IEEE division then rounds correctly.
_SHORT = 15
_LONG = 32
_POWERS = 10 ** np.arange(20, dtype=np.uint64)
_EXACT_POWERS = np.array([float(10**power) for power in range(23)])
# Veltkamp's factor, which splits a double into two halves of 26 bits.
_SPLIT = 134_217_729.0
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:(?P<mark>[,.'\u00a0\u202f ])[0-9]{3})(?:(?P=mark)[0-9]{3})*(?:[.,][0-9]+)?")
_OTHER_DECIMAL = re.compile(r"[+-]?[0-9]*[.,][0-9]+(?:[eE][+-]?[0-9]+)?")
# What programs write where a value is missing; only a blank cell means that here.
MISSING_MARKS = frozenset({"na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "?", "-", "--", "."})


@dataclass(frozen=True)
class Parsed:
    """What some cells are as numbers; all arrays are (n,).

    Attributes:
        values: float64, NaN where the cell is blank or no number.
        is_blank: whether there is nothing.
        is_odd: whether there is something that is no number.
        is_whole: whether there are digits alone, without sign, decimal sign and exponent.
        is_padded: whether such digits begin with a zero that says nothing, as in 007.
    """

    values: np.ndarray
    is_blank: np.ndarray
    is_odd: np.ndarray
    is_whole: np.ndarray
    is_padded: np.ndarray


def parse_numbers(cells: Cells, decimal: str) -> Parsed:
    """Read cells as numbers, correctly rounded.

    Args:
        cells: text.
        decimal: the sign between whole and fraction, "." or ",".
    """
    data = cells.data
    starts, ends = _without_blanks(cells)
    is_blank = starts == ends
    first = data[starts]
    is_minus = (first == ord("-")) & ~is_blank
    signed = is_minus | ((first == ord("+")) & ~is_blank)
    starts = starts + signed
    lengths = ends - starts
    values = np.full(len(cells), np.nan)
    is_whole = np.zeros(len(cells), bool)
    done = is_blank.copy()
    for shortest, longest in ((1, _SHORT), (_SHORT + 1, _LONG)):
        which = np.flatnonzero((lengths >= shortest) & (lengths <= longest))
        if len(which):
            digits, has_point, behind, fits = _digits(data, ends[which], lengths[which], ord(decimal))
            found, sure = _round(digits, has_point, behind)
            is_whole[which] = fits & ~has_point & ~signed[which]
            done[which] = sure & fits
            values[which] = np.where(sure & fits, found, np.nan)
    np.negative(values, out=values, where=is_minus)
    is_padded = is_whole & (data[starts] == ord("0")) & (lengths > 1)
    is_odd = np.zeros(len(cells), bool)
    is_odd[_read_rest(cells, np.flatnonzero(~done), decimal, values)] = True
    return Parsed(values, is_blank, is_odd, is_whole & ~is_odd, is_padded & ~is_odd)


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
    data: np.ndarray, ends: np.ndarray, lengths: np.ndarray, point: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the digits of some cells, (longest, n) uint8, and (n,) arrays.

    The last digit of each stands in the last row; there is a zero in front of the first and in place of the point. The
    arrays: whether there is a point (bool), how many digits are behind it, and whether nothing else is there (bool).
    """
    width = int(lengths.max())
    letters = np.stack([data[PADDING - width + place :][ends - PADDING] for place in range(width)])
    places = np.arange(width - 1, -1, -1, dtype=np.uint8)[:, None]
    inside = places < lengths.astype(np.uint8)
    is_point = (letters == point) & inside
    letters -= ord("0")
    is_digit = (letters < 10) & inside
    letters *= is_digit
    num_digits = is_digit.sum(axis=0, dtype=np.uint8)
    num_points = is_point.sum(axis=0, dtype=np.uint8)
    behind = (is_point * places).sum(axis=0, dtype=np.uint8)
    return letters, num_points > 0, behind, (num_digits + num_points == lengths) & (num_digits > 0) & (num_points < 2)


def _round(digits: np.ndarray, has_point: np.ndarray, behind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of digits, and whether they are sure to be correctly rounded."""
    about = np.zeros(digits.shape[1])
    for row in digits:
        about *= 10
        about += row
    if len(digits) <= _SHORT:
        whole = about.astype(np.uint64)
    else:
        whole = np.zeros(digits.shape[1], np.uint64)
        for row in digits:
            whole *= np.uint64(10)
            whole += row
    # The point took up a digit's place, so what stands before it is ten times too large.
    after = np.where(behind < 19, whole % _POWERS[np.minimum(behind, 19)], whole)
    whole = np.where(has_point, (whole - after) // np.uint64(10) + after, whole)
    power = _EXACT_POWERS[np.minimum(behind, 22)]
    if len(digits) <= _SHORT:
        return whole / power, np.ones(len(whole), bool)
    values, sure = _divide(whole, power)
    return values, sure & (about < 1e19) & (behind <= 22)


def _divide(whole: np.ndarray, power: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide 64-bit integers by exact doubles; say where the result is too near to the middle of two doubles.

    The remainder of the division of doubles is exact by Dekker's product (Numerische Mathematik 18, 1971), and says how
    far the quotient is off.
    """
    high = whole.astype(np.float64)
    low = (whole - high.astype(np.uint64)).view(np.int64).astype(np.float64)
    quotient = high / power
    product = quotient * power
    q_high, p_high = _upper_half(quotient), _upper_half(power)
    q_low, p_low = quotient - q_high, power - p_high
    error = ((q_high * p_high - product) + q_high * p_low + q_low * p_high) + q_low * p_low
    correction = (((high - product) - error) + low) / power
    values = quotient + correction
    lost = np.abs((quotient - values) + correction) / np.spacing(np.maximum(values, 1e-300))
    # Below a power of two, doubles lie twice as close, so their middle is at a quarter.
    return values, (np.abs(lost - 0.5) > 1e-6) & (np.abs(lost - 0.25) > 1e-6)


def _upper_half(values: np.ndarray) -> np.ndarray:
    scaled = values * _SPLIT
    return scaled - (scaled - values)


def _read_rest(cells: Cells, which: np.ndarray, decimal: str, values: np.ndarray) -> list[int]:
    """Set the values of cells that NumPy did not read; return the indices of those that are no numbers."""
    odd = []
    texts = Cells(cells.data, cells.starts[which], cells.ends[which]).texts() if len(which) else []
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
            f"--set missing_texts={text} and how to fill it with --set missing=mean"
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
        return f"the decimal sign is {decimal!r}; if it is {other!r} here, say so with --set 'decimal={other}'{either}"
    if is_thousands:
        return "numbers are written without separators between thousands"
    return ""
