"""Training: Keras' own loop, with an order of examples that depends on nothing but the seed and the epoch."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np

from finetune.config import FinetuneConfig
from zoo.errors import ConfigError

Row = dict[str, object]

# Rows a step where nothing is learned: 1024 rows of 1280 features are 5 MB.
VALIDATION_BATCH = 1024


class Rows(keras.utils.PyDataset):
    """Batches of chosen rows of arrays, which may lie on disk; in the order of `indices` until another is taken."""

    def __init__(self, x: np.ndarray, y: np.ndarray, indices: np.ndarray, *, batch_size: int):
        super().__init__()
        self.x, self.y, self.indices, self.batch_size = x, y, indices, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.indices) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.indices[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]


class EpochOrder(keras.callbacks.Callback):
    """Shuffles rows anew in each epoch, as a pure function of (seed, epoch).

    A callback, because Keras also calls a dataset's own `on_epoch_end` once before the first epoch.
    """

    def __init__(self, rows: Rows, *, seed: int):
        super().__init__()
        self.rows, self.seed, self.indices = rows, seed, rows.indices

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take the order of the epoch that Keras counts, from 0."""
        self.rows.indices = self.indices[order_of(len(self.indices), seed=self.seed, epoch=epoch)]


def order_of(num_examples: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the order of examples in an epoch (counted from 0): a permutation of range(num_examples)."""
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


class _History(keras.callbacks.Callback):
    """Collects a row for each epoch and stops at a loss that is not finite."""

    def __init__(self, phase: str, on_epoch: Callable[[Row], None]):
        super().__init__()
        self.phase, self.on_epoch, self.rows = phase, on_epoch, []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        measured = {name: float(value) for name, value in logs.items()}
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
    labels: np.ndarray,
    *,
    train: np.ndarray,
    validation: np.ndarray,
    config: FinetuneConfig,
    on_epoch: Callable[[Row], None],
) -> list[Row]:
    """Train a head on features until the validation loss stops falling; leaves it with the weights of its best epoch.

    Args:
        head: features to logits.
        features: (n, channels) float32 of all examples; only the rows at hand are read into memory.
        labels: (n,) int of all examples.
        train: indices of the examples to learn from.
        validation: indices of the examples that pick the epoch.
        config: epochs, patience, batch_size, learning_rate and seed of the order of examples.
        on_epoch: called with each row of the history.

    Returns:
        The history: epoch from 1, phase, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.

    Raises:
        ConfigError: the loss became NaN or infinite.
    """
    head.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=False,
    )
    history = _History("head", on_epoch)
    stop = keras.callbacks.EarlyStopping("val_loss", mode="min", patience=config.patience, restore_best_weights=True)
    rows = Rows(features, labels, train, batch_size=config.batch_size)
    head.fit(
        rows,
        validation_data=Rows(features, labels, validation, batch_size=VALIDATION_BATCH),
        epochs=config.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[EpochOrder(rows, seed=config.seed), history, stop],
    )
    return history.rows
