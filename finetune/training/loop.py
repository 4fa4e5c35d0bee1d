"""The loop: epochs of steps over rows in an order that depends on (seed, epoch) alone, until validation says stop."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np

from finetune.training.gradients import take_norms
from finetune.training.head_fit import measured, steps_for
from finetune.training.lessons import Lessons, calls, order_of
from finetune.training.schedules import Plateau
from zoo.errors import ConfigError

Row = dict[str, object]

# Rows a step where nothing is learned: 1024 rows of 1280 features are 5 MB.
VALIDATION_BATCH = 1024


@dataclass(frozen=True)
class Course:
    """How a phase goes.

    Attributes:
        batch_size: rows a step.
        epochs: most epochs of this phase.
        patience: epochs without a lower validation loss before it ends.
        to_the_end: whether the weights of the last epoch are kept, unless they are clearly worse than those that the
            phase began with. For schedules that end at 0.
        seed: of the order of rows.
        phase: its name in the history.
        first_epoch: epochs that phases before it took; orders and the history count on from there.
        unit: what a mean absolute error is multiplied by for the history.
    """

    batch_size: int
    epochs: int
    patience: int
    seed: int
    phase: str = "head"
    first_epoch: int = 0
    unit: float = 1.0
    to_the_end: bool = False


@dataclass
class Progress:
    """Where a phase stands: with the variables of model, optimizer and metrics, all that a resumed phase needs.

    Attributes:
        epoch: epochs that are done.
        step: steps of the next epoch that are done.
        rows: of the history, one for each epoch done.
        best: row of the epoch whose weights are kept; what a later one must beat. None before the first.
        best_weights: of the model then.
        waited: epochs since then.
        seconds: that the epoch so far took.
        plateau: state of what lowers the learning rate, where it does.
    """

    epoch: int = 0
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    best: Row | None = None
    best_weights: list[np.ndarray] | None = None
    waited: int = 0
    seconds: float = 0.0
    plateau: dict[str, float] | None = None

    @property
    def best_loss(self) -> float:
        """The validation loss of the best epoch; infinite before the first."""
        return self.best["val_loss"] if self.best else math.inf


@dataclass(frozen=True)
class Watch:
    """Who is told how a phase goes.

    Attributes:
        callbacks: of Keras. One that watches batches is called for each of them, and slows training down.
        on_epoch: called with each row of the history.
        between: called every fraction of a second between two steps, for signals and checkpoints.
    """

    callbacks: Sequence[keras.callbacks.Callback] = ()
    on_epoch: Callable[[Row], None] = lambda row: None
    between: Callable[[Progress], None] = lambda progress: None


NOBODY = Watch()


class Diverged(ConfigError):
    """The loss is not finite any more: `progress` is that of the phase until then, and `epoch` counts from 1."""

    def __init__(self, epoch: int, rate: float, progress: Progress):
        super().__init__(
            f"the loss is not finite any more in epoch {epoch}; "
            f"lower learning_rate (now {rate:g}), for instance --set learning_rate={rate / 10:g}"
        )
        self.epoch, self.progress = epoch, progress


def train_phase(
    model: keras.Model,
    lessons: Lessons,
    course: Course,
    *,
    begin: Callable[[], Progress] = Progress,
    plateau: Plateau | None = None,
    watch: Watch = NOBODY,
) -> Progress:
    """Train a compiled model until its validation loss stops falling; leave it with the weights of its best epoch.

    Args:
        model: compiled, from rows to what the loss takes. Which variables it may change is settled.
        lessons: what is learned from.
        course: how long, in which order and in which batches.
        begin: says where to begin; called when all variables are there, so that it can set them.
        plateau: lowers the learning rate of an optimizer of ours.
        watch: who is told.

    Returns:
        The progress at the end; its rows have epoch from 1, phase, loss and metric, both with val_ before them,
        learning_rate, seconds, and norms of the gradients.

    Raises:
        Diverged: the loss became NaN or infinite.
    """
    build_variables(model, lessons)
    progress = begin()
    if plateau and progress.plateau:
        plateau.restore(progress.plateau)
    steps = steps_for(model, batch_size=course.batch_size)
    told = keras.callbacks.CallbackList([*watch.callbacks], add_history=False, model=model, epochs=course.epochs)
    told.on_train_begin()
    while progress.epoch < course.epochs and not _stalls(progress, course.patience) and not model.stop_training:
        epoch = course.first_epoch + progress.epoch
        _learn(model, steps, lessons, progress, course, told=told, watch=watch)
        with _averages(model):
            row = {"epoch": epoch + 1, "phase": course.phase, **_judge(model, steps, lessons, progress, course.unit)}
            row |= take_norms(model.optimizer)
            _remember(model, progress, row, course)
        if plateau:
            model.optimizer.scale_learning_rate(plateau.after_epoch(row["val_loss"]))
            progress.plateau = plateau.state()
        told.on_epoch_end(epoch, {name: value for name, value in row.items() if isinstance(value, float)})
        watch.on_epoch(row)
        watch.between(progress)
    if course.to_the_end:
        _keep_the_end(model, progress, course, len(lessons.validation))
    if progress.best_weights is not None:
        model.set_weights(progress.best_weights)
    told.on_train_end()
    return progress


def _learn(
    model: keras.Model,
    steps: object,
    lessons: Lessons,
    progress: Progress,
    course: Course,
    *,
    told: keras.callbacks.CallbackList,
    watch: Watch,
) -> None:
    """Take the steps of an epoch, or those that are left of it."""
    epoch = course.first_epoch + progress.epoch
    one_by_one = any(_watches_batches(callback) for callback in watch.callbacks)
    order = lessons.train[order_of(len(lessons.train), seed=course.seed, epoch=epoch)]
    if progress.step == 0:
        model.reset_metrics()
        told.on_epoch_begin(epoch)
    for first, arrays, count in calls(lessons, order, progress.step, course.batch_size, epoch, one_by_one):
        started = time.perf_counter()
        if one_by_one:
            told.on_train_batch_begin(first)
        found = steps.train(arrays)
        if one_by_one:
            told.on_train_batch_end(first, found)
        _check(found["loss"], epoch + 1, model, progress)
        progress.step = first + count
        progress.seconds += time.perf_counter() - started
        watch.between(progress)


def build_variables(model: keras.Model, lessons: Lessons) -> None:
    """Let optimizer, loss and metrics make their variables, which cannot be made within a compiled loop."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    first = lessons.train[:1]
    x, y = (keras.ops.convert_to_tensor(rows[first]) for rows in (lessons.x, lessons.y))
    outputs = model(x, training=False)
    model.compute_loss(x, y, outputs, training=False)
    model.compute_metrics(x, y, outputs)
    model.reset_metrics()


