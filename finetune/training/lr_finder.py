"""The range test of learning rates: the rate grows with every update, and the loss shows which ones teach something."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np

from finetune.training.epochs import Course, Progress
from finetune.training.head_fit import steps_for
from finetune.training.lessons import Lessons, calls, order_of
from finetune.training.loop import build_variables
from finetune.training.state import restore, snapshot
from zoo.errors import ConfigError

LOWEST, HIGHEST = 1e-7, 10.0
# Two passes over the examples, but at least 12 and at most 25 updates a power of ten.
_FEWEST, _MOST = 100, 200
# Updates in which nothing is learned yet: less than a power of ten above the lowest rate.
_BEGINNING = 10
# Weight of the past in the mean of losses, as fastai's 0.98, but for curves of 100 updates, not of thousands.
_MEMORY = 0.9
# fastai stops here too (https://docs.fast.ai/callback.schedule.html#learner.lr_find).
_DIVERGED = 4.0


@dataclass(frozen=True)
class Curve:
    """What a range test measured.

    Attributes:
        rates: of each update, growing by the same factor.
        losses: of its examples before it; the mean where gradients of several batches make one update.
        smoothed: exponential mean of the losses so far, corrected for its beginning.
        diverged: whether it ended early, because the loss grew beyond what can be learned from.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    diverged: bool


def range_test(
    model: keras.Model,
    lessons: Lessons,
    course: Course,
    *,
    accumulation_steps: int = 1,
    advance: Callable[[int], None] = lambda updates: None,
) -> Curve:
    """Train a compiled model with growing rates, and put everything back as it was, to the last bit.

    That is also so where an error or Ctrl-C ends it: weights, statistics, seeds of random layers, and all variables of
    optimizer and metrics are restored. Smith 2017 (https://arxiv.org/abs/1506.01186), section 3.3, with rates that grow
    by a factor, as in fastai.

    Args:
        model: compiled, with an optimizer whose `learning_rate` can be set.
        lessons: what is learned from; the validation side is not looked at.
        course: batches, and the order of examples, which is that of training.
        accumulation_steps: batches whose gradients make one update.
        advance: told of each update.

    Raises:
        ConfigError: the loss is not finite from the beginning.
    """
    _build(model, lessons)
    before = snapshot(model, Progress())
    try:
        return _climb(model, lessons, course, accumulation_steps, advance)
    finally:
        restore(model, before)


def _build(model: keras.Model, lessons: Lessons) -> None:
    """Have all variables made, without a change to those that are there: metrics may be in the middle of an epoch."""
    values = [keras.ops.convert_to_numpy(variable) for variable in model.metrics_variables]
    build_variables(model, lessons)
    for variable, value in zip(model.metrics_variables, values, strict=False):
        variable.assign(value)


def num_updates(num_examples: int, batch_size: int, accumulation_steps: int = 1) -> int:
    """Return how many updates a range test has at most."""
    an_epoch = math.ceil(num_examples / batch_size) / accumulation_steps
    return int(np.clip(math.ceil(2 * an_epoch), _FEWEST, _MOST))


def _climb(
    model: keras.Model, lessons: Lessons, course: Course, accumulation_steps: int, advance: Callable[[int], None]
) -> Curve:
    updates = num_updates(len(lessons.train), course.batch_size, accumulation_steps)
    steps = steps_for(model, batch_size=course.batch_size)
    rates, losses, smoothed = [], [], []
    mean, diverged = 0.0, False
    with contextlib.closing(_batches(lessons, course)) as batches:
        for rate in np.geomspace(LOWEST, HIGHEST, updates).tolist():
            loss = _update(model, steps, itertools.islice(batches, accumulation_steps), rate)
            if not math.isfinite(loss):
                _require_beginning(rates, loss)
                diverged = True
                break
            mean = _MEMORY * mean + (1 - _MEMORY) * loss
            rates.append(rate)
            losses.append(loss)
            smoothed.append(mean / (1 - _MEMORY ** len(losses)))
            advance(1)
            if _diverges(smoothed):
                diverged = True
                break
    return Curve(tuple(rates), tuple(losses), tuple(smoothed), diverged)


def _update(model: keras.Model, steps: object, batches: Iterator[tuple[np.ndarray, ...]], rate: float) -> float:
    """Train on the batches of one update at a rate; return their mean loss before it."""
    model.optimizer.learning_rate = rate
    model.reset_metrics()
    for arrays in batches:
        found = steps.train(arrays)
    return found["loss"]


def _require_beginning(rates: list[float], loss: float) -> None:
    if not rates:
        raise ConfigError(
            f"the loss is {loss} before anything was learned: no learning rate mends that. Look for values that are "
            f"not finite or huge in the data, and try the loss that is the default"
        )


def _diverges(smoothed: list[float]) -> bool:
    # examples that come again are soon known by heart, and a small loss is many times theirs: it has to be worse than
    # at first, too
    return smoothed[-1] > _DIVERGED * min(smoothed) and smoothed[-1] > max(smoothed[:_BEGINNING])


def _batches(lessons: Lessons, course: Course) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield batches without end, epoch after epoch in the order of training."""
    for epoch in itertools.count(course.first_epoch):
        order = lessons.train[order_of(len(lessons.train), seed=course.seed, epoch=epoch)]
        with contextlib.closing(calls(lessons, order, 0, course.batch_size, epoch, one_by_one=True)) as coming:
            for _, arrays, _ in coming:
                yield arrays
