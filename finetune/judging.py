"""How good the answers are: those of the test side, or with folds those that every example got when it was tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from finetune.data.split import SPLITS, Splits
from finetune.evaluation.predicted import predicted_rows
from finetune.evaluation.sides import evaluate_sides
from finetune.folds import FoldAnswers

# Scores of which folds give mean and standard deviation.
_OVER_FOLDS = ("accuracy", "exact_match", "loss", "mae", "rmse", "r2")


@dataclass(frozen=True)
class Judged:
    """What is said of a run's answers.

    Attributes:
        indices: the examples that were tested.
        outputs: (n, outputs) by which they were judged, of all examples.
        metrics: metrics.json without times.
        rows: of predictions.csv.
    """

    indices: Sequence[int]
    outputs: np.ndarray
    metrics: dict[str, object]
    rows: list[dict[str, object]]


def judge(kind: ModuleType, data: object, splits: Splits, outputs: np.ndarray, folds: FoldAnswers | None) -> Judged:
    """Judge answers, on examples that whoever answered had not learned from.

    Args:
        kind: module for the kind of data.
        data: checked examples.
        splits: sides of the model that is kept.
        outputs: (n, outputs) its answers for all examples.
        folds: what folds answered; None where there is a test side.
    """
    target, guesses = kind.target(data), kind.guesses(data, splits)
    sides = {name: np.array(getattr(splits, name), int) for name in SPLITS}
    tested = outputs
    if folds:
        sides["test"], tested = np.arange(len(target)), folds.outputs
        guesses = None if folds.means is None else {"mean of training": folds.means}
    metrics = evaluate_sides(target, outputs, sides, guesses, tested)
    indices = sides["test"].tolist()
    rows = predicted_rows(target, tested, kind.labels_of(data, indices), indices)
    if folds:
        metrics["folds"] = _over_folds(folds.rows)
        rows = [{**row, "fold": int(fold)} for row, fold in zip(rows, folds.fold_of, strict=True)]
    return Judged(indices, tested, metrics, rows)


def _over_folds(rows: list[dict[str, object]]) -> Mapping[str, object]:
    """Return each fold's scores with their mean and standard deviation (n - 1) over the folds."""
    each = {name: [row[name] for row in rows] for name in _OVER_FOLDS if all(row.get(name) is not None for row in rows)}
    return {
        "each": rows,
        "mean": {name: float(np.mean(values)) for name, values in each.items()},
        "std": {name: float(np.std(values, ddof=1)) for name, values in each.items()},
    }
