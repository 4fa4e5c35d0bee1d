"""Dates as people write them: texts and whole numbers become moments, by formats that all of a column's cells share.

Where day and month cannot be told apart by a value over 12, both readings are returned, and nobody guesses.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from finetune.data.columns import Column

# A column of which fewer cells are dates is no column of dates; the rest of one that is are faults.
_MOSTLY = 0.95
_NANOSECONDS, _MICROSECONDS = 10**9, 10**6
# Whole numbers are dates only within these years; others count something.
_YEARS = (1700, 2200)

_ISO = re.compile(r"\d{4}-\d{1,2}(-\d{1,2}([T ]+\d{1,2}(:?\d\d(:?\d\d([.,]\d+)?)?)?)?)?\s?(Z|[+-]\d\d(:?\d\d)?)?")
_QUARTER = re.compile(r"(\d{4})[- ]?Q([1-4])|Q([1-4])[- /]?(\d{4})", re.IGNORECASE)
_CLOCK = (
    r"(?P<clock>[T ]+\d{1,2}:\d\d(?P<s>:\d\d(?P<f>[.]\d{1,9})?)?(?P<ap> ?[AaPp][Mm])?)?(?P<zone> ?(Z|[+-]\d\d:?\d\d))?"
)
# How the part before the time of day looks, and the formats that it may mean; "-" stands for the sign between numbers.
_DAYS = tuple(
    (re.compile(pattern + _CLOCK), formats)
    for pattern, formats in (
        (r"\d{4}(?P<sign>[/.])\d{1,2}(?P=sign)\d{1,2}", ("%Y-%m-%d",)),
        (r"\d{4}(?P<sign>[/.])\d{1,2}", ("%Y-%m",)),
        (r"\d{1,2}(?P<sign>[/.-])\d{1,2}(?P=sign)\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
        (r"\d{1,2}(?P<sign>[/.-])\d{4}", ("%m-%Y",)),
        (r"\d{1,2}(?P<sign>[ -])[A-Za-z]{3,9}(?P=sign)\d{4}", ("%d-%b-%Y", "%d-%B-%Y")),
        (r"[A-Za-z]{3,9} \d{1,2}, \d{4}", ("%b %d, %Y", "%B %d, %Y")),
        (r"[A-Za-z]{3,9}(?P<sign>[ -])\d{4}", ("%b-%Y", "%B-%Y")),
    )
)
_ZONED = r":\d\d(?:\.\d+)?\s?(?:[AaPp][Mm])?\s?(?:Z|[+-]\d\d:?(?:\d\d)?)$"
_NAMED_ZONE = re.compile(r"\s?(UTC|GMT)$")
_WORDS = {"%d-%m-%Y": "the day first", "%m-%d-%Y": "the month first"}


@dataclass(frozen=True)
class Times:
    """When each row is.

    Attributes:
        values: (rows,) int64 ticks since 1970 for dates; float64 for plain numbers.
        a_second: ticks in a second; 0 for plain numbers, which have no unit.
        note: how they were read, where that is not plain from the file.
    """

    values: np.ndarray
    a_second: int = 0
    note: str = ""

    @property
    def days(self) -> np.ndarray:
        """The calendar day of each row, (rows,) datetime64[D]; dates only."""
        return (self.values // (86_400 * self.a_second)).astype("datetime64[D]")

    @property
    def seconds_of_day(self) -> np.ndarray:
        """The time of day of each row, (rows,) float64 seconds; dates only."""
        return self.values % (86_400 * self.a_second) / self.a_second

    def turned(self) -> "Times":
        """Return them in the other order."""
        return Times(self.values[::-1], self.a_second, self.note)


@dataclass(frozen=True)
class NoTimes:
    """Why a column that holds dates does not say when each row is: which row, and what stands there."""

    row: int
    what: str


def read_dates(column: Column) -> list[Times] | NoTimes | None:
    """Return the readings of a column as dates: one, or two where day and month cannot be told apart.

    Returns:
        The readings; or what is wrong with a column of dates; or None for a column that holds none.
    """
    if column.kind == "numeric":
        times = _compact_dates(column.values)
        return times and [times]
    if not column.categories:
        return None
    texts = pd.Series([_NAMED_ZONE.sub("Z", text.strip()) for text in column.categories], dtype=object)
    zoned = texts.str.contains(_ZONED).to_numpy(bool)
    found = [*_as_iso(texts, zoned), *_as_written(texts, zoned), *_as_quarters(texts)]
    readings: list[Times] = []
    wrong: NoTimes | None = None
    counts = np.bincount(column.values[column.values >= 0], minlength=len(texts))
    for moments, note in found:
        bad = np.isnat(moments)
        if counts[bad].sum() > (1 - _MOSTLY) * counts.sum():
            continue
        if zoned.any() and not zoned.all():
            bad, what = ~zoned, "has no time zone, and others have one"
        else:
            what = "is no date"
        lost = np.flatnonzero(np.append(bad, True)[column.values])
        if len(lost):
            code = column.values[lost[0]]
            wrong = NoTimes(int(lost[0]), f"{column.categories[code]!r} {what}" if code >= 0 else "it is blank")
            continue
        values, a_second = _ticks(moments)
        times = Times(values[column.values], a_second, note)
        if not any(np.array_equal(times.values, other.values) for other in readings):
            readings.append(times)
    return readings or wrong


def _ticks(moments: np.ndarray) -> tuple[np.ndarray, int]:
    """Return moments as int64 nanoseconds, or microseconds where the years are too many for those."""
    years = moments.astype("datetime64[Y]").astype(int) + 1970
    near = not len(years) or years.min() > 1678 and years.max() < 2262
    unit, a_second = ("ns", _NANOSECONDS) if near else ("us", _MICROSECONDS)
    return moments.astype(f"datetime64[{unit}]").astype("int64"), a_second


def _as_iso(texts: pd.Series, zoned: np.ndarray) -> list[tuple[np.ndarray, str]]:
    if not _ISO.fullmatch(_sample(texts)):
        return []
    return [_parsed(texts.str.replace(",", ".", regex=False), zoned, "ISO8601", "")]


def _as_written(texts: pd.Series, zoned: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return texts by each format that one of them may have."""
    for pattern, formats in _DAYS:
        match = pattern.fullmatch(_sample(texts))
        if match:
            parts = match.groupdict()
            days = [day.replace("-", parts["sign"]) if parts.get("sign") else day for day in formats]
            notes = [f"read with {_WORDS[day]}" if day in _WORDS else "" for day in formats]
            clock = _clock_format(parts)
            return [_parsed(texts, zoned, day + clock, note) for day, note in zip(days, notes, strict=True)]
    return []


