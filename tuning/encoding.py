"""Combinations of values as rows of numbers: ranges and ordered choices by position, other choices one-hot."""

from collections.abc import Sequence

import numpy as np

from tuning.dimensions import Choice, Dimension, Fixed, position_of
from tuning.space import Space, Values
from tuning.trial import Value

# Two different values of a choice are as far apart as the two ends of a range.
_HOT = np.sqrt(0.5)
# An inactive range: in the middle, so that it lies near to all of its values.
_INACTIVE = 0.5


def width(dimension: Dimension) -> int:
    """Return how many columns a dimension takes."""
    if isinstance(dimension, Fixed):
        return 0
    return len(dimension.values) if _is_one_hot(dimension) else 1


def encode(space: Space, combinations: Sequence[Values]) -> np.ndarray:
    """Return combinations as numbers.

    Args:
        space: that they are of.
        combinations: the values of each.

    Returns:
        Array (combinations, columns) float64 in [0, 1]. Each value of an unordered choice has a column of its own;
        where it is inactive, all of them are 0.
    """
    # whether a dimension is active has to be asked for each combination only where conditions are
    active = [space.active(values) for values in combinations] if space.switches else None
    parts = [np.zeros((len(combinations), 0))]
    for at, dimension in enumerate(space.dimensions):
        has_it = [True] * len(combinations) if active is None else [found[at] is not None for found in active]
        values = [v[dimension.name] if has else None for v, has in zip(combinations, has_it, strict=True)]
        if _is_one_hot(dimension):
            parts.append(_one_hot(dimension, values, np.array(has_it, bool)))
        elif not isinstance(dimension, Fixed):
            parts.append(_positions(dimension, values, has_it))
    return np.concatenate(parts, axis=1)


def _one_hot(dimension: Choice, values: Sequence[Value], has_it: np.ndarray) -> np.ndarray:
    places = {value: place for place, value in enumerate(dimension.values)}
    found = np.array([places.get(value, 0) for value in values], int)
    return np.eye(len(dimension.values))[found] * _HOT * has_it[:, None]


def _positions(dimension: Dimension, values: Sequence[Value], has_it: Sequence[bool]) -> np.ndarray:
    # few different values come up many times
    known = {value for value, has in zip(values, has_it, strict=True) if has}
    places = {value: position_of(dimension, value) for value in known}
    row = [places[value] if has else _INACTIVE for value, has in zip(values, has_it, strict=True)]
    return np.array(row)[:, None]


def _is_one_hot(dimension: Dimension) -> bool:
    return isinstance(dimension, Choice) and not dimension.ordered
