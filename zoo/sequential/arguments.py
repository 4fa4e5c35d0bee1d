"""Checks of the factories' arguments: each returns the value as plain Python, or says what is accepted."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

from zoo.errors import ConfigError, nearest


def one_of(argument: str, value: object, accepted: Iterable[str]) -> str:
    """Return a name that must be one of the accepted ones.

    Raises:
        ConfigError: it is not; the message lists all and names the nearest.
    """
    accepted = tuple(accepted)
    if isinstance(value, str) and value in accepted:
        return value
    hint = nearest(value, accepted) if isinstance(value, str) else ""
    raise _refusal(argument, f"one of {', '.join(accepted)}", value, hint)


def positive(argument: str, value: object, *, least: int = 1) -> int:
    """Return a whole number of at least `least`; NumPy's integers pass, booleans and floats do not."""
    if not _whole(value) or value < least:
        raise _refusal(argument, f"a whole number of at least {least}", value)
    return int(value)


def sizes(argument: str, value: object, *, least: int = 1) -> tuple[int, ...]:
    """Return one positive whole number a layer; a single number means one layer.

    Args:
        argument: name for the message.
        value: number or sequence of numbers.
        least: fewest layers.
    """
    found = _numbers(value)
    if found is None or len(found) < least or not all(_whole(size) and size >= 1 for size in found):
        accepted = "positive whole numbers, one a layer, such as (64, 32)" if least else "() or positive whole numbers"
        raise _refusal(argument, accepted, value)
    return tuple(int(size) for size in found)


def extent(argument: str, value: object, axes: int) -> tuple[int, ...]:
    """Return the size of a kernel, a stride or a pool along each axis; a single number holds for all axes."""
    found = _numbers(value)
    if found is not None and len(found) == 1:
        found *= axes
    if found is None or len(found) != axes or not all(_whole(size) and size >= 1 for size in found):
        accepted = "a positive whole number" + (f", or {axes} of them (height, width)" if axes > 1 else "")
        raise _refusal(argument, accepted, value)
    return tuple(int(size) for size in found)


def rate(argument: str, value: object) -> float:
    """Return the share of values that dropout sets to zero, in [0, 1)."""
    if not _real(value) or not 0 <= value < 1:
        raise _refusal(argument, "a number in [0, 1)", value)
    return float(value)


def strength(argument: str, value: object) -> float:
    """Return the factor of a penalty, finite and not negative."""
    if not _real(value) or not 0 <= value < math.inf:
        raise _refusal(argument, "a finite number of at least 0", value)
    return float(value)


def seed(argument: str, value: object) -> int | None:
    """Return a seed of any size and sign, or None."""
    if value is None:
        return None
    if not _whole(value):
        raise _refusal(argument, "a whole number or None", value)
    return int(value)


def flag(argument: str, value: object) -> bool:
    """Return True or False; nothing else counts as either."""
    if not isinstance(value, bool):
        raise _refusal(argument, "True or False", value)
    return value


def shape(value: object, axes: Sequence[str], *, unknown: str | None = None) -> tuple[int | None, ...]:
    """Return an input shape without the batch axis.

    Args:
        value: `input_shape` as the user gave it.
        axes: what each axis means; "..." as the only one stands for one or more axes.
        unknown: the axis that may be None, for inputs of any length.

    Raises:
        ConfigError: another number of axes, or an axis that is not a positive whole number.
    """
    found = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    names = tuple(axes) if axes != ("...",) else ("features",) * len(found)
    good = len(found) == len(names) >= 1 and all(
        (size is None and name == unknown) or (_whole(size) and size >= 1)
        for size, name in zip(found, names, strict=True)
    )
    if not good:
        words = "(features,) or longer" if axes == ("...",) else f"({', '.join(axes)})"
        also = f"; {unknown} may be None" if unknown else ""
        raise _refusal("input_shape", f"{words} in positive whole numbers{also}", value, _shape_hint(found, axes))
    return tuple(None if size is None else int(size) for size in found)


def _shape_hint(found: tuple, axes: Sequence[str]) -> str:
    if found[:1] == (None,) if axes == ("...",) else len(found) == len(axes) + 1:
        return " Leave the batch axis out."
    if len(found) == len(axes) - 1 >= 1:
        return f" With one of {axes[-1]}: ({', '.join(str(size) for size in found)}, 1)."
    return ""


def _refusal(argument: str, accepted: str, value: object, hint: str = "") -> ConfigError:
    return ConfigError(f"{argument} must be {accepted}; received {value!r}.{hint}")


def _whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _numbers(value: object) -> tuple | None:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return (value,) if _whole(value) else None
