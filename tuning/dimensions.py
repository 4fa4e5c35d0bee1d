"""One hyperparameter each: which values it takes, and where they lie between 0 and 1."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tuning.trial import Value

Scale = Literal["linear", "log", "reverse_log"]
# (parent, values): the parent is active and has one of the values. All of them must hold.
Conditions = tuple[tuple[str, tuple[Value, ...]], ...]

# How many values of a range a grid takes where the space does not say.
GRID_POINTS = 5
# Ranges of integers up to this size are a grid as they are.
_SMALL_RANGE = 10


@dataclass(frozen=True)
class Fixed:
    """A value that is not searched."""

    name: str
    value: Value
    when: Conditions = ()

    @property
    def values(self) -> tuple[Value, ...]:
        """The one value."""
        return (self.value,)


@dataclass(frozen=True)
class Choice:
    """One of some values; `ordered` where neighbours in the list are alike."""

    name: str
    values: tuple[Value, ...]
    ordered: bool = False
    when: Conditions = ()


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included.

    Attributes:
        name: of the hyperparameter.
        low: smallest value.
        high: largest value.
        scale: in what the values are drawn evenly.
        step: from one value to the next; a factor on a log scale. None for every whole number.
        grid: values of a grid; None leaves it to `grid_values`.
        when: conditions.
    """

    name: str
    low: int
    high: int
    scale: Scale = "linear"
    step: int | None = None
    grid: int | None = None
    when: Conditions = ()


@dataclass(frozen=True)
class Float:
    """A number from `low` to `high`; the attributes are those of `Int`, and without `step` any number is taken."""

    name: str
    low: float
    high: float
    scale: Scale = "linear"
    step: float | None = None
    grid: int | None = None
    when: Conditions = ()


Dimension = Fixed | Choice | Int | Float
KINDS: Mapping[str, type] = {"fixed": Fixed, "choice": Choice, "int": Int, "float": Float}


def count(dimension: Dimension) -> int | None:
    """Return how many values a dimension has, None for any number of a range."""
    match dimension:
        case Fixed() | Choice():
            return len(dimension.values)
        case Int(step=None):
            return dimension.high - dimension.low + 1
        case Float(step=None):
            return 1 if dimension.low == dimension.high else None
    if dimension.scale == "linear":
        steps = (Decimal(str(dimension.high)) - Decimal(str(dimension.low))) / Decimal(str(dimension.step))
        return int(steps) + 1
    # 1e-8: the logarithm of an exact power may come out a little low
    return int(math.log(dimension.high / dimension.low, dimension.step) + 1e-8) + 1


def value_at(dimension: Dimension, position: float) -> Value:
    """Return the value at a position in [0, 1]; equal lengths are equal shares of draws.

    Example:
        >>> value_at(Int("units", 16, 256, scale="log", step=2), 0.5)
        64
    """
    if isinstance(dimension, Fixed | Choice):
        return dimension.values[_index(position, len(dimension.values))]
    if dimension.step is not None:
        return _step_value(dimension, _index(position, count(dimension)))
    if isinstance(dimension, Int) and dimension.scale == "linear":
        return dimension.low + _index(position, count(dimension))
    if isinstance(dimension, Int):
        return min(int(_scaled(dimension, position, dimension.high + 1)), dimension.high)
    return _rounded(dimension, _scaled(dimension, position, dimension.high))


def position_of(dimension: Dimension, value: Value) -> float:
    """Return where a value lies in [0, 1]; the middle of its share where there are finitely many."""
    if isinstance(dimension, Fixed | Choice):
        return (_place(dimension.values, value) + 0.5) / len(dimension.values)
    if dimension.step is not None:
        return (_step_index(dimension, value) + 0.5) / count(dimension)
    if isinstance(dimension, Int):
        return _unscaled(dimension, value + 0.5, dimension.high + 1)
    return _unscaled(dimension, value, dimension.high)


