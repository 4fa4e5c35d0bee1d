"""A phase of training: loss, optimizer and schedule of a config around the loop."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.tasks import SHARES, Scale, Task
from finetune.training.epochs import Course, Progress
from finetune.training.groups import Group
from finetune.training.lessons import Lessons
from finetune.training.loop import NOBODY, Watch, train_phase
from finetune.training.losses import make_loss
from finetune.training.mixing import Mixing
from finetune.training.moving_statistics import following_within
from finetune.training.optimizers import make_optimizer
from finetune.training.precision import computing_in, scaled_for
from finetune.training.schedules import Plateau, Schedule, learning_rate_schedule
from finetune.training.state import State, restore
from finetune.transfer.methods import HEAD, Phase

# More of them would be no table that one can read.
_MEASURED_LAYERS = 12
# Variables of each stage, and what their learning rate is multiplied by.
Rates = Mapping[str, tuple[Sequence[keras.Variable], float]]


@dataclass(frozen=True)
class Material:
    """The examples of a run as a phase takes them.

    Attributes:
        features: (n, ...) of all examples; only the rows at hand are read into memory.
        values: targets of all examples, as the task takes them.
        task: gives the metric, and the loss where the config names none.
        sides: indices of the examples to learn from ("train") and of those that pick the epoch ("validation").
        scale: of targets that are numbers: the loss is of standardized targets, the mean absolute error in their units
            (of several outputs, in the mean of their standard deviations).
        weights: (n,) float32, of the examples in the training loss.
        mixing: makes training batches of two pictures each; classes become shares of classes then.
        views: changed versions of each example that come after those of the examples themselves in `features`.
    """

    features: np.ndarray
    values: np.ndarray
    task: Task
    sides: Mapping[str, np.ndarray]
    scale: Scale | None = None
    weights: np.ndarray | None = None
    mixing: Mixing | None = None
    views: int = 0

    @property
    def targets(self) -> np.ndarray:
        """Targets of all examples as the loss takes them."""
        return self.scale.standard(self.values) if self.scale else self.values


def fit_phase(
    model: keras.Model,
    material: Material,
    config: FinetuneConfig,
    phase: Phase,
    *,
    rates: Rates | None = None,
    before: Progress | None = None,
    saved: State | None = None,
    watch: Watch = NOBODY,
) -> Progress:
    """Train a model on features until the validation loss stops falling; leaves it with the weights of its best epoch.

    Args:
        model: features to logits; which of its layers learn is settled.
        material: what it learns from.
        config: optimizer, schedule, loss and the like, precision, batch_size, and seed of the order of examples.
        phase: name, epochs, patience and learning rate.
        rates: variables of each stage and what their learning rate is multiplied by; None for one rate.
        before: of the phase before this one: epochs count on from it, and its weights stay where none are better.
        saved: where a phase that was stopped goes on.
        watch: who is told.

    Returns:
        The progress; its rows are the history: epoch from 1, phase, loss, accuracy or mae, val_loss, val_accuracy or
        val_mae, learning_rate, seconds.

    Raises:
        ConfigError: the loss became NaN or infinite, or does not go with the task.
    """
    config = config.model_copy(update={"schedule": phase.schedule or config.schedule})
    lessons = compile_for(model, material, config, phase, rates)

    def begin() -> Progress:
        if saved:
            return restore(model, saved)
        return Progress(best=before.best, best_weights=model.get_weights()) if before else Progress()

    course = course_of(config, material, phase, first_epoch=before.rows[-1]["epoch"] if before else 0)
    plateau = Plateau.of(config) if config.schedule == "plateau" else None
    with computing_in(model, config.precision), following_within(model, steps_an_epoch(config, material)):
        return train_phase(model, lessons, course, begin=begin, plateau=plateau, watch=watch)


def course_of(config: FinetuneConfig, material: Material, phase: Phase, *, first_epoch: int = 0) -> Course:
    """Return how a phase goes; arguments are those of `fit_phase`."""
    return Course(
        batch_size=config.batch_size,
        epochs=phase.epochs,
        patience=phase.patience,
        to_the_end=phase.to_the_end,
        seed=config.seed,
        phase=phase.name,
        first_epoch=first_epoch,
        unit=float(material.scale.std.mean()) if material.scale else 1.0,
    )


def schedule_of(config: FinetuneConfig, material: Material, phase: Phase) -> Schedule:
    """Return the learning rate by the number of updates so far; arguments are those of `fit_phase`."""
    updates = steps_an_epoch(config, material) / config.accumulation_steps
    return learning_rate_schedule(
        config, learning_rate=phase.learning_rate, steps_per_epoch=updates, epochs=phase.epochs
    )


def steps_an_epoch(config: FinetuneConfig, material: Material) -> int:
    """Return how many batches the training side is; the last may be smaller."""
    return math.ceil(len(material.sides["train"]) / config.batch_size)


def compile_for(
    model: keras.Model, material: Material, config: FinetuneConfig, phase: Phase, rates: Rates | None = None
) -> Lessons:
    """Give a model its optimizer, loss and metric for a phase; return what it learns from as those take it.

    Arguments and errors are those of `fit_phase`.
    """
    sides, task = material.sides, material.task
    targets = material.targets
    if material.mixing and task.name == "classification":
        targets, task = np.eye(model.output_shape[-1], dtype="float32")[material.values], SHARES
    schedule = schedule_of(config, material, phase)
    model.compile(
        optimizer=scaled_for(config.precision, make_optimizer(config, _groups(model, rates), schedule)),
        loss=make_loss(config, task),
        metrics=[task.metric()],
        jit_compile=False,
    )
    learned, picked = sides["train"], sides["validation"]
    return Lessons(material.features, targets, learned, picked, material.weights, material.mixing, views=material.views)


def _groups(model: keras.Model, rates: Rates | None) -> list[Group]:
    if rates is None:
        rates = {HEAD: (model.trainable_variables, 1.0)}
    groups = [
        Group(stage, tuple(variables), multiplier) for stage, (variables, multiplier) in rates.items() if variables
    ]
    return [replace(groups[0], parts=_layers(model))] if len(groups) == 1 else groups


def _layers(model: keras.Model) -> tuple[tuple[str, tuple[keras.Variable, ...]], ...]:
    """Return the layers that learn, by which gradients are measured where there are no stages; many of them by name."""
    names = {layer.name: tuple(layer.trainable_variables) for layer in model.layers if layer.trainable_variables}
    if len(names) <= _MEASURED_LAYERS:
        return tuple(names.items())
    found: dict[str, tuple[keras.Variable, ...]] = {}
    for name, variables in names.items():
        stage = name.partition("_")[0]  # as the zoo names layers
        found[stage] = (*found.get(stage, ()), *variables)
    return tuple(found.items())
