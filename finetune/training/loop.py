"""The loop: epochs of steps over rows in an order that depends on (seed, epoch) alone, until validation says stop."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import keras
import numpy as np

from finetune.training.head_fit import measured, steps_for
from finetune.training.mixing import Mixing
from finetune.training.schedules import Plateau
from zoo.errors import ConfigError

Row = dict[str, object]

# Rows of one call: enough that Python costs nothing beside the steps, little enough that memory stays flat.
_BYTES_A_CALL = 32_000_000
# A call should take about this long, so that progress shows and a signal is soon heard.
_SECONDS_A_CALL = 0.3
_FIRST_STEPS = 16
# Rows a step where nothing is learned: 1024 rows of 1280 features are 5 MB.
VALIDATION_BATCH = 1024


@dataclass(frozen=True)
class Lessons:
    """What is learned from.

    Attributes:
        x: (n, ...) rows by index: an array, a file that is mapped, or pictures decoded on demand.
        y: (n, ...) targets as the loss takes them.
        train: indices of the rows to learn from.
        validation: indices of the rows that pick the epoch.
        weights: (n,) float32 in the training loss; None where all count 1.
        mixing: makes training batches of two examples each.
    """

    x: np.ndarray
    y: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    weights: np.ndarray | None = None
    mixing: Mixing | None = None


@dataclass
class Progress:
    """Where a phase stands: with the variables of model, optimizer and metrics, all that a resumed phase needs.

    Attributes:
        epoch: epochs that are done.
        step: steps of the next epoch that are done.
        rows: of the history, one for each epoch done.
        best_loss: lowest validation loss so far; what a later epoch must beat.
        best_weights: of the model then; None before the first epoch.
        waited: epochs since then.
        seconds: that the epoch so far took.
        plateau: state of what lowers the learning rate, where it does.
    """

    epoch: int = 0
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    best_loss: float = math.inf
    best_weights: list[np.ndarray] | None = None
    waited: int = 0
    seconds: float = 0.0
    plateau: dict[str, float] | None = None


def order_of(num_examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the order of examples in an epoch (counted from 0): a permutation of range(num_examples)."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def train_phase(
    model: keras.Model,
    lessons: Lessons,
    *,
    batch_size: int,
    epochs: int,
    patience: int,
    seed: int,
    phase: str = "head",
    first_epoch: int = 0,
    unit: float = 1.0,
    begin: Callable[[], Progress] = Progress,
    plateau: Plateau | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_epoch: Callable[[Row], None] = lambda row: None,
    between: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train a compiled model until its validation loss stops falling; leave it with the weights of its best epoch.

    Args:
        model: compiled, from rows to what the loss takes. Which variables it may change is settled.
        lessons: what is learned from.
        batch_size: rows a step.
        epochs: most epochs of this phase.
        patience: epochs without a lower validation loss before it ends.
        seed: of the order of rows.
        phase: its name in the history.
        first_epoch: epochs that phases before it took; orders and the history count on from there.
        unit: what a mean absolute error is multiplied by for the history.
        begin: says where to begin; called when all variables are there, so that it can set them.
        plateau: lowers the learning rate of an optimizer of ours.
        callbacks: of Keras. One that watches batches is called for each of them, and slows training down.
        on_epoch: called with each row of the history.
        between: called every fraction of a second between two steps, for signals and checkpoints.

    Returns:
        The progress at the end; its rows have epoch from 1, phase, loss and metric, both with val_ before them,
        learning_rate, and seconds.

    Raises:
        ConfigError: the loss became NaN or infinite.
    """
    _build(model, lessons)
    progress = begin()
    if plateau and progress.plateau:
        plateau.restore(progress.plateau)
    steps = steps_for(model, batch_size=batch_size)
    judging = steps_for(model, batch_size=VALIDATION_BATCH)
    told = keras.callbacks.CallbackList([*callbacks], add_history=False, model=model, epochs=epochs)
    one_by_one = any(_watches_batches(callback) for callback in callbacks)
    told.on_train_begin()
    while progress.epoch < epochs and not _stalls(progress, patience) and not model.stop_training:
        epoch = first_epoch + progress.epoch
        order = lessons.train[order_of(len(lessons.train), seed=seed, epoch=epoch)]
        if progress.step == 0:
            model.reset_metrics()
            told.on_epoch_begin(epoch)
        for first, arrays, count in _calls(lessons, order, progress.step, batch_size, epoch, one_by_one):
            started = time.perf_counter()
            if one_by_one:
                told.on_train_batch_begin(first)
            steps.train(arrays)
            found = measured(model)
            if one_by_one:
                told.on_train_batch_end(first, found)
            _check(found["loss"], epoch, model)
            progress.step = first + count
            progress.seconds += time.perf_counter() - started
            between(progress)
        with _averages(model):
            row = {"epoch": epoch + 1, "phase": phase, **_judge(model, judging, lessons, progress, unit)}
            _remember(model, progress, row)
        if plateau:
            model.optimizer.scale_learning_rate(plateau.after_epoch(row["val_loss"]))
            progress.plateau = plateau.state()
        told.on_epoch_end(epoch, {name: value for name, value in row.items() if isinstance(value, float)})
        on_epoch(row)
        between(progress)
    if progress.best_weights is not None:
        model.set_weights(progress.best_weights)
    told.on_train_end()
    return progress


