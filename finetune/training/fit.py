"""Training a head: loss, optimizer and metric for the task, then epochs until validation says stop."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.tasks import SHARES, Scale, Task
from finetune.training.loop import Lessons, Row, train_phase
from finetune.training.mixing import Mixing


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
    lessons = Lessons(features, targets, sides["train"], sides["validation"], weights, mixing)
    progress = train_phase(
        head,
        lessons,
        batch_size=config.batch_size,
        epochs=config.epochs,
        patience=config.patience,
        seed=config.seed,
        unit=float(scale.std.mean()) if scale else 1.0,
        on_epoch=on_epoch,
    )
    return progress.rows
