"""A phase of training: loss, optimizer and schedule of a config around the loop."""

import math
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.tasks import SHARES, Scale, Task
from finetune.training.grouped_optimizer import Group
from finetune.training.loop import Lessons, Progress, Row, train_phase
from finetune.training.losses import make_loss
from finetune.training.mixing import Mixing
from finetune.training.optimizers import make_optimizer
from finetune.training.schedules import Plateau, learning_rate_schedule
from finetune.training.state import State, restore
from finetune.transfer.methods import Phase


def fit_phase(
    model: keras.Model,
    features: np.ndarray,
    values: np.ndarray,
    *,
    task: Task,
    sides: Mapping[str, np.ndarray],
    config: FinetuneConfig,
    phase: Phase,
    rates: Mapping[str, tuple[Sequence[keras.Variable], float]] | None = None,
    on_epoch: Callable[[Row], None] = lambda row: None,
    scale: Scale | None = None,
    weights: np.ndarray | None = None,
    mixing: Mixing | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    before: Progress | None = None,
    saved: State | None = None,
    between: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train a model on features until the validation loss stops falling; leaves it with the weights of its best epoch.

    Args:
        model: features to logits; which of its layers learn is settled.
        features: (n, ...) of all examples; only the rows at hand are read into memory.
        values: targets of all examples, as the task takes them.
        task: gives the metric, and the loss where the config names none.
        sides: indices of the examples to learn from ("train") and of those that pick the epoch ("validation").
        config: optimizer, schedule, loss and the like, batch_size, and seed of the order of examples.
        phase: name, epochs, patience and learning rate.
        rates: variables of each stage and what their learning rate is multiplied by; None for one rate.
        on_epoch: called with each row of the history.
        scale: of targets that are numbers: the loss is of standardized targets, the mean absolute error in their units
            (of several outputs, in the mean of their standard deviations).
        weights: (n,) float32, of the examples in the training loss.
        mixing: makes training batches of two pictures each; classes become shares of classes then.
        callbacks: of Keras, as for `Model.fit`.
        before: of the phase before this one: epochs count on from it, and its weights stay where none are better.
        saved: where a phase that was stopped goes on.
        between: called between steps.

    Returns:
        The progress; its rows are the history: epoch from 1, phase, loss, accuracy or mae, val_loss, val_accuracy or
        val_mae, learning_rate, seconds.

    Raises:
        ConfigError: the loss became NaN or infinite, or does not go with the task.
    """
    targets = scale.standard(values) if scale else values
    if mixing and task.name == "classification":
        targets, task = np.eye(model.output_shape[-1], dtype="float32")[values], SHARES
    updates = math.ceil(len(sides["train"]) / config.batch_size) / config.accumulation_steps
    schedule = learning_rate_schedule(
        config, learning_rate=phase.learning_rate, steps_per_epoch=updates, epochs=phase.epochs
    )
    model.compile(
        optimizer=make_optimizer(config, _groups(model, rates), schedule),
        loss=make_loss(config, task),
        metrics=[task.metric()],
        jit_compile=False,
    )
    first_epoch = before.rows[-1]["epoch"] if before else 0

    def begin() -> Progress:
        if saved:
            return restore(model, saved)
        return Progress(best_loss=before.best_loss, best_weights=model.get_weights()) if before else Progress()

    return train_phase(
        model,
        Lessons(features, targets, sides["train"], sides["validation"], weights, mixing),
        batch_size=config.batch_size,
        epochs=phase.epochs,
        patience=phase.patience,
        seed=config.seed,
        phase=phase.name,
        first_epoch=first_epoch,
        unit=float(scale.std.mean()) if scale else 1.0,
        begin=begin,
        plateau=Plateau.of(config) if config.schedule == "plateau" else None,
        callbacks=callbacks,
        on_epoch=on_epoch,
        between=between,
    )


def _groups(model: keras.Model, rates: Mapping[str, tuple[Sequence[keras.Variable], float]] | None) -> list[Group]:
    if rates is None:
        return [Group("head", tuple(model.trainable_variables))]
    return [Group(stage, tuple(variables), multiplier) for stage, (variables, multiplier) in rates.items() if variables]
