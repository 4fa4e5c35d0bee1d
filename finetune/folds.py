"""Folds: a network learns for each of them and answers for the examples that the fold tests; what is answered stays."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from finetune.clock import Clock
from finetune.data.split import SPLITS, Splits
from finetune.evaluation.sides import brief_metrics
from finetune.learning import Lesson, learn
from finetune.tasks import TASKS
from finetune.training.state import State


@dataclass(frozen=True)
class FoldAnswers:
    """What folds answered for examples that they had not learned from.

    Attributes:
        outputs: (n, outputs) float32, of the one fold that tested each example.
        means: (n, outputs) of targets that are numbers: their mean where that fold learned; None for others.
        fold_of: (n,) the fold that tested each example, from 1.
        rows: for each fold its number, sizes, best epoch, and scores on its test side.
    """

    outputs: np.ndarray
    means: np.ndarray | None
    fold_of: np.ndarray
    rows: list[dict[str, object]]


def answer_by_folds(lesson: Lesson, trunk: object, folds: Sequence[Splits]) -> FoldAnswers:
    """Train a network for each fold, and let it answer for the examples that the fold tests.

    Every fold begins from the same pretrained weights. What is fitted on training examples before the head, such as
    the encoder of a table, is fitted anew in each. A run that goes on takes the answers of folds that had come to
    their end from its state.
    """
    target, rows = lesson.kind.target(lesson.data), []
    fold_of = np.zeros(len(target), int)
    outputs, means = None, None if TASKS[target.task].activation else np.zeros(target.values.shape)
    pretrained = _values(trunk.model)
    for number, fold in enumerate(folds, start=1):
        answers, best_epoch = _kept(lesson, number, fold) or _learned(lesson, trunk, number, fold, len(folds))
        tested = np.array(fold.test)
        if outputs is None:
            outputs = np.zeros((len(target), answers.shape[1]), answers.dtype)
        outputs[tested], fold_of[tested] = answers, number
        if means is not None:
            means[tested] = target.values[list(fold.train)].mean(axis=0)
        scores = brief_metrics(target.task, target.values[tested], answers)
        rows.append({"fold": number, **fold.sizes(), "best_epoch": best_epoch, **scores})
        _put_back(trunk.model, pretrained)
    return FoldAnswers(outputs, means, fold_of, rows)


def _learned(lesson: Lesson, trunk: object, number: int, fold: Splits, count: int) -> tuple[np.ndarray, int]:
    """Let a network learn for a fold; return its answers for what the fold tests, and its best epoch."""
    kind = lesson.kind
    if kind.TRUNK_IS_FITTED:
        trunk = kind.build_trunk(lesson.config, lesson.data, fold)
    learned = learn(replace(lesson, clock=Clock()), trunk, fold, f"fold {number} of {count}")
    answers = learned.outputs(TASKS[kind.target(lesson.data).task], np.array(fold.test))
    if lesson.keeper.checkpoints:
        state = State({"answers": answers}, {"best_epoch": learned.best_epoch})
        lesson.keeper.checkpoints.keep(_name(number), {"sides": _digest(fold)}, state)
    return answers, learned.best_epoch


def _kept(lesson: Lesson, number: int, fold: Splits) -> tuple[np.ndarray, int] | None:
    """Return what `_learned` returned before the run was stopped; None where the fold had not come to its end."""
    found = lesson.keeper.checkpoints.kept(_name(number)) if lesson.keeper.checkpoints else None
    if found is None or found.place.get("sides") != _digest(fold):
        return None
    return found.state.arrays["answers"], found.state.numbers["best_epoch"]


def _name(number: int) -> str:
    return f"fold-{number}"


def _digest(fold: Splits) -> str:
    """Return what the sides of a fold are known by; settings and data are compared before a run goes on."""
    return hashlib.sha256(repr([tuple(getattr(fold, name)) for name in SPLITS]).encode()).hexdigest()


def _values(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable).copy() for variable in model.variables]


def _put_back(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    """Give a model everything back that learning changes: weights, and the seeds of its random layers."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
