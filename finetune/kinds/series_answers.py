"""Answers of a run on a series: what comes after a file's last step, and how good forecasts over a file are."""

from collections.abc import Mapping

import keras
import numpy as np

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig
from finetune.data import series_source, series_time, table_source
from finetune.data.columns import Table, require_column
from finetune.data.examples import printable
from finetune.data.series import Windows, split_by_time
from finetune.data.table_reading import read_table
from finetune.evaluation.sides import full_metrics
from zoo.errors import DataError

_AT_ONCE = 1024


def predict(config: FinetuneConfig, model: keras.Model, described: Mapping[str, object], path: str) -> list[Prediction]:
    """Return what follows the last step of a CSV file, or what its last window is.

    Args:
        config: of the run; separator, decimal sign and time column are taken from it.
        model: of the run.
        described: model.json of the run.
        path: CSV file with the run's columns and at least as many rows as a window has.

    Raises:
        DataError: the file cannot be read, lacks a column, is too short, or has a blank where the run refuses them.
    """
    names, windows = described["features"], Windows(**described["windows"])
    time = [config.time] if config.time else []
    table = read_table(path, numeric=names, **table_source.reading(config))
    for name in time:
        require_column(table, name)
    file = printable(path)
    if table.num_rows < windows.window:
        raise DataError(f"{file} has {table.num_rows:,} rows; the model looks back on {windows.window}")
    values = _values(table, names, described)[-windows.window :]
    outputs = np.asarray(model.predict_on_batch(values[None].astype("float32")))[0]
    row = f"after line {table.lines[-1]}" if windows.horizon else f"up to line {table.lines[-1]}"
    return [answer(described["task"], tuple(described["class_names"]), outputs, file=file, row=row)]


def evaluate(
    config: FinetuneConfig,
    model: keras.Model,
    described: Mapping[str, object],
    fingerprint: str,
    data: str | None,
) -> dict[str, object]:
    """Measure a run on a CSV file of its columns, or on its own test side; see `Run.evaluate`."""
    windows = Windows(**described["windows"])
    config = config.model_copy(update={"data": str(data or config.data)})
    table, target, _ = table_source.read(config)
    time = series_time.time_column(config, table, target) if config.time else None
    series, _ = series_source.read_series(config, table, target, time)
    missing = [name for name in described["features"] if name not in series.names]
    if missing:
        raise DataError(
            f"{printable(series.root)} has no column {missing[0]!r} of numbers, which the model looks back on; "
            f"it has {', '.join(series.names)}"
        )
    values = series.values[:, [series.names.index(name) for name in described["features"]]]
    indices, which = np.arange(len(series)), "all windows of the file"
    if series.fingerprint == fingerprint:
        fractions = {"validation_fraction": config.validation_fraction, "test_fraction": config.test_fraction}
        indices = np.array(split_by_time(windows, len(values), **fractions).test)
        which = "the run's own test side"
    inputs = windows.inputs(values)
    parts = [
        np.asarray(model.predict_on_batch(np.ascontiguousarray(inputs[indices[first : first + _AT_ONCE]], "float32")))
        for first in range(0, len(indices), _AT_ONCE)
    ]
    names = tuple(described["class_names"])
    true = _as_ours(series.target.values, series.target.names, names, printable(series.root))
    return {"examples": which, **full_metrics(described["task"], true[indices], np.concatenate(parts), names)}


def _values(table: Table, names: list[str], described: Mapping[str, object]) -> np.ndarray:
    """Return the run's columns, (steps, features) float64."""
    for name in names:
        column = table.columns[name]
        blank = np.flatnonzero(column.blank)
        if len(blank) and not described["fillers"]:
            raise DataError(
                f"{printable(table.path)} line {table.lines[blank[0]]}: the column {name!r} is blank, and this run "
                f"refuses blanks; fill it in"
            )
    return np.stack([table.columns[name].values for name in names], axis=1)


def _as_ours(values: np.ndarray, found: tuple[str, ...], names: tuple[str, ...], path: str) -> np.ndarray:
    if values.ndim > 1:
        return values
    unknown = [name for name in found if name not in names]
    if unknown:
        raise DataError(f"{path}: {', '.join(map(repr, unknown[:5]))} not among the classes of this run")
    return np.array([names.index(name) for name in found])[values]
