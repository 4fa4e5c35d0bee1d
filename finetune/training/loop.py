"""The loop: epochs of steps over rows in an order that depends on (seed, epoch) alone, until validation says stop."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import keras

from finetune.training.epochs import Course, Progress, Row, is_over, keep_the_end, remember, require_finite
from finetune.training.gradients import take_norms
from finetune.training.head_fit import measured, steps_for
from finetune.training.lessons import Lessons, Pace, calls, order_of
from finetune.training.schedules import Plateau

# Rows a step where nothing is learned: 1024 rows of 1280 features are 5 MB.
VALIDATION_BATCH = 1024


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
    lessons, pace = steps.hold(lessons), Pace()
    told = keras.callbacks.CallbackList([*watch.callbacks], add_history=False, model=model, epochs=course.epochs)
    told.on_train_begin()
    while not is_over(progress, course) and not model.stop_training:
        epoch = course.first_epoch + progress.epoch
        _learn(model, steps, lessons, progress, course, pace=pace, told=told, watch=watch)
        with _averages(model):
            row = {"epoch": epoch + 1, "phase": course.phase, **_judge(model, steps, lessons, progress, course.unit)}
            row |= take_norms(model.optimizer)
            require_finite(row["val_loss"], row["epoch"], lambda: _rate(model), progress)
            remember(progress, row, course, model.get_weights)
        if plateau:
            model.optimizer.scale_learning_rate(plateau.after_epoch(row["val_loss"]))
            progress.plateau = plateau.state()
        told.on_epoch_end(epoch, {name: value for name, value in row.items() if isinstance(value, float)})
        watch.on_epoch(row)
        watch.between(progress)
    if course.to_the_end:
        with _averages(model):
            keep_the_end(progress, course, len(lessons.validation), model.get_weights)
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
    pace: Pace,
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
    how = {"one_by_one": one_by_one, "pace": pace}
    for first, arrays, count in calls(lessons, order, progress.step, course.batch_size, epoch, **how):
        started = time.perf_counter()
        if one_by_one:
            told.on_train_batch_begin(first)
        found = steps.train(arrays)
        if one_by_one:
            told.on_train_batch_end(first, found)
        require_finite(found["loss"], epoch + 1, lambda: _rate(model), progress)
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
    rate = _rate(model)
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


def _watches_batches(callback: keras.callbacks.Callback) -> bool:
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name) for name in names)


def _rate(model: keras.Model) -> float:
    return float(model.optimizer.learning_rate)
