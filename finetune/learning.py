"""What learns: a head on prepared data, once for the model that is kept, and once for each fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.split import SPLITS, Splits
from finetune.evaluation.sides import brief_metrics
from finetune.progress import Reporter
from finetune.tasks import TASKS, Scale
from finetune.training.fit import Row, fit_head
from finetune.training.weights import example_weights
from finetune.transfer.trunk import head_outputs


@dataclass(frozen=True)
class Learned:
    """A head that has learned.

    Attributes:
        head: features to logits, with the weights of its best epoch.
        scale: of targets that are numbers.
        history: a row for each epoch.
    """

    head: keras.Model
    scale: Scale | None
    history: list[Row]


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


def learn(
    kind: ModuleType,
    config: FinetuneConfig,
    data: object,
    features: object,
    splits: Splits,
    on_epoch: Callable[[Row], None],
) -> Learned:
    """Train a new head on the training side, with the validation side picking the epoch.

    Args:
        kind: module for the kind of data.
        config: of the run, resolved.
        data: checked examples.
        features: of all examples.
        splits: who learns and who picks.
        on_epoch: called with each row of the history.
    """
    target = kind.target(data)
    task, sides = TASKS[target.task], {name: np.array(getattr(splits, name), int) for name in SPLITS}
    scale = None if task.activation else Scale.of(target.values[sides["train"]])
    head = kind.new_head(config, features, target)
    history = fit_head(
        kind.training_model(config, head),
        features.array,
        target.values,
        task=task,
        sides=sides,
        config=config,
        on_epoch=on_epoch,
        scale=scale,
        mixing=kind.mixing(config),
        weights=example_weights(config, target, sides["train"], data.examples.weights),
    )
    return Learned(head, scale, history)


def answer_by_folds(
    kind: ModuleType,
    config: FinetuneConfig,
    data: object,
    features: object,
    folds: Sequence[Splits],
    reporter: Reporter,
) -> FoldAnswers:
    """Train a head for each fold, and let it answer for the examples that the fold tests.

    What is fitted on training examples before the head, such as the encoder of a table, is fitted anew in each fold.
    """
    target = kind.target(data)
    task, fold_of, rows = TASKS[target.task], np.zeros(len(target), int), []
    outputs, means = None, None if task.activation else np.zeros(target.values.shape)
    for number, fold in enumerate(folds, start=1):
        if kind.TRUNK_IS_FITTED:
            features = kind.features(config, kind.build_trunk(config, data, fold), data, reporter)
        with reporter.epochs(f"fold {number} of {len(folds)}", config.epochs) as on_epoch:
            learned = learn(kind, config, data, features, fold, on_epoch)
        tested = np.array(fold.test)
        answers = head_outputs(learned.head, features.array, task, learned.scale, indices=tested)
        if outputs is None:
            outputs = np.zeros((len(target), answers.shape[1]), answers.dtype)
        outputs[tested], fold_of[tested] = answers, number
        if means is not None:
            means[tested] = target.values[list(fold.train)].mean(axis=0)
        best = min(learned.history, key=lambda row: row["val_loss"])
        scores = brief_metrics(target.task, target.values[tested], answers)
        rows.append({"fold": number, **fold.sizes(), "best_epoch": best["epoch"], **scores})
    return FoldAnswers(outputs, means, fold_of, rows)
