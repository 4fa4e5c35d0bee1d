"""Which kind of data a config names: pictures, a table, or a series."""

from types import ModuleType

from finetune.config import FinetuneConfig
from finetune.data import series_source, series_time
from finetune.data.array_table import SIDE, has_sides, task_of_arrays
from finetune.data.columns import Table
from finetune.data.frame_dates import with_dates
from finetune.data.given import Given
from finetune.data.rows import Rows
from finetune.data.series_time import TimeColumn
from finetune.data.sources import find_pictures, read_table_of
from finetune.decide import Decision
from finetune.kinds import pictures, scratch, series, table
from finetune.kinds.networks import CNN
from zoo.errors import ConfigError

Source = object


def open_source(config: FinetuneConfig, given: Given | None = None) -> tuple[ModuleType, Source, list[Decision]]:
    """Return the module for the data, what it read of them, and what was decided on the way.

    Args:
        config: as the user gave it.
        given: objects of Python, where they are the data.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting does not go with them.
    """
    found = find_pictures(config, given)
    if found:
        own = config.method == "scratch" or config.model == CNN
        return (scratch if own else pictures), *found
    _refuse_labels(config)
    dated = with_dates(given)
    read, target, why = read_table_of(config, dated)
    if has_sides(read):
        return table, *_open_arrays(config, read, target)
    target, why = series_time.other_target(read, target, why)
    decisions = [Decision("target", target, why)] if why else []
    time = series_time.time_column(config, read, target)
    if series_time.is_series(config, read, target, time):
        return series, *_open_series(config, read, target, time, decisions)
    if dated is not given:
        read, target, _ = read_table_of(config.model_copy(update={"target": target}), given)
    rows = table.scan(config, read, target).finding(*series_time.random_rows(config, time))
    if config.task == "auto":
        decisions.append(Decision("task", rows.target.task, _why_task(rows)))
    return table, rows, decisions


def _open_arrays(config: FinetuneConfig, read: Table, target: str) -> tuple[Source, list[Decision]]:
    task, why = task_of_arrays(read, target)
    decisions = [Decision("side", SIDE, "which array a row is in")]
    if config.task == "auto":
        decisions.append(Decision("task", task, why))
    return table.scan(config.model_copy(update={"side": SIDE, "task": task}), read, target), decisions


def _refuse_labels(config: FinetuneConfig) -> None:
    if config.task == "multi_label" or config.label_separator:
        raise ConfigError(
            f"several labels go with pictures alone, and no column of {config.data} lists pictures; name it with "
            f"--set path=COLUMN"
        )


def _open_series(
    config: FinetuneConfig, read: Table, target: str, time: TimeColumn | None, decisions: list[Decision]
) -> tuple[Source, list[Decision]]:
    source, why = series_source.read_series(config, read, target, time)
    if config.task == "auto":
        undo = "task=regression takes rows one by one"
        reason = f"the column {time.name!r} says when; {undo}" if time else "windows are asked for"
        decisions.append(Decision("task", source.target.task, reason))
    if time and not config.time:
        decisions.append(Decision("time", time.name, time.why))
    if why:
        decisions.append(Decision("window", source.windows.window, why))
    return source, decisions


def _why_task(rows: Rows) -> str:
    names, task = rows.target.names, rows.target.task
    if task == "regression":
        return f"{names[0]} is a number"
    return f"{len(names)} classes, {', '.join(names[:5])}{' …' if len(names) > 5 else ''}; task=regression for numbers"
