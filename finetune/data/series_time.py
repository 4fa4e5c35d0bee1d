"""Which column of a table says when its rows are, and whether they make a series."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.columns import Column, Table
from finetune.data.dates import NoTimes, Times, read_dates
from finetune.data.examples import printable
from finetune.data.findings import Finding
from finetune.data.rhythm import Rhythm, find_gaps, find_rhythm, usual_step
from finetune.data.table_source import task_of
from zoo.errors import DataError

# Words in the name of a column of numbers that says when.
TIME_NAMES = frozenset(
    "time date datetime timestamp year quarter month week day hour minute second seconds ds t epoch unix".split()
)
# Fewer steps say nothing of a rhythm.
_FEWEST_STEPS = 10
_LISTED = 10


@dataclass(frozen=True)
class TimeColumn:
    """A column that says when, as it stands in the file.

    Attributes:
        name: of the column.
        times: of each row, in the order of time where the rows have one; None where not all of them are known.
        rhythm: of the rows; None where they have none.
        backwards: whether the file runs from the newest row to the oldest.
        fault: why the rows are no series; "" where they are one.
        remedy: what would make them one.
        asked: whether the config names it.
        entity: the column that tells series apart which are stacked; "" for none.
    """

    name: str
    times: Times | None
    rhythm: Rhythm | None = None
    backwards: bool = False
    fault: str = ""
    remedy: str = ""
    asked: bool = False
    entity: str = ""

    @property
    def why(self) -> str:
        """Why it was chosen, and how it was read."""
        parts = [str(self.rhythm or "says when"), self.times.note, "newest first, so turned round" * self.backwards]
        return "; ".join(filter(None, parts))


def time_column(config: FinetuneConfig, table: Table, target: str, like: str | None = None) -> TimeColumn | None:
    """Return the column that says when: the one that the config names, or else one that the cells show.

    Those are a column of dates anywhere in the table, or a first column of numbers with the name of a time.

    Args:
        config: that may name it.
        table: whose rows are looked at.
        target: which it is not.
        like: how the column was read when the run learned, where that is known.

    Raises:
        DataError: the column that the config names says no time.
    """
    if config.time:
        return _asked(config, table, target, like)
    taken = {target, config.group, config.side, config.sample_weight}
    found = [
        _look_at(table, column, first=at == 0, taken=taken)
        for at, column in enumerate(table.columns.values())
        if column.name not in taken
    ]
    known = [time for time in found if time is not None]
    return next((time for time in known if not time.fault), known[0] if known else None)


def is_series(config: FinetuneConfig, table: Table, target: str, time: TimeColumn | None) -> bool:
    """Return whether a table is to be read as a series.

    That is where it is asked for, and where a target of numbers comes in even steps, or with nothing else but its time.
    """
    if config.task == "forecasting" or config.window is not None or config.time is not None:
        return True
    if config.task != "auto" or time is None or time.times is None:
        return False
    alone = table.columns.keys() <= {time.name, target} and _order(time) == 1
    if time.fault and not alone:
        return False
    return task_of(config, table, target) != "classification"


def other_target(table: Table, target: str, why: str) -> tuple[str, str]:
    """Return another target, and why, where the one that nobody asked for is a column of dates."""
    if not why or not isinstance(read_dates(table.columns[target]), list) or len(table.columns) < 2:
        return target, why
    return [name for name in table.columns if name != target][-1], f"the last column but {target!r}, which holds dates"


def in_order(table: Table, time: TimeColumn) -> tuple[Table, list[Finding]]:
    """Return the rows of a series in the order of time, and what is to be said of their steps.

    Raises:
        DataError: not all rows say when, or they have no order.
    """
    findings = []
    if time.times is None:
        raise DataError(f"{printable(table.path)}: {time.fault}; {time.remedy}")
    if time.backwards:
        table = turned(table)
        message = f"the rows run from the newest to the oldest by {time.name!r}; they were turned round"
        findings.append(Finding("newest first", "note", message, (time.name,)))
    back = np.flatnonzero(np.diff(time.times.values) <= 0)
    if len(back):
        raise DataError(_say_back(table, time, int(back[0])))
    return table, [*findings, *_say_steps(table, time)]


def turned(table: Table) -> Table:
    """Return a table with its last row first."""
    columns = {name: replace(column, values=column.values[::-1]) for name, column in table.columns.items()}
    return replace(table, columns=columns, lines=table.lines[::-1])


def random_rows(config: FinetuneConfig, time: TimeColumn | None) -> list[Finding]:
    """Return what is to be said where rows that have times are dealt at random all the same."""
    if time is None or config.side:
        return []
    name, whole = time.name, f", or --set group={time.entity} to keep each whole" * bool(time.entity)
    holds = f"{name!r} holds dates" if time.times is None or time.times.a_second else f"{name!r} says when"
    message = (
        f"{holds}{f' ({time.fault})' if time.fault else ''}; rows are dealt at random, so what is tested lies between "
        f"what is learned. If what is predicted follows time, {time.remedy}{' and ' * bool(time.remedy)}use "
        f"--set time={name}, or --set side=COLUMN{whole}."
    )
    chosen = not time.fault and config.task != "auto"
    return [Finding("dealt at random", "note" if chosen else "warning", message, (name,))]


def _asked(config: FinetuneConfig, table: Table, target: str, like: str | None) -> TimeColumn:
    column = table.columns[config.time]
    found = _look_at(table, column, first=True, taken={target}, asked=True, like=like)
    if found is None:
        raise DataError(
            f"{printable(table.path)}: the column {config.time!r} is no time; numbers that go up, or dates such as "
            f"2026-01-31 or 2026-01-31T12:00 are"
        )
    return replace(found, asked=True)


def _look_at(
    table: Table,
    column: Column,
    *,
    first: bool,
    taken: Collection[str | None],
    asked: bool = False,
    like: str | None = None,
) -> TimeColumn | None:
    """Return what a column says of time, or None where it says nothing."""
    dates, name = read_dates(column), column.name
    if isinstance(dates, NoTimes):
        what = f"line {table.lines[dates.row]}, column {name!r}: {dates.what}"
        return TimeColumn(name, None, fault=what, remedy="mend it")
    readings = dates or []
    if column.kind == "numeric" and not np.isnan(column.values).any():
        timely = asked or first and TIME_NAMES & set(re.split(r"[^a-z]+", name.lower()))
        readings = [*readings, *([Times(column.values)] if timely or readings else [])]
    readings = [times for times in readings if times.note == like] or readings
    judged = [_judge(table, name, times, taken) for times in readings]
    best = max(map(_order, judged), default=0)
    likely = [time for time in judged if _order(time) == best]
    if len(likely) > 1 and column.kind == "categorical":
        what = f"in {name!r} day and month cannot be told apart, for no cell has a day over 12"
        return TimeColumn(name, None, fault=what, remedy="write the dates as 2026-01-31")
    # a first column of numbers without any order counts something else
    return likely[0] if likely and (dates or asked or best or likely[0].entity) else None


def _order(time: TimeColumn) -> int:
    """Return how orderly rows are: even without a gap, even, going on in one direction, or none of these."""
    if not time.fault:
        return 2 if len(find_gaps(time.times, time.rhythm).after) else 3
    return int(bool((np.diff(time.times.values) > 0).all()))


def _judge(table: Table, name: str, times: Times, taken: Collection[str | None]) -> TimeColumn:
    """Return a column of which all cells are times, with what keeps its rows from being a series."""
    steps = np.diff(times.values)
    backwards = bool(len(steps) and (steps < 0).all())
    if backwards:
        times, steps = times.turned(), -steps[::-1]
    if (steps > 0).all():
        rhythm = find_rhythm(times)
        uneven = rhythm is None or len(steps) < _FEWEST_STEPS
        fault = f"its steps differ; {usual_step(times)} is usual" if uneven and len(steps) else ""
        return TimeColumn(name, times, rhythm, backwards, fault or "one row" * (not len(steps)))
    different = len(np.unique(times.values))
    if different == len(times.values):
        return TimeColumn(name, times, fault="not in the order of time", remedy="sort the file")
    entity = _entity(table, times, {name, *taken})
    if entity:
        fault = f"several rows for each moment, one for each {entity!r}"
        remedy = f"take one {entity!r} at a time, from a file of its own,"
        return TimeColumn(name, times, fault=fault, remedy=remedy, entity=entity)
    fault = f"{len(times.values):,} rows, and {different:,} moments"
    return TimeColumn(name, times, fault=fault, remedy="make one row of each moment")


def _entity(table: Table, times: Times, taken: Collection[str | None]) -> str:
    """Return the column that tells stacked series apart: one row a moment for each of its values; "" for none."""
    moments, at = np.unique(times.values, return_inverse=True)
    best = ("", len(times.values))
    for column in table.columns.values():
        values = column.values
        if column.name in taken or column.blank.any() or column.kind == "numeric" and (values != values.round()).any():
            continue
        known, code = np.unique(values, return_inverse=True)
        pairs = np.unique(at.astype("int64") * len(known) + code)
        # most moments of most series are there, or the column is but a number that differs from row to row
        full = 2 * len(values) >= len(known) * len(moments)
        if len(pairs) == len(values) and full and 1 < len(known) < best[1]:
            best = (column.name, len(known))
    return best[0]


def _say_back(table: Table, time: TimeColumn, row: int) -> str:
    same = time.times.values[row] == time.times.values[row + 1]
    what = "the same moment as" if same else "earlier than"
    remedy = "sort the file, or merge the rows"
    if time.entity:
        remedy = (
            f"there are {time.fault}. Take one at a time, from a file of its own; or take rows one by one with "
            f"--set task=regression, and --set group={time.entity} or --set side=COLUMN"
        )
    return (
        f"{printable(table.path)} line {table.lines[row + 1]}: the time in {time.name!r} is {what} that of line "
        f"{table.lines[row]}. A series needs one row for each moment, in the order of time: {remedy}."
    )


def _say_steps(table: Table, time: TimeColumn) -> list[Finding]:
    if time.rhythm is None:
        usual = usual_step(time.times)
        message = (
            f"the steps of {time.name!r} differ (the usual one: {usual}): windows are cut as if they were all the same."
        )
        return [Finding("uneven", "warning", message, (time.name,))] if len(time.times.values) > 2 else []
    gaps, found = find_gaps(time.times, time.rhythm), []
    if gaps.holidays:
        message = f"{gaps.holidays:,} days without a row in {time.name!r} are taken for holidays, which are no gaps"
        found.append(Finding("holidays", "note", message, (time.name,), gaps.holidays))
    if len(gaps.after):
        places = tuple(f"line {table.lines[at]} to {table.lines[at + 1]}" for at in gaps.after[:_LISTED])
        message = (
            f"{len(gaps.after):,} gaps in {time.name!r}, some {int(gaps.missing.sum()):,} steps that are missing "
            f"({', '.join(places)}): windows are cut as if nothing were. Fill the gaps in, or leave the part before "
            f"them out."
        )
        found.append(Finding("gaps", "warning", message, places, len(gaps.after)))
    return found
