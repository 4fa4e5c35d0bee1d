"""How good predicted numbers are, against guesses that need no model."""

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

_CONFIDENCE = 0.95


def brief_metrics(values: np.ndarray, predicted: np.ndarray) -> dict[str, object]:
    """Return the mean absolute error, the root of the mean squared error, and R².

    Args:
        values: (n, outputs) float, what is true, in its own units.
        predicted: (n, outputs) float.

    Returns:
        num_examples, loss (mean squared error), mae, rmse, and r2 (of several outputs the mean); r2 is None where all
        true values of an output are equal or there is one example only, for then it is not defined.
    """
    squared = float(mean_squared_error(values, predicted))
    defined = len(values) > 1 and bool((values != values[0]).any(axis=0).all())
    return {
        "num_examples": len(values),
        "loss": squared,
        "mae": float(mean_absolute_error(values, predicted)),
        "rmse": math.sqrt(squared),
        "r2": float(r2_score(values, predicted)) if defined else None,
    }


def number_metrics(values: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> dict[str, object]:
    """Return everything that a report says of predicted numbers on one set of examples.

    Args:
        values: (n, outputs) float.
        predicted: (n, outputs) float.
        names: of the outputs.

    Returns:
        `brief_metrics`, the 95 % interval of the mean absolute error (Student's t over the examples), the bias (mean of
        predicted less true), and for several outputs the brief metrics of each.
    """
    errors = np.abs(predicted - values).mean(axis=1, dtype="float64")
    each = {name: brief_metrics(values[:, [at]], predicted[:, [at]]) for at, name in enumerate(names) if len(names) > 1}
    return {
        **brief_metrics(values, predicted),
        "mae_interval": _interval(errors),
        "bias": float((predicted - values).mean(dtype="float64")),
        **({"per_output": each} if each else {}),
    }


def baselines(values: np.ndarray, guesses: Mapping[str, np.ndarray]) -> list[dict[str, object]]:
    """Return how far guesses are off, the best first.

    Args:
        values: (n, outputs) float, what is true.
        guesses: name of a rule to its answers, (n, outputs) or anything that broadcasts to it.
    """
    found = []
    for name, guess in guesses.items():
        scores = brief_metrics(values, np.broadcast_to(guess, values.shape))
        found.append({"name": name, "mae": scores["mae"], "rmse": scores["rmse"]})
    return sorted(found, key=lambda baseline: baseline["mae"])


def _interval(errors: np.ndarray) -> list[float] | None:
    spread = errors.std(ddof=1) / math.sqrt(len(errors)) if len(errors) > 1 else math.nan
    if not spread > 0:
        return None
    reach = float(stats.t.ppf((1 + _CONFIDENCE) / 2, len(errors) - 1) * spread)
    return [max(0.0, float(errors.mean()) - reach), float(errors.mean()) + reach]
