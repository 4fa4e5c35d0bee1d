"""Tasks: what a model's outputs mean, what it learns by, and what people read of its progress; a row each."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import keras
import numpy as np

OUTPUT_LAYER = "outputs"


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as in config and metrics.json.
        activation: from logits to the saved model's probabilities; None where the outputs are numbers.
        loss: makes what is minimised, from logits where there are probabilities.
        metric: makes what stands beside the loss in the history.
    """

    name: str
    activation: str | None
    loss: Callable[[], keras.losses.Loss]
    metric: Callable[[], keras.metrics.Metric]


TASKS = MappingProxyType(
    {
        task.name: task
        for task in (
            Task(
                "classification",
                "softmax",
                lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                lambda: keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
            ),
            Task(
                "multi_label",
                "sigmoid",
                lambda: keras.losses.BinaryCrossentropy(from_logits=True),
                # a logit of 0 is a probability of one half
                lambda: keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0),
            ),
            Task("regression", None, keras.losses.MeanSquaredError, lambda: keras.metrics.MeanAbsoluteError("mae")),
            Task("forecasting", None, keras.losses.MeanSquaredError, lambda: keras.metrics.MeanAbsoluteError("mae")),
        )
    }
)

# Classification by shares of classes, as mixed pictures have them.
SHARES = Task(
    "classification",
    "softmax",
    lambda: keras.losses.CategoricalCrossentropy(from_logits=True),
    lambda: keras.metrics.CategoricalAccuracy(name="accuracy"),
)


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each output on the training side; a network learns numbers around 0 best.

    Attributes:
        mean: (outputs,) float32, in units of the target.
        std: (outputs,) float32, positive.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        """Return the scale of targets (n, outputs); a constant output is divided by 1."""
        std = values.std(axis=0, dtype="float64")
        return cls(values.mean(axis=0, dtype="float64").astype("float32"), np.where(std > 0, std, 1).astype("float32"))

    def standard(self, values: np.ndarray) -> np.ndarray:
        """Return targets (n, outputs) around 0, float32."""
        return ((values - self.mean) / self.std).astype("float32")

    def natural(self, values: np.ndarray) -> np.ndarray:
        """Return what `standard` was given."""
        return values * self.std + self.mean


def finish(logits: keras.KerasTensor, task: Task, scale: Scale | None) -> keras.KerasTensor:
    """Return a saved model's outputs from its head's: probabilities, or numbers in the target's own units."""
    if task.activation:
        # float32 whatever the policy: probabilities in half precision do not sum to 1
        return keras.layers.Activation(task.activation, dtype="float32", name="probabilities")(logits)
    return keras.layers.Rescaling(scale.std.tolist(), scale.mean.tolist(), dtype="float32", name=OUTPUT_LAYER)(logits)


def outputs_of(logits: np.ndarray, task: Task, scale: Scale | None) -> np.ndarray:
    """Return, for logits (n, outputs) of a head alone, what `finish` makes of them."""
    if task.activation == "softmax":
        return np.asarray(keras.ops.softmax(logits))
    return np.asarray(keras.ops.sigmoid(logits)) if task.activation else scale.natural(logits)
