"""Answers of a run on a series: what comes after a file's last step, and how good forecasts over a file are."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import keras
import numpy as np
import pandas as pd

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig
from finetune.data import series_source, series_time, table_source
from finetune.data.columns import Table, as_numbers, require_column
from finetune.data.examples import printable
from finetune.data.frame_dates import with_dates
from finetune.data.frame_table import NAME as FRAME
from finetune.data.frame_table import read_frame
from finetune.data.given import Given
from finetune.data.series import Windows, split_by_time
from finetune.data.series_pace import read_pace, refuse_gaps
from finetune.data.sources import is_arrays, open_arrays, read_table_of
from finetune.data.table_file import table_limits
from finetune.data.table_head import read_head
from finetune.data.table_reading import read_table
from finetune.evaluation.sides import full_metrics
from finetune.settings.data import OBJECTS
from zoo.errors import DataError, nearest

_AT_ONCE = 1024


def predict(
    config: FinetuneConfig, model: keras.Model, described: Mapping[str, object], source: str | Given
) -> list[Prediction]:
    """Return what follows the last step of a CSV file or a DataFrame, or what its last window is.

    Args:
        config: of the run; separator, decimal sign and time column are taken from it.
        model: of the run.
        described: model.json of the run.
        source: with the run's columns and at least as many rows as a window has; other columns are not looked at.

    Raises:
        DataError: the source cannot be read, lacks a column, is too short, has a blank in its last window where the run
            refuses them, or goes on in time otherwise than what the run learned from.
    """
    names, windows = described["features"], Windows(**described["windows"])
    used = [*names, *filter(None, [config.time])]
    only, source = _only(config, used, source)
    wanted = [name for name in names if name != config.time]
    if isinstance(source, pd.DataFrame):
        wishes = dict.fromkeys(wanted, "numeric")
        table = read_frame(source, wishes, missing_texts=only.missing_texts, decimal=only.decimal)
    else:
        table = read_table(source, numeric=wanted, ignore=only.ignore, **table_source.reading(only))
    if table.num_rows < windows.window:
        raise DataError(
            f"{printable(table.path)} has {table.num_rows:,} rows; the model looks back on {windows.window}"
        )
    table = _in_order(only, described, table, windows.window)
    values = _last_values(table, names, described, windows.window)
    outputs = np.asarray(model.predict_on_batch(values[None]))[0]
    place = f"{'row' if table.sha256 else 'line'} {table.lines[-1]}"
    row = f"after {place}" if windows.horizon else f"up to {place}"
    return [
        answer(described["task"], tuple(described["class_names"]), outputs, file=printable(table.path), row=row),
    ]


def evaluate(
    config: FinetuneConfig,
    model: keras.Model,
    described: Mapping[str, object],
    fingerprint: str,
    data: str | Given | None,
) -> dict[str, object]:
    """Measure a run on a CSV file or a DataFrame of its columns, or on its own test side; see `Run.evaluate`."""
    names, windows = described["features"], Windows(**described["windows"])
    series, which = _read_series(config, described, config.data if data is None else data)
    values = series.values[:, [series.names.index(name) for name in names]]
    indices = np.arange(len(series))
    if series.fingerprint == fingerprint:
        fractions = {"validation_fraction": config.validation_fraction, "test_fraction": config.test_fraction}
        indices = np.array(split_by_time(windows, len(values), **fractions).test)
        which = "the run's own test side"
    inputs = windows.inputs(values)
    parts = [
        np.asarray(model.predict_on_batch(np.ascontiguousarray(inputs[indices[first : first + _AT_ONCE]])))
        for first in range(0, len(indices), _AT_ONCE)
    ]
    names = tuple(described["class_names"])
    true = _as_ours(series.target.values, series.target.names, names, printable(series.root))
    return {"examples": which, **full_metrics(described["task"], true[indices], np.concatenate(parts), names)}


def _read_series(
    config: FinetuneConfig, described: Mapping[str, object], source: str | Given
) -> tuple[series_source.Series, str]:
    """Return the series that a source holds, and which of its windows are judged."""
    used = [*described["features"], *filter(None, [config.time, config.target])]
    only, part = _only(config, used, source)
    given = part if isinstance(part, pd.DataFrame) else None
    table, target, _ = read_table_of(only.model_copy(update={"data": FRAME if given is not None else part}), given)
    if given is not None:
        table = replace(table, sha256=_frame_digest(config, source))
    pace = read_pace(described.get("pace"))
    time = series_time.time_column(only, table, target, pace and pace.note) if config.time else None
    series, _ = series_source.read_series(only, table, target, time)
    gaps = pace.check(table, time.times, table.num_rows) if time and pace else None
    broken = f", over {len(gaps.after):,} gaps too" if gaps and len(gaps.after) else ""
    return series, f"all windows of the {'rows' if table.sha256 else 'file'}{broken}"


def _only(config: FinetuneConfig, used: Collection[str], source: str | Given) -> tuple[FinetuneConfig, str | Given]:
    """Return config and source such that columns which the run does not use are not looked at.

    Raises:
        DataError: the source is no table, or lacks a column.
    """
    if isinstance(source, str) and source.startswith(OBJECTS):
        open_arrays(config.model_copy(update={"data": source}))  # says that they must be given again
    if not isinstance(source, str | pd.DataFrame) or is_arrays(source):
        raise DataError(
            f"a run on a series answers for CSV files and DataFrames, whose columns have names; received "
            f"{source if isinstance(source, str) else 'arrays'}"
        )
    changes: dict[str, object] = {"numeric": (), "categorical": (), "ignore": (), "sample_weight": None}
    if isinstance(source, str):
        head = read_head(source, separator=config.separator, limits=table_limits(config))
        for name in used:
            require_column(head, name)
        changes["ignore"] = tuple(name for name in head.names if name and name not in used)
        return config.model_copy(update=changes), source
    source = with_dates(source)
    names = [str(name) for name in source.columns]
    missing = next((name for name in used if name not in names), None)
    if missing is not None:
        raise DataError(f"{FRAME} has no column {missing!r}; it has {', '.join(names[:30])}.{nearest(missing, names)}")
    return config.model_copy(update=changes), source.iloc[:, [at for at, name in enumerate(names) if name in used]]


def _frame_digest(config: FinetuneConfig, frame: pd.DataFrame) -> str:
    """Return what tells a whole DataFrame from others, as a run on it knows it; "other" for one it could not read."""
    frame = with_dates(frame)
    try:
        return read_frame(frame, {str(name): "ignore" for name in frame.columns}).sha256
    except DataError:
        return "other"


def _in_order(config: FinetuneConfig, described: Mapping[str, object], table: Table, window: int) -> Table:
    """Return the rows in the order of time, with the steps that the run learned from and no gap in the last window."""
    if not config.time:
        return table
    pace = read_pace(described.get("pace"))
    time = series_time.time_column(config, table, "", pace and pace.note)
    table, _ = series_time.in_order(table, time)
    if pace:
        refuse_gaps(table, pace, pace.check(table, time.times, window))
    return table


def _last_values(table: Table, names: list[str], described: Mapping[str, object], window: int) -> np.ndarray:
    """Return the run's columns in the last rows, (window, features) float64."""
    values = np.stack([as_numbers(table, name).values[-window:] for name in names], axis=1)
    blank = np.argwhere(np.isnan(values))
    if len(blank) and not described["fillers"]:
        row, column = blank[0]
        raise DataError(
            f"{printable(table.path)} line {table.lines[-window:][row]}: the column {names[column]!r} is blank, and "
            f"this run refuses blanks; fill it in"
        )
    return values


def _as_ours(values: np.ndarray, found: tuple[str, ...], names: tuple[str, ...], path: str) -> np.ndarray:
    if values.ndim > 1:
        return values
    unknown = [name for name in found if name not in names]
    if unknown:
        raise DataError(f"{path}: {', '.join(map(repr, unknown[:5]))} not among the classes of this run")
    return np.array([names.index(name) for name in found])[values]
