"""Training: Keras' own loop, with an order of examples that depends on nothing but the seed and the epoch."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np

from finetune.config import FinetuneConfig
from zoo.errors import ConfigError

Row = dict[str, object]


class EpochOrder(keras.utils.PyDataset):
    """Batches of arrays in memory, in an order that is a pure function of (seed, epoch)."""

    def __init__(self, x: np.ndarray, y: np.ndarray, *, batch_size: int, seed: int):
        super().__init__()
        self.x, self.y, self.batch_size, self.seed = x, y, batch_size, seed
        self.start(0)

    def start(self, epoch: int) -> None:
        """Take the order of an epoch, counted from 0."""
        self.order = order_of(len(self.x), seed=self.seed, epoch=epoch)

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.x[chosen], self.y[chosen]


class TakeOrder(keras.callbacks.Callback):
    """Tells the batches which epoch begins. Keras' own `on_epoch_end` also runs once before the first epoch."""

    def __init__(self, batches: EpochOrder):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Take the order of the epoch that Keras counts."""
        self.batches.start(epoch)


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
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    config: FinetuneConfig,
    on_epoch: Callable[[Row], None],
) -> list[Row]:
    """Train a head on features until the validation loss stops falling; leaves it with the weights of its best epoch.

    Args:
        head: features to logits.
        train: features (n, channels) float32 and labels (n,) int.
        validation: the same for the examples that pick the epoch.
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
    batches = EpochOrder(*train, batch_size=config.batch_size, seed=config.seed)
    head.fit(
        batches,
        validation_data=validation,
        validation_batch_size=1024,
        epochs=config.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[TakeOrder(batches), history, stop],
    )
    return history.rows
