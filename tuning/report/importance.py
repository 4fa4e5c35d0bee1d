"""How much of the scores' variance each hyperparameter explains: fANOVA by a random forest.

Hutter, Hoos and Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance (ICML 2014): the variance
of the marginal of one hyperparameter, all others averaged out, over the variance of the whole prediction. The averages
are taken over drawn combinations instead of the trees' leaves, which comes to the same up to noise.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from tuning.trial import Trial

# Fewer trials than this tell nothing of what made a difference.
MIN_TRIALS = 8
_TREES, _OTHERS, _POINTS = 64, 128, 16


def importances(trials: Sequence[Trial]) -> dict[str, float]:
    """Return for each hyperparameter that varies the share of variance that it explains alone, the largest first.

    Args:
        trials: with scores.

    Returns:
        Shares in [0, 1], which sum to at most about 1; nothing where there are too few trials, or all scores are equal.
    """
    scored = [trial for trial in trials if trial.score is not None]
    names = varying(scored)
    ranks = np.argsort(np.argsort([trial.score for trial in scored], kind="stable"), kind="stable").astype(float)
    if len(scored) < MIN_TRIALS or not names or len({trial.score for trial in scored}) < 2:
        return {}
    x = np.column_stack([coded(scored, name)[0] for name in names])
    # ranks: a few trials that went wrong by far would otherwise explain all
    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=0).fit(x, ranks)
    generator = np.random.default_rng(0)
    others = x[generator.integers(len(x), size=_OTHERS)]
    total = forest.predict(_mixed(x, generator)).var()
    found = {name: _variance(forest, x[:, at], others, at) / total if total else 0.0 for at, name in enumerate(names)}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def varying(trials: Sequence[Trial]) -> list[str]:
    """Return the hyperparameters that have more than one value, in the order in which they were met."""
    names = dict.fromkeys(name for trial in trials for name in trial.proposal.values)
    return [name for name in names if len({repr(trial.proposal.values.get(name)) for trial in trials}) > 1]


def coded(trials: Sequence[Trial], name: str) -> tuple[np.ndarray, list[str] | None]:
    """Return a hyperparameter of each trial as a number, with the names that the numbers stand for.

    Numbers over more than two powers of ten are taken by their logarithm, with 0 one power below the smallest. A
    hyperparameter that is not active counts as -1 of names, and lies a little under the smallest number.

    Returns:
        (n,) float64, and names of 0, 1, …; None for numbers.
    """
    values = [trial.proposal.values.get(name) for trial in trials]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < sum(value is not None for value in values) or not numbers:
        names = sorted({str(value) for value in values if value is not None})
        return np.array([-1.0 if value is None else names.index(str(value)) for value in values]), names
    change = _on_scale(numbers)
    low, high = change(min(numbers)), change(max(numbers))
    missing = low - 0.1 * (high - low or 1)
    return np.array([missing if value is None else change(value) for value in values]), None


def _on_scale(numbers: Sequence[float]) -> Callable[[float], float]:
    """Return what takes a number to where it is drawn: by its logarithm where they are wide, with 0 below them all."""
    if not is_wide(numbers):
        return float
    zero = math.log10(min(number for number in numbers if number > 0)) - 1
    return lambda number: math.log10(number) if number > 0 else zero


def is_wide(numbers: Sequence[float]) -> bool:
    """Whether numbers are read best by their logarithm: none is negative, and they span over two powers of ten."""
    positive = [number for number in numbers if number > 0]
    return min(numbers) >= 0 and len(positive) > 1 and max(positive) / min(positive) > 100


def _variance(forest: RandomForestRegressor, column: np.ndarray, others: np.ndarray, at: int) -> float:
    points = np.quantile(column, np.linspace(0, 1, _POINTS), method="nearest")
    asked = np.tile(others, (_POINTS, 1))
    asked[:, at] = np.repeat(points, len(others))
    return float(forest.predict(asked).reshape(_POINTS, -1).mean(axis=1).var())


def _mixed(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return combinations in which each hyperparameter is drawn for itself, as the average over all takes them."""
    return np.column_stack([column[generator.integers(len(x), size=4 * _OTHERS)] for column in x.T])
