"""Runs that differ in numbers only learn as one: a stack of heads on features that all of them share."""

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import keras
import numpy as np
import tensorflow as tf

from finetune.config import FIELDS, FinetuneConfig
from finetune.data.split import Splits
from finetune.learning import Curriculum, Learned, Lesson, Ready, begin, make_ready
from finetune.progress import Reporter
from finetune.training.epochs import (
    Course,
    Diverged,
    Progress,
    Row,
    Weights,
    is_over,
    keep_the_end,
    remember,
    require_finite,
)
from finetune.training.fit import course_of, schedule_of
from finetune.training.lessons import order_of
from finetune.training.schedules import Plateau
from finetune.training.stack import Member, Stack, can_be_stacked
from finetune.transfer.freeze import count_parameters

# More heads make a step no faster for each of them.
MOST_HEADS = 16
# Features of all examples lie in memory twice while heads learn; and what heads hold for themselves is not more.
MOST_BYTES = 256_000_000
# Rows that heads see over all epochs, from which on it takes some seconds.
_LONG = 1_000_000
# Optimizers that treat each weight for itself, so that those of other heads do not matter.
ELEMENTWISE = frozenset(
    ("adam", "adamw", "nadam", "adamax", "sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adadelta", "lion")
)
# Settings in which the heads of a stack may differ.
_FREE = frozenset(
    {
        *("seed", "learning_rate", "schedule", "warmup_epochs", "decay_factor", "decay_epochs", "end_factor"),
        *("weight_decay", "l2", "dropout", "epochs", "patience", "run_dir"),
    }
)
# Settings that a stack does not know, and what they are where they do nothing.
_UNKNOWN = {
    **{"ema": (None,), "clip_value": (None,), "clip_norm": (None,), "global_clip_norm": (None,)},
    **{"accumulation_steps": (1,), "mixup": (0,), "cutmix": (0,), "precision": ("auto", "float32")},
}


def kin_of(config: FinetuneConfig) -> Hashable | None:
    """Return what is equal for runs that may learn as one; None for one that learns alone."""
    known = all(getattr(config, name) in values for name, values in _UNKNOWN.items())
    if not known or config.optimizer not in ELEMENTWISE or keras.backend.backend() != "tensorflow":
        return None
    return tuple(str(getattr(config, name)) for name in FIELDS if name not in _FREE)


@dataclass
class _Pupil:
    """A head on its way through its epochs."""

    course: Curriculum
    ready: Ready
    member: Member
    plan: Course
    plateau: Plateau | None
    metric: str
    progress: Progress = field(default_factory=Progress)
    diverged: Diverged | None = None

    @property
    def is_over(self) -> bool:
        return bool(self.diverged) or is_over(self.progress, self.plan)


def learn_together(
    lessons: Sequence[Lesson], trunks: Sequence[object], splits: Splits, *, reporter: Reporter
) -> list[Learned | Diverged] | None:
    """Let several heads learn as one; each learns what `learn` would teach it, up to the rounding of sums.

    Args:
        lessons: what each of them learns; `kin_of` their settings is one and the same.
        trunks: what comes before each head.
        splits: who learns and who picks.
        reporter: shows a bar where it takes long.

    Returns:
        What became of each; None where such heads learn only alone. Callbacks and keepers of lessons are not called.
    """
    pupils = []
    for lesson, trunk in zip(lessons, trunks, strict=True):
        # layers without a seed of their own draw from Keras' generator
        keras.utils.set_random_seed(lesson.config.seed)
        pupil = _pupil(lesson, trunk, splits)
        if pupil is None:
            return None
        pupils.append(pupil)
    heads = _most_heads(pupils[0])
    if heads < 2:
        return None
    for first in range(0, len(pupils), heads):
        _teach(pupils[first : first + heads], reporter)
    return [pupil.diverged or _learned(pupil) for pupil in pupils]


def _pupil(lesson: Lesson, trunk: object, splits: Splits) -> _Pupil | None:
    course = begin(lesson, trunk, splits)
    if len(course.phases) > 1:
        return None
    ready = make_ready(lesson, course, 0)
    material, phase = ready.material, ready.phase
    if not can_be_stacked(ready.model) or material.features.nbytes > MOST_BYTES or material.views or material.mixing:
        return None
    config = lesson.config.model_copy(update={"schedule": phase.schedule or lesson.config.schedule})
    plan, member = course_of(config, material, phase), Member(ready.model, config, schedule_of(config, material, phase))
    plateau = Plateau.of(config) if config.schedule == "plateau" else None
    return _Pupil(course, ready, member, plan, plateau, material.task.metric().name)


