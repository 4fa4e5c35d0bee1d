"""Training: Keras' own loop, with an order of examples that depends on nothing but the seed and the epoch."""

import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.tasks import SHARES, Scale, Task
from finetune.training.mixing import Mixing
from zoo.errors import ConfigError

Row = dict[str, object]

# Rows a step where nothing is learned: 1024 rows of 1280 features are 5 MB.
VALIDATION_BATCH = 1024


class Rows(keras.utils.PyDataset):
    """Batches of chosen rows of arrays, which may lie on disk; in the order of `indices` until another is taken."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        indices: np.ndarray,
        *,
        batch_size: int,
        weights: np.ndarray | None = None,
        mixing: Mixing | None = None,
    ):
        super().__init__()
        self.x, self.y, self.indices, self.batch_size, self.weights = x, y, indices, batch_size, weights
        self.mixing, self.epoch = mixing, 0

    def __len__(self) -> int:
        return math.ceil(len(self.indices) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen = self.indices[index * self.batch_size : (index + 1) * self.batch_size]
        rows = (self.x[chosen], self.y[chosen])
        if self.mixing:
            rows = self.mixing(*rows, epoch=self.epoch, batch=index)
        return rows if self.weights is None else (*rows, self.weights[chosen])


class EpochOrder(keras.callbacks.Callback):
    """Shuffles rows anew in each epoch, as a pure function of (seed, epoch).

    A callback, because Keras also calls a dataset's own `on_epoch_end` once before the first epoch.
    """

    def __init__(self, rows: Rows, *, seed: int):
        super().__init__()
        self.rows, self.seed, self.indices = rows, seed, rows.indices

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take the order of the epoch that Keras counts, from 0."""
        self.rows.epoch = epoch
        self.rows.indices = self.indices[order_of(len(self.indices), seed=self.seed, epoch=epoch)]


def order_of(num_examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the order of examples in an epoch (counted from 0): a permutation of range(num_examples)."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


class _History(keras.callbacks.Callback):
    """Collects a row for each epoch and stops at a loss that is not finite."""

    def __init__(self, phase: str, on_epoch: Callable[[Row], None], unit: float):
        super().__init__()
        self.phase, self.on_epoch, self.unit, self.rows = phase, on_epoch, unit, []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        measured = {name: float(value) * (self.unit if name.endswith("mae") else 1) for name, value in logs.items()}
        rate = float(self.model.optimizer.learning_rate)
        seconds = round(time.perf_counter() - self.started, 4)
        row = {"epoch": epoch + 1, "phase": self.phase, **measured, "learning_rate": rate, "seconds": seconds}
        if not all(math.isfinite(value) for value in measured.values()):
            raise ConfigError(
                f"the loss is not finite any more in epoch {epoch + 1}; "
                f"lower learning_rate (now {rate:g}), for instance --set learning_rate={rate / 10:g}"
            )
        self.rows.append(row)
        self.on_epoch(row)


def fit_head(
    head: keras.Model,
    features: np.ndarray,
    values: np.ndarray,
    *,
    task: Task,
    sides: Mapping[str, np.ndarray],
    config: FinetuneConfig,
    on_epoch: Callable[[Row], None],
    scale: Scale | None = None,
    weights: np.ndarray | None = None,
    mixing: Mixing | None = None,
) -> list[Row]:
    """Train a head on features until the validation loss stops falling; leaves it with the weights of its best epoch.

    Args:
        head: features to logits.
        features: (n, ...) float32 of all examples; only the rows at hand are read into memory.
        values: targets of all examples, as the task takes them.
        task: gives the loss and the metric.
        sides: indices of the examples to learn from ("train") and of those that pick the epoch ("validation").
        config: epochs, patience, batch_size, learning_rate and seed of the order of examples.
        on_epoch: called with each row of the history.
        scale: of targets that are numbers: the loss is of standardized targets, the mean absolute error in their units
            (of several outputs, in the mean of their standard deviations).
        weights: (n,) float32, of the examples in the training loss.
        mixing: makes training batches of two pictures each; classes become shares of classes then.

    Returns:
        The history: epoch from 1, phase, loss, accuracy or mae, val_loss, val_accuracy or val_mae, learning_rate,
        seconds.

    Raises:
        ConfigError: the loss became NaN or infinite.
    """
    targets = scale.standard(values) if scale else values
    if mixing and task.name == "classification":
        targets, task = np.eye(head.output_shape[-1], dtype="float32")[values], SHARES
    head.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=task.loss(),
        metrics=[task.metric()],
        jit_compile=False,
    )
    history = _History("head", on_epoch, unit=float(scale.std.mean()) if scale else 1.0)
    stop = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=config.patience, restore_best_weights=True)
    rows = Rows(features, targets, sides["train"], batch_size=config.batch_size, weights=weights, mixing=mixing)
    head.fit(
        rows,
        validation_data=Rows(features, targets, sides["validation"], batch_size=VALIDATION_BATCH),
        epochs=config.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[EpochOrder(rows, seed=config.seed), history, stop],
    )
    return history.rows
