"""Outputs by task, and whether a loss suits them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import keras

from zoo.errors import ConfigError
from zoo.head import LOGITS_LAYER
from zoo.sequential import arguments
from zoo.sequential.layers import layer_seed, penalty

PROBABILITIES_LAYER = "probabilities"
# Task to the activation of its output.
TASKS = MappingProxyType(
    {"binary": "sigmoid", "classification": "softmax", "multi_label": "sigmoid", "regression": "linear"}
)
# Task to the argument that counts its outputs, and the fewest there can be: softmax over one class is always 1.
_COUNTED_BY = MappingProxyType(
    {"classification": ("num_classes", 2), "multi_label": ("num_classes", 1), "regression": ("num_outputs", 1)}
)


@dataclass(frozen=True)
class Output:
    """What a model answers; checked when it is made.

    Attributes:
        task: one of TASKS.
        num_classes: classes or labels; None for the other tasks.
        num_outputs: numbers that regression predicts, None for 1 and for the other tasks.
        activation: "auto" or its name for that of the task, None for the values before it.
    """

    task: str
    num_classes: int | None = None
    num_outputs: int | None = None
    activation: str | None = "auto"

    def __post_init__(self) -> None:
        """Refuse counts and activations that do not go with the task."""
        arguments.one_of("task", self.task, TASKS)
        counted_by, least = _COUNTED_BY.get(self.task, (None, 1))
        for argument in ("num_classes", "num_outputs"):
            count = getattr(self, argument)
            if argument == counted_by and not (count is None and self.task == "regression"):
                _check_count(argument, count, self.task, least)
            elif argument != counted_by and count is not None:
                _refuse_count(argument, count, self.task)
        _check_activation(self.activation, self.task)

    @property
    def units(self) -> int:
        """Number of outputs."""
        return int(self.num_classes or self.num_outputs or 1)


def output_layers(output: Output, *, l2: float = 0.0, seed: int | None = None) -> list[keras.Layer]:
    """Return the layer of logits and, unless left out or linear, its activation as a layer of its own.

    Both compute in float32 whatever the policy: in half precision a regression loses digits, and probabilities do not
    sum to 1.
    """
    name = TASKS[output.task]
    logits = keras.layers.Dense(
        output.units,
        kernel_initializer=keras.initializers.GlorotUniform(layer_seed(seed, LOGITS_LAYER)),
        kernel_regularizer=penalty(l2),
        dtype="float32",
        name=LOGITS_LAYER,
    )
    if output.activation is None or name == "linear":
        return [logits]
    return [logits, keras.layers.Activation(name, dtype="float32", name=PROBABILITIES_LAYER)]


def check_loss(output: keras.Model | str | None, loss: str | keras.losses.Loss | Callable) -> None:
    """Warn when squared error is to be minimised through a sigmoid or a softmax.

    The gradient of squared error (p - y)² in the logit is 2 (p - y) p (1 - p), near 0 where the model is sure, be it
    right or wrong; that of cross-entropy is p - y.

    Args:
        output: model whose last layer counts, or "sigmoid", "softmax" or "linear", or None for logits.
        loss: name, instance or function as `compile` takes it.

    Raises:
        ConfigError: there is no such loss or output.

    Example:
        >>> check_loss("sigmoid", "binary_crossentropy")
    """
    squared_error = _is_squared_error(loss)
    if isinstance(output, keras.Model):
        activation = _activation_of(output.layers[-1])
    else:
        activation = arguments.one_of("output", output or "linear", dict.fromkeys(TASKS.values()))
    if squared_error and activation in ("sigmoid", "softmax"):
        better = "binary_crossentropy" if activation == "sigmoid" else "categorical_crossentropy"
        warnings.warn(
            f"squared error on a {activation} output: its gradient vanishes near 0 and 1, so confident mistakes are "
            f"hardly corrected. Use {better}, or a linear output for numbers.",
            UserWarning,
            stacklevel=2,
        )


def _check_count(argument: str, count: object, task: str, least: int) -> None:
    if count is None:
        raise ConfigError(
            f"{argument} must be a whole number of at least {least} for task='{task}'; received None. "
            "For two classes there is also task='binary', for predicting numbers task='regression'."
        )
    if arguments.positive(argument, count) < least:
        raise ConfigError(
            f"{argument} must be at least {least} for task='{task}'; received {count}. Softmax over one class is "
            "always 1: for yes or no use task='binary'."
        )


def _refuse_count(argument: str, count: object, task: str) -> None:
    has = "has one output" if task == "binary" else f"is counted by {_COUNTED_BY[task][0]}"
    raise ConfigError(f"{argument} must be left out for task='{task}', which {has}; received {count!r}.")


def _check_activation(activation: object, task: str) -> None:
    accepted = ("auto", TASKS[task])
    if activation is None or activation in accepted:
        return
    dead = " Where relu gives 0 it has no gradient, so an output that is wrongly 0 would stay there."
    reason = dead if activation == "relu" else ""
    raise ConfigError(
        f"output_activation must be 'auto', '{TASKS[task]}' or None (logits) for task='{task}'; "
        f"received {activation!r}.{reason}"
    )


def _activation_of(layer: keras.Layer) -> str:
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def _is_squared_error(loss: str | keras.losses.Loss | Callable) -> bool:
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            raise ConfigError(f"loss must be the name of a Keras loss; received {loss!r}.") from None
    return isinstance(loss, keras.losses.MeanSquaredError) or loss is keras.losses.mean_squared_error
