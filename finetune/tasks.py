"""Tasks: what a model's outputs mean, what it learns by, and what people read of its progress; a row each."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import keras
import numpy as np

from zoo.scaling import Unstandardize

OUTPUT_LAYER = "outputs"
# A saved model answers in 32 bits where the mean is at most so many deviations from 0: that rounds by 1e-5 of one.
_FAR = 100
# Deviations of which 32 bits hold all digits.
_PLAIN = (1e-30, 1e30)
# What varies by less is one number, but for the rounding of sums of 64-bit numbers.
ROUNDING = 1e-12


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
        mean: (outputs,) float64, in units of the target.
        std: (outputs,) float64, positive.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        """Return the scale of targets (n, outputs); a constant output is divided by 1."""
        mean, std = mean_and_deviation(values)
        return cls(mean, np.where(std > 0, std, 1.0))

    def standard(self, values: np.ndarray) -> np.ndarray:
        """Return targets (n, outputs) around 0, float32."""
        return ((values - self.mean) / self.std).astype("float32")

    def natural(self, values: np.ndarray) -> np.ndarray:
        """Return what `standard` was given, float64."""
        return values * self.std + self.mean

    @property
    def fits_32_bits(self) -> bool:
        """Whether outputs in the target's own units lose nothing in 32 bits that the spread of the target shows."""
        low, high = _PLAIN
        return bool(((np.abs(self.mean) <= _FAR * self.std) & (self.std > low) & (self.std < high)).all())


def mean_and_deviation(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of each column of (n, columns), float64; 0 for a constant column.

    Numbers of any size are squared within the range of 64 bits.
    """
    values = values.astype("float64")
    mean = values.mean(axis=0)
    centred = values - mean
    unit = np.maximum(np.abs(centred).max(axis=0), np.finfo("float64").tiny)
    std = unit * (centred / unit).std(axis=0)
    return mean, np.where(std > ROUNDING * np.abs(mean), std, 0.0)


def finish(logits: keras.KerasTensor, task: Task, scale: Scale | None) -> keras.KerasTensor:
    """Return a saved model's outputs from its head's: probabilities, or numbers in the target's own units."""
    if task.activation:
        # float32 whatever the policy: probabilities in half precision do not sum to 1
        return keras.layers.Activation(task.activation, dtype="float32", name="probabilities")(logits)
    mean, std = scale.mean.tolist(), scale.std.tolist()
    if scale.fits_32_bits:
        return keras.layers.Rescaling(std, mean, dtype="float32", name=OUTPUT_LAYER)(logits)
    return Unstandardize(mean, std, name=OUTPUT_LAYER)(logits)


def outputs_of(logits: np.ndarray, task: Task, scale: Scale | None) -> np.ndarray:
    """Return, for logits (n, outputs) of a head alone, what `finish` makes of them."""
    if task.activation == "softmax":
        return np.asarray(keras.ops.softmax(logits))
    return np.asarray(keras.ops.sigmoid(logits)) if task.activation else scale.natural(logits)