def grid_values(dimension: Dimension) -> tuple[Value, ...]:
    """Return the values that a grid takes, in order and with both ends.

    Example:
        >>> grid_values(Float("dropout", 0.0, 1.0, step=0.2))
        (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    if isinstance(dimension, Fixed | Choice):
        return dimension.values
    known = count(dimension)
    is_listed = dimension.step is not None or (known is not None and known <= _SMALL_RANGE)
    if dimension.grid is None and is_listed:
        return tuple(value_at(dimension, (index + 0.5) / known) for index in range(known))
    points = dimension.grid or GRID_POINTS
    if known is not None and points >= known:
        return tuple(value_at(dimension, (index + 0.5) / known) for index in range(known))
    if points == 1:
        return (value_at(dimension, 0.5),)
    if dimension.step is not None:
        return tuple(_step_value(dimension, round(index * (known - 1) / (points - 1))) for index in range(points))
    ends = [_scaled(dimension, index / (points - 1), dimension.high) for index in range(points)]
    if isinstance(dimension, Int):
        return tuple(dict.fromkeys(round(value) for value in ends))
    return (dimension.low, *(_rounded(dimension, value) for value in ends[1:-1]), dimension.high)


def fault_of(dimension: Dimension, value: Value) -> str:
    """Return why a value is not one of the dimension's, an empty text where it is."""
    if isinstance(dimension, Fixed | Choice):
        known = any(_same(value, other) for other in dimension.values)
        return "" if known else f"must be one of {', '.join(map(repr, dimension.values))}; received {value!r}"
    wanted = "a whole number" if isinstance(dimension, Int) else "a number"
    if isinstance(value, bool) or not isinstance(value, int if isinstance(dimension, Int) else int | float):
        return f"must be {wanted}; received {value!r}"
    # written so that NaN, which compares false with everything, is refused
    if not dimension.low <= value <= dimension.high:
        return f"must be in {dimension.low} to {dimension.high}; received {value!r}"
    if dimension.step is not None:
        index = min(max(_step_index(dimension, value), 0), count(dimension) - 1)
        near = _step_value(dimension, index)
        if not math.isclose(near, value, rel_tol=1e-9, abs_tol=1e-12):
            return f"must be a whole number of steps of {dimension.step} from {dimension.low}; nearest: {near}"
    return ""


def as_own(dimension: Dimension, value: Value) -> Value:
    """Return a value that is the dimension's in the dimension's own type and spelling: 1 is 1.0 for a Float."""
    if isinstance(dimension, Fixed | Choice):
        return dimension.values[_place(dimension.values, value)]
    if dimension.step is not None:
        return _step_value(dimension, _step_index(dimension, value))
    return float(value) if isinstance(dimension, Float) else value


def _index(position: float, size: int) -> int:
    return min(int(position * size), size - 1)


def _same(value: Value, other: Value) -> bool:
    """Return whether two values are one; True is not 1 here, but 1.0 is."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _place(values: tuple[Value, ...], value: Value) -> int:
    return next(index for index, other in enumerate(values) if _same(value, other))


def _step_value(dimension: Int | Float, index: int) -> int | float:
    # in decimals, for in floats three steps of 0.1 are 0.30000000000000004
    low, high, step = (Decimal(str(number)) for number in (dimension.low, dimension.high, dimension.step))
    powers = {"linear": lambda: low + index * step, "log": lambda: low * step**index}
    value = powers.get(dimension.scale, lambda: high + low - low * step**index)()
    return int(value) if isinstance(dimension, Int) else float(value)


def _step_index(dimension: Int | Float, value: float) -> int:
    if dimension.scale == "linear":
        return round((value - dimension.low) / dimension.step)
    grown = value if dimension.scale == "log" else dimension.high + dimension.low - value
    return round(math.log(grown / dimension.low, dimension.step))


def _scaled(dimension: Int | Float, position: float, high: float) -> float:
    low = dimension.low
    if dimension.scale == "linear":
        return low + position * (high - low)
    if dimension.scale == "log":
        return low * (high / low) ** position
    return high + low - low * (high / low) ** (1 - position)


def _unscaled(dimension: Int | Float, value: float, high: float) -> float:
    low = dimension.low
    if low == high:
        return 0.5
    if dimension.scale == "linear":
        return (value - low) / (high - low)
    if dimension.scale == "log":
        return math.log(value / low) / math.log(high / low)
    return 1 - math.log((high + low - value) / low) / math.log(high / low)


def _rounded(dimension: Float, value: float) -> float:
    """Return a number that is short to read: to a millionth of the range, or seven digits on other scales."""
    if dimension.scale == "linear" and dimension.low < dimension.high:
        value = round(value, 6 - math.floor(math.log10(dimension.high - dimension.low)))
    elif dimension.scale != "linear":
        value = float(f"{value:.7g}")
    return min(max(value, dimension.low), dimension.high)
