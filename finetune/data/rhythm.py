"""The rhythm of a series: how long a step is, on the clock or by the calendar, and where steps are missing."""

from dataclasses import dataclass

import numpy as np

from finetune.data.dates import Times

# A step may be so much longer or shorter than the usual one: clocks put forward, a sensor that is a little late.
_TOLERANCE = 0.2
# From this share of steps on that are as long as the usual one, the others are gaps; below, the rows are no series.
_MOSTLY = 0.85
# So many workdays in a row may be holidays.
_HOLIDAYS = 5
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS = ((86_400 * 7, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"), (1e-3, "millisecond"))
_MONTHS = {1: "every month", 3: "every quarter", 12: "every year"}


@dataclass(frozen=True)
class Rhythm:
    """How long a step of a series is.

    Attributes:
        kind: "numbers"; or for dates "clock", "weekdays" or "months".
        size: of a step: a number; seconds; 1; or months.
        week: the days on which there are rows, from Monday on, as in "1111100"; of kind "weekdays".
    """

    kind: str
    size: float
    week: str = ""

    def positions(self, times: Times) -> np.ndarray:
        """Return where rows stand, counted in steps from the first, (rows,) float64."""
        if self.kind == "months":
            months = times.days.astype("datetime64[M]").astype("int64")
            return (months - months[0]) / self.size
        if self.kind == "weekdays":
            return np.busday_count(times.days[0], times.days, weekmask=self.week).astype("float64")
        return (times.values - times.values[0]) / (times.a_second or 1) / self.size

    def __str__(self) -> str:
        if self.kind == "months":
            return _MONTHS.get(int(self.size), f"every {self.size:g} months")
        if self.kind == "weekdays":
            days, free = (
                [day for day, there in zip(_WEEKDAYS, self.week, strict=True) if there == sign] for sign in "10"
            )
            if self.week == "1111100":
                return "every business day"
            return f"every {', '.join(days)}" if len(days) < 5 else f"every day but {', '.join(free)}"
        return f"in steps of {self.size:.6g}" if self.kind == "numbers" else f"every {_duration(self.size)}"


@dataclass(frozen=True)
class Gaps:
    """Where steps are missing.

    Attributes:
        after: the rows that something is missing after.
        missing: how many steps are missing after each of them.
        holidays: how many workdays are missing that may be holidays, and are no gaps.
    """

    after: np.ndarray
    missing: np.ndarray
    holidays: int = 0


def find_rhythm(times: Times) -> Rhythm | None:
    """Return the rhythm of rows that go up in time, or None where their steps differ."""
    steps = np.diff(times.values)
    if not len(steps) or not (steps > 0).all():
        return None
    usual = float(np.median(steps))
    constant = Rhythm("clock", usual / times.a_second) if times.a_second else Rhythm("numbers", usual)
    exact = float((np.abs(steps - usual) <= 1e-6 * usual).mean())
    found = [(exact, constant), *(_calendar(times) if times.a_second else ()), (_regular(times, constant), constant)]
    # of those that fit as well the first: an exact step, then the calendar, then one that is about the same
    share, rhythm = max(found, key=lambda pair: pair[0])
    return rhythm if share >= _MOSTLY else None


def find_gaps(times: Times, rhythm: Rhythm) -> Gaps:
    """Return where steps of a rhythm are missing in rows that go up in time."""
    jumps = np.diff(rhythm.positions(times))
    after = np.flatnonzero(jumps > 1 + 2 * _TOLERANCE)
    missing = np.maximum(np.round(jumps[after]) - 1, 1).astype("int64")
    if rhythm.kind != "weekdays":
        return Gaps(after, missing)
    long = missing > _HOLIDAYS
    return Gaps(after[long], missing[long], int(missing[~long].sum()))


def usual_step(times: Times) -> str:
    """Return the median step of rows in words."""
    step = float(np.median(np.abs(np.diff(times.values))))
    return _duration(step / times.a_second) if times.a_second else f"{step:.6g}"


def fits(times: Times, rhythm: Rhythm) -> bool:
    """Return whether nearly all steps of rows are those of a rhythm, or longer where something is missing."""
    jumps = np.diff(rhythm.positions(times))
    if not len(jumps):
        return True
    usual = float(np.median(jumps))
    return abs(usual - 1) <= 2 * _TOLERANCE and float((jumps < 1 - 2 * _TOLERANCE).mean()) <= 1 - _MOSTLY


def _calendar(times: Times) -> list[tuple[float, Rhythm]]:
    """Return the calendar steps that rows may have, each with the share of steps that fit."""
    found = []
    days = np.unique(times.days.astype("int64") % 7)
    # day 0 of 1970 was a Thursday
    week = "".join("1" if (day - 3) % 7 in days else "0" for day in range(7))
    if len(np.unique(times.seconds_of_day)) == 1 and week != "1111111":
        rhythm = Rhythm("weekdays", 1, week)
        jumps = np.diff(rhythm.positions(times))
        found.append((float(((jumps >= 1) & (jumps <= 2)).mean()) if (jumps == 1).mean() > 0.5 else 0.0, rhythm))
    months = np.diff(times.days.astype("datetime64[M]").astype("int64"))
    size = float(np.median(months))
    if size >= 1 and size == round(size):
        found.append((float((months == size).mean()), Rhythm("months", size)))
    return found


def _regular(times: Times, rhythm: Rhythm) -> float:
    jumps = np.diff(rhythm.positions(times))
    return float((np.abs(jumps - 1) <= _TOLERANCE).mean())


def _duration(seconds: float) -> str:
    for size, name in _UNITS:
        count = seconds / size
        if count >= 1 and (abs(count - round(count)) < 1e-6 or size <= 1 or size == 86_400 and count > 4):
            return name if count == 1 else f"{count:.6g} {name}s"
    return f"{seconds:.3g} seconds"
