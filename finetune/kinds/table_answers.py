"""Answers of a run on a table: for each row of a CSV file, and how good they are where the file has the target too."""

from collections.abc import Sequence
from dataclasses import replace

import keras
import numpy as np

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig
from finetune.data import table_source
from finetune.data.array_table import SIDE
from finetune.data.columns import Column, Table, require_column
from finetune.data.dealing import own_test
from finetune.data.examples import printable
from finetune.data.given import Given
from finetune.data.rows import Rows, column_values
from finetune.data.sources import input_table, is_arrays, read_table_of
from finetune.data.table_reading import read_table
from finetune.data.targets import Target
from finetune.evaluation.sides import full_metrics
from finetune.transfer.encoder import InputColumn, model_inputs
from zoo.errors import DataError

_AT_ONCE = 8192


def predict(
    config: FinetuneConfig,
    model: keras.Model,
    columns: Sequence[InputColumn],
    target: tuple[str, Sequence[str]],
    path: str | Given,
) -> list[Prediction]:
    """Return the answer for each row of a CSV file, a .npz file, or objects of Python.

    Args:
        config: of the run; separator and decimal sign are taken from it.
        model: of the run.
        columns: that the model takes; others of the file are not looked at.
        target: task and names of the outputs.
        path: file with those columns, a DataFrame, or an array of rows.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a blank where the run refuses them.
    """
    table = _read(config, columns, path)
    outputs = outputs_of(model, table.columns, columns)
    task, names = target
    file, word = printable(table.path), "row" if table.sha256 else "line"
    return [
        answer(task, tuple(names), output, file=file, row=f"{word} {line}")
        for output, line in zip(outputs, table.lines.tolist(), strict=True)
    ]


def evaluate(
    config: FinetuneConfig,
    model: keras.Model,
    columns: Sequence[InputColumn],
    target: tuple[str, Sequence[str]],
    fingerprint: str,
    data: str | Given | None,
) -> dict[str, object]:
    """Measure a run on a CSV file that has the target, or on its own test rows; see `Run.evaluate`."""
    given = None if data is None or isinstance(data, str) else data
    config = config if data is None else _config_for(config, data)
    table, name, _ = read_table_of(config, given)
    rows = table_source.read_rows(config.model_copy(update={"task": target[0]}), table, name)
    for column in columns:
        require_column(table, column.name)
    # columns that this file's checks would leave out are still what the model takes
    kept = np.isin(table.lines, rows.lines)
    wanted = {c.name: replace(table.columns[c.name], values=table.columns[c.name].values[kept]) for c in columns}
    own = rows.fingerprint == fingerprint
    indices, which = _judged(config, rows, own)
    outputs = outputs_of(model, wanted, columns)[indices]
    values = _as_ours(rows.target, tuple(target[1]), rows.root)[indices]
    return {"examples": which, **full_metrics(target[0], values, outputs, tuple(target[1]))}


def _config_for(config: FinetuneConfig, data: str | Given) -> FinetuneConfig:
    """Return the run's config for reading other data."""
    changes: dict[str, object] = {"data": data} if isinstance(data, str) else {}
    if config.side == SIDE and not is_arrays(data):
        changes["side"] = None
    if is_arrays(data):
        changes |= {"target": None, "group": None, "sample_weight": None}
    return config.model_copy(update=changes)


def outputs_of(model: keras.Model, table: dict[str, Column], columns: Sequence[InputColumn]) -> np.ndarray:
    """Return the model's outputs (rows, outputs) for the columns of a table."""
    values = column_values({column.name: _as_kind(table[column.name], column) for column in columns})
    count = len(next(iter(values.values())))
    parts = []
    for first in range(0, count, _AT_ONCE):
        rows = {name: column[first : first + _AT_ONCE] for name, column in values.items()}
        parts.append(np.asarray(model.predict_on_batch(model_inputs(rows, columns))))
    return np.concatenate(parts)


def _read(config: FinetuneConfig, columns: Sequence[InputColumn], path: str | Given) -> Table:
    table = input_table(config, path)
    if table is None:
        table = read_table(
            path,
            numeric=[column.name for column in columns if column.kind == "numeric"],
            categorical=[column.name for column in columns if column.kind == "categorical"],
            **table_source.reading(config),
        )
    for column in columns:
        require_column(table, column.name)
        blank = np.flatnonzero(table.columns[column.name].blank) if column.kind == "numeric" else ()
        if len(blank) and column.filler is None:
            raise DataError(
                f"{printable(table.path)} line {table.lines[blank[0]]}: the column {column.name!r} is blank, and this "
                f"run refuses blank numbers; fill it in, or train with --set missing=median"
            )
    return table


def _as_kind(column: Column, wanted: InputColumn) -> Column:
    if column.kind == wanted.kind:
        return column
    raise DataError(f"the column {column.name!r} is {column.kind} here and was {wanted.kind} in training")


def _judged(config: FinetuneConfig, rows: Rows, own: bool) -> tuple[np.ndarray, str]:
    if own:
        return np.array(own_test(config, rows)), "the run's own test side"
    if "test" in rows.given_splits:
        return np.flatnonzero(np.array(rows.given_splits) == "test"), "the file's test side"
    return np.arange(len(rows)), "all rows of the file"


def _as_ours(target: Target, names: tuple[str, ...], path: str) -> np.ndarray:
    """Return the values with classes numbered as the run numbers them."""
    if target.task != "classification":
        return target.values
    unknown = [name for name in target.names if name not in names]
    if unknown:
        raise DataError(
            f"{printable(path)}: {', '.join(map(repr, unknown[:5]))} not among the classes of this run: "
            f"{', '.join(names)}"
        )
    return np.array([names.index(name) for name in target.names])[target.values]
