"""Losses by name: Keras' own where it has them, and focal, quantile and smoothed ones that it lacks."""

import keras

from finetune.config import FinetuneConfig
from finetune.tasks import SHARES, Task
from zoo.errors import ConfigError

CLASS_LOSSES, NUMBER_LOSSES = ("crossentropy", "focal"), ("mse", "mae", "huber", "quantile")


def make_loss(config: FinetuneConfig, task: Task) -> keras.losses.Loss:
    """Return what a model learns by: a mean over the batch, from logits where there are classes or labels.

    Args:
        config: loss, label_smoothing, focal_gamma, huber_delta, quantile.
        task: of `tasks.py`. Targets are class numbers (batch,) for classification, shares (batch, classes) for SHARES,
            0 and 1 (batch, labels) for multi_label, and numbers (batch, outputs) otherwise, of mean 0 and standard
            deviation 1.

    Raises:
        ConfigError: the loss, or a label smoothing, is none of the task's.

    Example:
        >>> loss = make_loss(make_config({"loss": "focal"}), TASKS["classification"])
        >>> loss([2], [[0.1, 0.2, 0.9]], sample_weight=[2.0])
    """
    accepted = CLASS_LOSSES if task.activation else NUMBER_LOSSES
    name = accepted[0] if config.loss == "auto" else config.loss
    if name not in accepted:
        raise ConfigError(f"loss={name} is none of {task.name}, which accepts {', '.join(accepted)} and auto")
    if config.label_smoothing and not task.activation:
        raise ConfigError(
            f"label_smoothing={config.label_smoothing:g} needs classes or labels; the task is {task.name}"
        )
    return _class_loss(config, task, name) if task.activation else _number_loss(config, name)


def _number_loss(config: FinetuneConfig, name: str) -> keras.losses.Loss:
    if name == "huber":
        return keras.losses.Huber(delta=config.huber_delta)
    if name == "quantile":
        return Quantile(config.quantile)
    return keras.losses.MeanAbsoluteError() if name == "mae" else keras.losses.MeanSquaredError()


def _class_loss(config: FinetuneConfig, task: Task, name: str) -> keras.losses.Loss:
    smoothing = config.label_smoothing
    if name == "focal":
        kind = FocalLabels if task.activation == "sigmoid" else FocalClasses
        return kind(config.focal_gamma, label_smoothing=smoothing)
    if task.activation == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)
    if task == SHARES:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    # focal with gamma 0 is cross-entropy; Keras' own smooths targets only where they are shares already
    return FocalClasses(0.0, label_smoothing=smoothing) if smoothing else task.loss()


@keras.saving.register_keras_serializable(package="keras_graft")
class FocalClasses(keras.losses.Loss):
    """Sum over classes of y (1 - p)^gamma (-log p), p the softmax of logits.

    Lin et al. 2017 (https://arxiv.org/abs/1708.02002), without its weight alpha, which is the matter of class weights.
    Keras' CategoricalFocalCrossentropy goes through clipped probabilities, where a wrong logit of 20 has no gradient.

    Args:
        gamma: 0 for cross-entropy.
        label_smoothing: share of the targets that is spread over all classes.
    """

    def __init__(self, gamma: float, *, label_smoothing: float = 0.0, name: str = "focal", **settings: object):
        super().__init__(name=name, **settings)
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def call(self, y_true: object, y_pred: object) -> object:
        """Return the losses (batch,) for class numbers (batch,) or (batch, 1), or shares (batch, classes)."""
        classes = y_pred.shape[-1]
        if len(y_true.shape) < 2 or y_true.shape[-1] != classes:
            y_true = keras.ops.one_hot(keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,)), classes)
        targets = keras.ops.cast(y_true, y_pred.dtype) * (1 - self.label_smoothing) + self.label_smoothing / classes
        logs = keras.ops.log_softmax(y_pred)
        if not self.gamma:
            return -keras.ops.sum(targets * logs, axis=-1)
        # 1 - p without cancellation; never 0, where a power under 1 has no finite gradient
        missing = keras.ops.maximum(-keras.ops.expm1(logs), keras.config.epsilon())
        return -keras.ops.sum(targets * keras.ops.power(missing, self.gamma) * logs, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"gamma": self.gamma, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_graft")
class FocalLabels(keras.losses.Loss):
    """Mean over labels of y (1 - p)^gamma (-log p) + (1 - y) p^gamma (-log(1 - p)), p the sigmoid of logits.

    As `FocalClasses`. Smoothed targets are y (1 - s) + s / 2, as in Keras' BinaryCrossentropy.
    """

    def __init__(self, gamma: float, *, label_smoothing: float = 0.0, name: str = "focal", **settings: object):
        super().__init__(name=name, **settings)
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def call(self, y_true: object, y_pred: object) -> object:
        """Return the losses (batch,) for labels (batch, labels)."""
        targets = keras.ops.cast(y_true, y_pred.dtype) * (1 - self.label_smoothing) + self.label_smoothing / 2
        # -log p and -log(1 - p)
        present, absent = keras.ops.softplus(-y_pred), keras.ops.softplus(y_pred)
        losses = targets * keras.ops.exp(-self.gamma * absent) * present
        losses += (1 - targets) * keras.ops.exp(-self.gamma * present) * absent
        return keras.ops.mean(losses, axis=-1)

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"gamma": self.gamma, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_graft")
class Quantile(keras.losses.Loss):
    """Mean over outputs of max(q e, (q - 1) e), e the target less the output: the pinball loss.

    Koenker & Bassett 1978 (https://doi.org/10.2307/1913643). Its least mean is at the quantile q of the target.
    """

    def __init__(self, quantile: float, *, name: str = "quantile", **settings: object):
        super().__init__(name=name, **settings)
        self.quantile = quantile

    def call(self, y_true: object, y_pred: object) -> object:
        """Return the losses (batch,) for numbers (batch, outputs)."""
        error = keras.ops.cast(y_true, y_pred.dtype) - y_pred
        return keras.ops.mean(keras.ops.maximum(self.quantile * error, (self.quantile - 1) * error), axis=-1)

    def get_config(self) -> dict:
        """Return the arguments."""
        return super().get_config() | {"quantile": self.quantile}
