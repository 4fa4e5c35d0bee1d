"""A CSV file as a series: which column says when, what is looked back on, what is predicted."""

import hashlib
import os
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.columns import Column, Table, as_numbers
from finetune.data.examples import Skipped, printable
from finetune.data.findings import Finding
from finetune.data.rows import file_digest
from finetune.data.series import Windows, choose_window, period_of, require_numbers
from finetune.data.series_pace import Pace
from finetune.data.series_time import TimeColumn, in_order
from finetune.data.table_source import task_of, weights_of
from finetune.data.targets import Target
from zoo.errors import ConfigError, DataError


@dataclass(frozen=True)
class Series:
    """A series and its windows.

    Attributes:
        root: absolute path of the file.
        values: (steps, features) float64, NaN where blank.
        names: of the features.
        target: of each window.
        target_name: of the column that is predicted.
        windows: how the series is cut.
        moments: of each step, as the user wrote it.
        period: steps after which the training part repeats most; None for no clear period.
        file_sha256: of the file.
        findings: what the checks said.
        left_out: columns that are not used.
        notes: how the file was read.
        pace: how it goes in time; None where no column says when.
        weights: (windows,) float32 in the loss, of the first step that each is about; None where all count 1.
    """

    root: str
    values: np.ndarray
    names: tuple[str, ...]
    target: Target
    target_name: str
    windows: Windows
    moments: tuple[str, ...]
    period: int | None
    file_sha256: str
    findings: tuple[Finding, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    pace: Pace | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def past(self) -> np.ndarray:
        """The values of the target, (steps,) float64."""
        return self.values[:, self.names.index(self.target_name)]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the file and of what is taken from it."""
        cut = (self.windows.window, self.windows.horizon, self.windows.stride)
        taken = [self.file_sha256, self.target.task, *self.target.names, "", *self.names, *map(str, cut)]
        return hashlib.sha256("\n".join(taken).encode()).hexdigest()


def read_series(config: FinetuneConfig, table: Table, target: str, time: TimeColumn | None) -> tuple[Series, str]:
    """Return the windows of a series, and why they are as long as they are ("" where the config says so).

    Raises:
        DataError: rows are not in the order of time, too few, or blank where blanks are refused.
        ConfigError: columns hold texts, or a setting goes with rows alone.
    """
    _refuse_sides(config, time)
    task = task_of(config, table, target) if config.task in ("auto", "classification") else "forecasting"
    task = "forecasting" if task == "regression" else task
    table, findings = in_order(table, time) if time else (table, [])
    features = _features(table, target, task, {time and time.name, config.sample_weight})
    values = np.stack([column.values for column in features.values()], axis=1)
    _refuse_blanks(config, table, features, target if task == "forecasting" else None)
    train = round(table.num_rows * (1 - config.test_fraction - config.validation_fraction))
    period = None if task == "classification" else period_of(features[target].values[:train])
    window, why = (config.window, "") if config.window else choose_window(table.num_rows, period)
    windows = Windows(window, 0 if task == "classification" else config.horizon, config.stride)
    if table.num_rows < window + windows.horizon + 2:
        raise DataError(
            f"{printable(table.path)}: {table.num_rows:,} rows are too few for a window of {window} and a horizon of "
            f"{windows.horizon}; choose a shorter window, or bring more rows"
        )
    series = Series(
        root=table.path if table.sha256 else os.path.abspath(table.path),
        values=values,
        names=tuple(features),
        target=_target(table, target, task, windows),
        target_name=target,
        windows=windows,
        moments=_moments(table, time and time.name),
        period=period,
        file_sha256=table.sha256 or file_digest(Path(table.path)),
        pace=Pace.of(time.name, time.times, time.rhythm) if time else None,
        weights=_weights(table, config.sample_weight, windows),
        findings=tuple(findings),
        left_out=tuple(Skipped(item.column, item.reason) for item in table.left_out),
        notes=(*table.notes, *(f"{time.name}: {time.why}" for _ in [0] if time)),
    )
    return series, why


def _refuse_sides(config: FinetuneConfig, time: TimeColumn | None) -> None:
    for name in ("group", "side"):
        column = getattr(config, name)
        if column:
            says = f" ({time.name!r} says when)" if time and not time.asked else ""
            raise ConfigError(
                f"{name}={column} does not go with a series{says}, which is split by time. Leave {name} out, or take "
                f"rows one by one with task=regression or task=classification"
            )


def _features(table: Table, target: str, task: str, apart: Container[str | None]) -> dict[str, Column]:
    """Return the columns that are looked back on."""
    features = {name: column for name, column in table.columns.items() if name not in apart}
    if task == "classification":
        features = {name: column for name, column in features.items() if name != target}
    else:
        features[target] = as_numbers(table, target)
    require_numbers(features)
    if not features:
        raise ConfigError(f"{printable(table.path)}: no column is left to predict {target!r} from")
    for name in features:
        as_numbers(table, name)  # none is too large
    return features


def _target(table: Table, name: str, task: str, windows: Windows) -> Target:
    if task == "forecasting":
        values = windows.targets(as_numbers(table, name).values)
        steps = (name,) if windows.horizon == 1 else tuple(f"{name} +{step + 1}" for step in range(windows.horizon))
        return Target("forecasting", values, steps)
    column = table.columns[name]
    if column.blank.any():
        line = table.lines[np.flatnonzero(column.blank)[0]]
        raise DataError(f"{printable(table.path)} line {line}: the target {name!r} is blank; fill it in")
    return Target("classification", windows.targets(column.values)[:, 0].astype("int32"), column.categories)


def _weights(table: Table, name: str | None, windows: Windows) -> np.ndarray | None:
    weights = weights_of(table, name)
    return None if weights is None else weights[windows.first_targets(len(weights))]


def _moments(table: Table, time: str | None) -> tuple[str, ...]:
    if time is None:
        return tuple(f"line {line}" for line in table.lines)
    column = table.columns[time]
    if column.kind == "categorical":
        return tuple(column.categories[code] for code in column.values)
    return tuple(f"{value:.15g}" for value in column.values)


def _refuse_blanks(config: FinetuneConfig, table: Table, features: Mapping[str, Column], target: str | None) -> None:
    for name, column in features.items():
        blank = np.flatnonzero(column.blank)
        if len(blank) and (config.missing == "refuse" or name == target):
            rest = "" if name == target else ", or say how: --set missing=median"
            raise DataError(
                f"{printable(table.path)} line {table.lines[blank[0]]}: the column {name!r} is blank; fill it in{rest}"
            )