def _most_heads(pupil: _Pupil) -> int:
    """Return how many heads of a kind fit into memory: weights, their best, gradients and slots; and orders of rows."""
    parameters, rows = pupil.ready.model.count_params(), len(pupil.ready.material.sides["train"])
    return min(MOST_HEADS, MOST_BYTES // (4 * (8 * parameters + 2 * rows)))


def _teach(pupils: Sequence[_Pupil], reporter: Reporter) -> None:
    """Take all epochs of all heads; those that are over leave the stack when they are half of it."""
    material = pupils[0].ready.material
    x, y = (tf.constant(np.asarray(rows)) for rows in (material.features[:], material.targets))
    stack = Stack([pupil.member for pupil in pupils], x, y, material.task, weights=material.weights)
    at_work, epoch = list(pupils), 0
    epochs = max(pupil.plan.epochs for pupil in pupils)
    is_long = len(pupils) * epochs * len(material.sides["train"]) > _LONG
    with (reporter if is_long else Reporter(0)).track(f"{len(pupils)} trials as one", epochs, "epochs") as advance:
        while left := [number for number, pupil in enumerate(at_work) if not pupil.is_over]:
            if 2 * len(left) <= len(at_work):
                stack, at_work = stack.only(left), [at_work[number] for number in left]
            _take_epoch(stack, at_work, epoch)
            epoch += 1
            advance(1)
    for pupil in pupils:
        if pupil.progress.best_weights is not None:
            pupil.ready.model.set_weights(pupil.progress.best_weights)


def _take_epoch(stack: Stack, pupils: Sequence[_Pupil], epoch: int) -> None:
    """Take the steps of an epoch with all heads of a stack, and judge those that are not over."""
    running = [(number, pupil) for number, pupil in enumerate(pupils) if not pupil.is_over]
    material, started = pupils[0].ready.material, time.perf_counter()
    train = material.sides["train"]
    orders = [train[order_of(len(train), seed=pupil.plan.seed, epoch=epoch)] for pupil in pupils]
    learned = stack.learn(np.stack(orders).astype("int32"))
    judged = stack.judge(material.sides["validation"])
    seconds, rates = round((time.perf_counter() - started) / len(running), 4), stack.rates()
    held = cache(stack.arrays)
    for number, pupil in running:
        row = {"epoch": epoch + 1, "phase": pupil.plan.phase, **_measured(pupil, learned, number, "")}
        row |= _measured(pupil, judged, number, "val_")
        row |= {"learning_rate": float(rates[number]), "seconds": seconds}
        _after_epoch(stack, pupil, number, row, lambda number=number: [array[number].copy() for array in held()])


def _after_epoch(stack: Stack, pupil: _Pupil, number: int, row: Row, weights: Weights) -> None:
    try:
        for loss in (row["loss"], row["val_loss"]):
            require_finite(loss, row["epoch"], lambda: row["learning_rate"], pupil.progress)
    except Diverged as error:
        pupil.diverged = error
        return
    remember(pupil.progress, row, pupil.plan, weights)
    if pupil.plateau:
        stack.scale_rate(number, pupil.plateau.after_epoch(row["val_loss"]))
    if pupil.plan.to_the_end and pupil.is_over:
        keep_the_end(pupil.progress, pupil.plan, len(pupil.ready.material.sides["validation"]), weights)


def _measured(pupil: _Pupil, found: Mapping[str, np.ndarray], number: int, prefix: str) -> Row:
    """Return loss and metric of a head by the names that the history has for them."""
    unit = pupil.plan.unit if pupil.metric == "mae" else 1.0
    return {
        f"{prefix}loss": float(found["loss"][number]),
        f"{prefix}{pupil.metric}": float(found["measure"][number]) * unit,
    }


def _learned(pupil: _Pupil) -> Learned:
    network, progress, ready = pupil.course.network, pupil.progress, pupil.ready
    scale, stages = pupil.course.material.scale, count_parameters(network)
    return Learned(network, scale, progress.rows, progress.best["epoch"], stages, ready.cut, ready.features)
