"""Cross-validation: a network for each fold, which answers for the examples that it did not learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from finetune.clock import Clock
from finetune.data.split import Splits
from finetune.evaluation.sides import brief_metrics
from finetune.learning import Lesson, learn
from finetune.tasks import TASKS


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
    the encoder of a table, is fitted anew in each.
    """
    kind, config, data = lesson.kind, lesson.config, lesson.data
    target, rows = kind.target(data), []
    task, fold_of = TASKS[target.task], np.zeros(len(target), int)
    outputs, means = None, None if task.activation else np.zeros(target.values.shape)
    pretrained = trunk.model.get_weights()
    for number, fold in enumerate(folds, start=1):
        if kind.TRUNK_IS_FITTED:
            trunk = kind.build_trunk(config, data, fold)
        else:
            trunk.model.set_weights(pretrained)
        learned = learn(replace(lesson, clock=Clock()), trunk, fold, f"fold {number} of {len(folds)}")
        tested = np.array(fold.test)
        answers = learned.outputs(task, tested)
        if outputs is None:
            outputs = np.zeros((len(target), answers.shape[1]), answers.dtype)
        outputs[tested], fold_of[tested] = answers, number
        if means is not None:
            means[tested] = target.values[list(fold.train)].mean(axis=0)
        best = min(learned.history, key=lambda row: row["val_loss"])
        scores = brief_metrics(target.task, target.values[tested], answers)
        rows.append({"fold": number, **fold.sizes(), "best_epoch": best["epoch"], **scores})
    if not kind.TRUNK_IS_FITTED:
        trunk.model.set_weights(pretrained)
    return FoldAnswers(outputs, means, fold_of, rows)
