"""Combinations of values as rows of numbers: ranges and ordered choices by position, other choices one-hot."""

from collections.abc import Sequence

import numpy as np

from tuning.dimensions import Choice, Dimension, Fixed, position_of
from tuning.space import Space, Values

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
    searched = [dimension for dimension in space.dimensions if not isinstance(dimension, Fixed)]
    rows = np.zeros((len(combinations), sum(width(dimension) for dimension in searched)))
    for row, values in zip(rows, combinations, strict=True):
        column = 0
        for dimension, active in zip(space.dimensions, space.active(values), strict=True):
            if isinstance(dimension, Fixed):
                continue
            if not _is_one_hot(dimension):
                row[column] = _INACTIVE if active is None else position_of(dimension, values[dimension.name])
            elif active is not None:
                row[column + dimension.values.index(values[dimension.name])] = _HOT
            column += width(dimension)
    return rows


def _is_one_hot(dimension: Dimension) -> bool:
    return isinstance(dimension, Choice) and not dimension.ordered
