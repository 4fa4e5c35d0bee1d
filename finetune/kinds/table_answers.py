"""Answers of a run on a table: for each row of a CSV file, and how good they are where the file has the target too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from finetune.answers import Prediction, answer
from finetune.config import FinetuneConfig
from finetune.data import table_source
from finetune.data.array_table import array_table
from finetune.data.columns import Table, require_column
from finetune.data.dealing import own_test
from finetune.data.examples import printable
from finetune.data.given import Given
from finetune.data.known import row_marks, unseen
from finetune.data.rows import Rows, file_digest
from finetune.data.sources import column_names, input_table, is_arrays, open_arrays
from finetune.data.targets import Target
from finetune.evaluation.sides import full_metrics
from finetune.kinds.table_inputs import checked_values, wishes_of
from finetune.progress import Reporter
from finetune.settings.data import OBJECTS
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
        DataError: the file cannot be read, lacks a column, or holds what the model cannot take.
    """
    table = input_table(config, path, wishes_of(columns))
    outputs = outputs_of(model, checked_values(table, columns, Reporter(0).warn), columns)
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
    learned: bytes,
    data: str | Given | None,
) -> dict[str, object]:
    """Measure a run on a CSV file that has the target, or on its own test rows; see `Run.evaluate`.

    The file is read as the run read its own: the same columns of the same kinds, and none of the checks that are made
    before something is learned. Columns of groups, sides and weights may be absent. Rows that the run learned from, as
    `learned` packs their marks, are left out of other data.
    """
    config = config.model_copy(update={"task": target[0]} | _changes(config, data))
    table, name = _with_target(config, columns, config.data if data is None or isinstance(data, str) else data)
    table = _known_targets(table, name)
    truth = table_source.target_of(table, name, target[0], remedy="Mend it.")
    features = {column.name: table.columns[column.name] for column in columns}
    digest = table.sha256 or file_digest(Path(table.path))
    rows = Rows(table.path, features, truth, table.lines, digest)
    own = rows.fingerprint == fingerprint
    indices, which = _judged(config, table, rows, own)
    if not own:
        left = unseen(learned, row_marks(features), indices)
        indices = np.array(left.indices)
        if left.note:
            which = f"{which}; {left.note}"
            Reporter(0).warn(left.note)
    judged = replace(table, columns=features).without(rows=np.setdiff1d(np.arange(len(rows)), indices))
    outputs = outputs_of(model, checked_values(judged, columns, Reporter(0).warn, own=own), columns)
    values = _as_ours(truth, tuple(target[1]), table.path)[indices]
    return {"examples": which, **full_metrics(target[0], values, outputs, tuple(target[1]))}


def _changes(config: FinetuneConfig, data: str | Given | None) -> dict[str, object]:
    """Return what of a run's config is otherwise for other data: columns of a file mean nothing to arrays."""
    if data is None:
        return {}
    changes: dict[str, object] = {"data": data} if isinstance(data, str) else {}
    if is_arrays(data):
        return changes | {"target": None, "group": None, "sample_weight": None}
    return changes | ({"side": None} if is_arrays(config.data) or config.data.startswith(OBJECTS) else {})


def _with_target(config: FinetuneConfig, columns: Sequence[InputColumn], source: str | Given) -> tuple[Table, str]:
    """Return the table of a run's columns with the target and what deals rows to sides, and the target's name."""
    arrays = open_arrays(config, None if isinstance(source, str) else source)
    wishes = wishes_of(columns)
    if arrays is not None:
        table, name, _ = array_table(config, arrays, only=wishes)
        for column in columns:
            require_column(table, column.name)
        return table, name
    there = column_names(config, source)
    name, _ = table_source.find_target(there, config)
    roles = [role for role in (config.group, config.side) if role in there]
    # a file that lacks the target is refused by its name
    return input_table(config, source, {**wishes, **dict.fromkeys((name, *roles), "text")}), name


def _known_targets(table: Table, name: str) -> Table:
    """Return a table without the rows that lack a target, having counted them on stderr."""
    blank = np.flatnonzero(table.columns[name].blank)
    if len(blank) == table.num_rows:
        raise DataError(f"{printable(table.path)}: the target column {name!r} is blank in every row; fill it in.")
    if len(blank):
        count = f"{len(blank):,} row{'s' * (len(blank) > 1)} without a target in the column {name!r}"
        Reporter(0).warn(f"{table.place(blank[0])}: {count} left out")
    return table.without(rows=blank)


def outputs_of(model: keras.Model, values: Mapping[str, np.ndarray], columns: Sequence[InputColumn]) -> np.ndarray:
    """Return the model's outputs (rows, outputs) for checked columns."""
    count = len(next(iter(values.values())))
    parts = []
    for first in range(0, count, _AT_ONCE):
        rows = {name: column[first : first + _AT_ONCE] for name, column in values.items()}
        parts.append(np.asarray(model.predict_on_batch(model_inputs(rows, columns))))
    return np.concatenate(parts)


def _judged(config: FinetuneConfig, table: Table, rows: Rows, own: bool) -> tuple[np.ndarray, str]:
    sides = table_source.sides_of(table, config.side if config.side in table.columns else None)
    if own:
        groups = table_source.group_texts(table, config.group)
        return np.array(own_test(config, replace(rows, given_splits=sides, groups=groups))), "the run's own test side"
    if "test" in sides:
        return np.flatnonzero(np.array(sides) == "test"), "the file's test side"
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