def _sample(texts: pd.Series) -> str:
    return texts.iloc[len(texts) // 2]


def _clock_format(parts: dict[str, str | None]) -> str:
    zone = (" %z" if parts["zone"].startswith(" ") else "%z") if parts["zone"] else ""
    if not parts["clock"]:
        return zone
    start = re.match(r"[T ]+", parts["clock"]).group()
    half = {None: "", " ": " %p"}.get(parts["ap"] and parts["ap"][0], "%p")
    seconds = ":%S" if parts["s"] else ""
    return start + ("%I" if half else "%H") + ":%M" + seconds + (".%f" if parts["f"] else "") + half + zone


def _parsed(texts: pd.Series, zoned: np.ndarray, form: str, note: str) -> tuple[np.ndarray, str]:
    """Return texts as datetime64, NaT where they have another form, and a note on how they were read."""
    moments = pd.to_datetime(texts, format=form, errors="coerce", utc=bool(zoned.any()))
    if zoned.any():
        moments = moments.dt.tz_convert(None)
        note = ", ".join(filter(None, [note, "turned to UTC"]))
    return moments.to_numpy(), note


def _as_quarters(texts: pd.Series) -> list[tuple[np.ndarray, str]]:
    if not _QUARTER.fullmatch(_sample(texts)):
        return []
    months = np.full(len(texts), "NaT", "datetime64[M]")
    for at, match in enumerate(map(_QUARTER.fullmatch, texts)):
        if match:
            year, quarter = match[1] or match[4], match[2] or match[3]
            months[at] = np.datetime64(f"{year}-{3 * int(quarter) - 2:02d}")
    return [(months, "quarters")]


def _compact_dates(values: np.ndarray) -> Times | None:
    """Return whole numbers such as 20260131 or 202601 as dates; None for numbers of any other kind."""
    if not len(values) or not (np.abs(values) < 1e8).all() or (values != np.floor(values)).any():
        return None
    whole = values.astype("int64")
    for digits, note in ((8, "whole numbers of year, month and day"), (6, "whole numbers of year and month")):
        month_and_day = whole % 10 ** (digits - 4)
        years, months = whole // 10 ** (digits - 4), month_and_day // (100 if digits == 8 else 1)
        days = whole % 100 if digits == 8 else np.ones_like(whole)
        if years.min() < _YEARS[0] or years.max() > _YEARS[1] or months.min() < 1 or months.max() > 12:
            continue
        first = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
        moments = first.astype("datetime64[D]") + (days - 1)
        if days.min() >= 1 and (moments.astype("datetime64[M]") == first).all():
            ticks, a_second = _ticks(moments)
            return Times(ticks, a_second, note)
    return None
