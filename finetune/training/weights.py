"""How much each example counts in the loss: by a column of weights, by the size of its class, or both."""

from collections.abc import Sequence

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.targets import Target
from zoo.errors import ConfigError, DataError


def example_weights(
    config: FinetuneConfig, target: Target, train: np.ndarray, given: Sequence[float] | np.ndarray | None
) -> np.ndarray | None:
    """Return the weights (n,) float32 of all examples, of mean 1 over the training side; None where all count the same.

    "balanced" divides by the size of the class, as scikit-learn does: n / (classes * count).

    Args:
        config: class_weights.
        target: of all examples.
        train: indices of the training side, whose classes are counted.
        given: a weight for each example; None or empty for none.

    Raises:
        ConfigError: class weights for a target that is no class.
        DataError: the weights of the training side are all 0.
    """
    weights = np.ones(len(target), "float64") if given is None or not len(given) else np.asarray(given, "float64")
    if config.class_weights == "balanced":
        if target.task != "classification":
            raise ConfigError(f"class_weights=balanced needs classes; the task is {target.task}")
        counts = np.bincount(target.values[train], minlength=len(target.names))
        weights = weights * (len(train) / (len(counts) * np.maximum(counts, 1)))[target.values]
    require_weights(weights, train)
    if (weights == weights[0]).all():
        return None
    return (weights / weights[train].mean()).astype("float32")


def require_weights(given: Sequence[float] | np.ndarray | None, train: Sequence[int] | np.ndarray) -> None:
    """Refuse weights that leave nothing to learn.

    Raises:
        DataError: all weights of the training side are 0.
    """
    if given is not None and len(given) and not np.asarray(given)[np.asarray(train)].any():
        raise DataError(
            f"all {len(train):,} weights of the training side are 0, so nothing would be learned. Give weights to its "
            f"examples, or deal the sides otherwise."
        )