def _judge(model: keras.Model, steps: object, lessons: Lessons, progress: Progress, unit: float) -> Row:
    """Return the row of an epoch whose steps are done: its training metrics, and those of the validation side."""
    started = time.perf_counter()
    found = {**measured(model)}
    rate = float(model.optimizer.learning_rate)
    model.reset_metrics()
    for first in range(0, len(lessons.validation), VALIDATION_BATCH):
        chosen = lessons.validation[first : first + VALIDATION_BATCH]
        judged = steps.test((lessons.x[chosen], lessons.y[chosen]))
    found |= {f"val_{name}": value for name, value in judged.items()}
    found = {name: value * (unit if name.endswith("mae") else 1) for name, value in found.items()}
    seconds = progress.seconds + time.perf_counter() - started
    return {**found, "learning_rate": rate, "seconds": round(seconds, 4)}


@contextmanager
def _averages(model: keras.Model) -> Iterator[None]:
    """Let the model have the averages of its weights, where the optimizer keeps any."""
    swap = getattr(model.optimizer, "swap_averages", lambda: None)
    swap()
    yield
    swap()


def _remember(model: keras.Model, progress: Progress, row: Row, course: Course) -> None:
    """Count an epoch as done, and keep its weights where it is the best."""
    _check(row["val_loss"], row["epoch"], model, progress)
    progress.rows.append(row)
    progress.epoch, progress.step, progress.seconds = progress.epoch + 1, 0, 0.0
    progress.waited += 1
    if row["val_loss"] < progress.best_loss and not (course.to_the_end and _is_earlier(progress.best, course)):
        progress.best, progress.best_weights, progress.waited = row, model.get_weights(), 0


def _is_earlier(row: Row | None, course: Course) -> bool:
    """Whether an epoch is of a phase before this one."""
    return row is not None and row["epoch"] <= course.first_epoch


def _keep_the_end(model: keras.Model, progress: Progress, course: Course, num_validation: int) -> None:
    """Make the last epoch the best one, unless the phase began with clearly better weights."""
    last, best = progress.rows[-1], progress.best
    if not _is_earlier(best, course) or last["val_loss"] < best["val_loss"] or _stands(last, best, num_validation):
        with _averages(model):
            progress.best, progress.best_weights = last, model.get_weights()


def _stands(row: Row, best: Row, num_validation: int) -> bool:
    """Whether an epoch is as often right on the validation side as the best one, up to one standard error.

    The rule of one standard error: Breiman et al., Classification and Regression Trees, 1984, section 3.4.3. The loss
    of a few dozen examples tells how sure a network is rather than how often it is right.
    """
    if "val_accuracy" not in row:
        return False
    right = (row["val_accuracy"] + best["val_accuracy"]) / 2
    return best["val_accuracy"] - row["val_accuracy"] <= math.sqrt(right * (1 - right) / num_validation)


def _stalls(progress: Progress, patience: int) -> bool:
    return progress.epoch > 1 and progress.waited >= patience


def _watches_batches(callback: keras.callbacks.Callback) -> bool:
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name) for name in names)


def _check(loss: float, epoch: int, model: keras.Model, progress: Progress) -> None:
    if not math.isfinite(loss):
        raise Diverged(epoch, float(model.optimizer.learning_rate), progress)