def _build(model: keras.Model, lessons: Lessons) -> None:
    """Let optimizer, loss and metrics make their variables, which cannot be made within a compiled loop."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    first = lessons.train[:1]
    x, y = (keras.ops.convert_to_tensor(rows[first]) for rows in (lessons.x, lessons.y))
    outputs = model(x, training=False)
    model.compute_loss(x, y, outputs, training=False)
    model.compute_metrics(x, y, outputs)
    model.reset_metrics()


def _calls(
    lessons: Lessons, order: np.ndarray, first: int, batch_size: int, epoch: int, one_by_one: bool
) -> Iterator[tuple[int, tuple[np.ndarray, ...], int]]:
    """Yield for each call its first step, its rows, and how many steps it has; the next rows are read meanwhile."""
    total = math.ceil(len(order) / batch_size)
    row_bytes = sum(rows[order[:1]].nbytes for rows in (lessons.x, lessons.y))
    most = 1 if one_by_one else max(1, _BYTES_A_CALL // max(1, row_bytes * batch_size))
    count = min(_FIRST_STEPS, most)
    with ThreadPoolExecutor(1, thread_name_prefix="rows") as reader:

        def read(first: int) -> tuple | None:
            last = min(first + count, total)
            ready = reader.submit(_rows, lessons, order, (first, last), batch_size, epoch)
            return (first, ready, last - first) if first < last else None

        coming = read(first)
        while coming:
            first, ready, taken = coming
            coming = read(first + taken)
            started = time.perf_counter()
            yield first, ready.result(), taken
            a_step = (time.perf_counter() - started) / taken
            count = int(np.clip(_SECONDS_A_CALL / a_step, 1, most))


def _rows(
    lessons: Lessons, order: np.ndarray, steps: tuple[int, int], batch_size: int, epoch: int
) -> tuple[np.ndarray, ...]:
    """Return the rows of some steps: (x, y) or (x, y, weights)."""
    chosen = order[steps[0] * batch_size : steps[1] * batch_size]
    x, y = lessons.x[chosen], lessons.y[chosen]
    if lessons.mixing:
        # each batch is mixed by itself, as what is drawn depends on its number
        mixed = [
            lessons.mixing(x[at : at + batch_size], y[at : at + batch_size], epoch=epoch, batch=number)
            for number, at in enumerate(range(0, len(x), batch_size), start=steps[0])
        ]
        x, y = (np.concatenate(parts) for parts in zip(*mixed, strict=True)) if mixed else (x, y)
    return (x, y) if lessons.weights is None else (x, y, lessons.weights[chosen])


def _judge(model: keras.Model, steps: object, lessons: Lessons, progress: Progress, unit: float) -> Row:
    """Return the row of an epoch whose steps are done: its training metrics, and those of the validation side."""
    started = time.perf_counter()
    found = measured(model)
    rate = float(model.optimizer.learning_rate)
    model.reset_metrics()
    for first in range(0, len(lessons.validation), VALIDATION_BATCH):
        chosen = lessons.validation[first : first + VALIDATION_BATCH]
        steps.test((lessons.x[chosen], lessons.y[chosen]))
    found |= {f"val_{name}": value for name, value in measured(model).items()}
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


def _remember(model: keras.Model, progress: Progress, row: Row) -> None:
    """Count an epoch as done, and keep its weights where it is the best."""
    _check(row["val_loss"], row["epoch"] - 1, model)
    progress.rows.append(row)
    progress.epoch, progress.step, progress.seconds = progress.epoch + 1, 0, 0.0
    progress.waited += 1
    if row["val_loss"] < progress.best_loss:
        progress.best_loss, progress.best_weights, progress.waited = row["val_loss"], model.get_weights(), 0


def _stalls(progress: Progress, patience: int) -> bool:
    return progress.epoch > 1 and progress.waited >= patience


def _watches_batches(callback: keras.callbacks.Callback) -> bool:
    names = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
    return any(getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name) for name in names)


def _check(loss: float, epoch: int, model: keras.Model) -> None:
    if not math.isfinite(loss):
        rate = float(model.optimizer.learning_rate)
        raise ConfigError(
            f"the loss is not finite any more in epoch {epoch + 1}; "
            f"lower learning_rate (now {rate:g}), for instance --set learning_rate={rate / 10:g}"
        )
