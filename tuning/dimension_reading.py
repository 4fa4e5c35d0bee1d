"""The words for one hyperparameter in a space file → its dimension, or faults with their places."""

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tuning.dimensions import Choice, Conditions, Dimension, Fixed, Float, Int
from zoo.errors import brief, nearest

SCALES = ("linear", "log", "reverse_log")
MAX_VALUES = 10_000


@dataclass
class Faults:
    """What is wrong with a space, each with the most precise place that is known.

    Attributes:
        places: path of keys → where it stands ("space.yaml line 4").
        found: the messages.
    """

    places: Mapping[tuple, str]
    found: list[str] = field(default_factory=list)

    def add(self, path: tuple, text: str) -> None:
        """Note that the words at a path are wrong."""
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.places), None)
        place = f"{self.places[known]}: " if known else ""
        self.found.append(f"{place}{'.'.join(str(part) for part in path)} {text}")


def plain(value: object) -> object:
    """Return NumPy's numbers as Python's; anything else as it is."""
    if isinstance(value, bool | int | float | str) or value is None:
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def is_value(value: object) -> bool:
    """Return whether something can be a value: a truth, a finite number, a text or nothing."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | str)


def read_dimension(path: tuple, name: str, words: object, faults: Faults) -> Dimension | None:
    """Read one hyperparameter.

    Args:
        path: of keys to it, for messages.
        name: of the hyperparameter.
        words: a value (fixed), a list (choice), or a mapping with what the dimension is made of.
        faults: takes what is wrong.

    Returns:
        The dimension, None where something is wrong with it.
    """
    if not isinstance(words, Mapping):
        words = {"values": words} if isinstance(words, list | tuple) else {"value": words}
    known_before = len(faults.found)
    kind = _kind(path, words, faults)
    if kind is None:
        return None
    accepted, make = _KINDS[kind]
    for word in words.keys() - {"name", "type", "when", *accepted}:
        near = nearest(str(word), accepted)
        faults.add((*path, word), f"means nothing for {kind}; accepted: {', '.join((*accepted, 'when'))}.{near}")
    when = _conditions(path, words.get("when") or {}, faults)
    if len(faults.found) > known_before:
        return None
    dimension = make(path, name, words, when, faults)
    return dimension if len(faults.found) == known_before else None


def _kind(path: tuple, words: Mapping, faults: Faults) -> str | None:
    kind = words.get("type")
    if kind is None and "value" in words:
        return "fixed"
    if kind is None and "values" in words:
        return "choice"
    if kind is None and {"low", "high"} <= words.keys():
        numbers_given = [plain(words.get(word)) for word in ("low", "high", "step")]
        if any(isinstance(number, float) for number in numbers_given):
            return "float"
        faults.add(path, "goes from one whole number to another: say `type: int` or `type: float`")
        return None
    if kind not in _KINDS:
        near = nearest(str(kind), _KINDS)
        faults.add(path, f"must have value, values, or low and high; type is one of {', '.join(_KINDS)}.{near}")
        return None
    return kind


def _conditions(path: tuple, when: object, faults: Faults) -> Conditions:
    pairs = list(when.items()) if isinstance(when, Mapping) else when
    if not isinstance(pairs, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
    ):
        faults.add((*path, "when"), f"must be `{{parent: [values]}}`; received {brief(when)}")
        return ()
    listed = ((str(parent), values if isinstance(values, list | tuple) else [values]) for parent, values in pairs)
    return tuple((parent, tuple(plain(value) for value in values)) for parent, values in listed)


def _fixed(path: tuple, name: str, words: Mapping, when: Conditions, faults: Faults) -> Fixed:
    value = plain(words.get("value"))
    if not is_value(value):
        faults.add((*path, "value"), f"must be a truth, a finite number, a text or null; received {brief(value)}")
    return Fixed(name, value, when)


def _choice(path: tuple, name: str, words: Mapping, when: Conditions, faults: Faults) -> Choice:
    values = words.get("values")
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= MAX_VALUES:
        faults.add((*path, "values"), f"must be a list of 1 to {MAX_VALUES:,} values; received {brief(values)}")
        return Choice(name, (), when=when)
    values = tuple(plain(value) for value in values)
    for value in values:
        if isinstance(value, list | tuple):
            faults.add((*path, "values"), f"holds a list; write it as a text, '{','.join(map(str, value))}'")
        elif not is_value(value):
            faults.add((*path, "values"), f"must be truths, finite numbers, texts or null; received {brief(value)}")
    # True and 1 count as one: they are equal as keys
    if all(is_value(value) for value in values) and len(set(values)) < len(values):
        faults.add((*path, "values"), "hold one value twice")
    ordered = words.get("ordered", all(_is_number(value) for value in values))
    if not isinstance(ordered, bool):
        faults.add((*path, "ordered"), f"must be true or false; received {brief(ordered)}")
    elif words.get("ordered") is None and ordered and list(values) != sorted(values):
        values = tuple(sorted(values))
    return Choice(name, values, ordered, when)


def _range(kind: type[Int] | type[Float]) -> Callable:
    def make(path: tuple, name: str, words: Mapping, when: Conditions, faults: Faults) -> Int | Float | None:
        given = {word: plain(words.get(word)) for word in ("low", "high", "step") if words.get(word) is not None}
        wrong = [word for word, number in given.items() if not _is_number(number) or _is_broken(kind, number)]
        for word in wrong:
            wanted = "a whole number" if kind is Int else "a finite number"
            faults.add((*path, word), f"must be {wanted}; received {brief(given[word])}")
        for word in {"low", "high"} - given.keys():
            faults.add((*path, word), "is missing")
        scale = words.get("scale", "linear")
        if scale not in SCALES:
            faults.add((*path, "scale"), f"must be one of {', '.join(SCALES)}; received {brief(scale)}.")
        grid = plain(words.get("grid"))
        if grid is not None and not (isinstance(grid, int) and 1 <= grid <= MAX_VALUES and grid is not True):
            faults.add((*path, "grid"), f"must be a number of values from 1 to {MAX_VALUES:,}; received {brief(grid)}")
        if wrong or not {"low", "high"} <= given.keys() or scale not in SCALES:
            return None
        number = int if kind is Int else float
        dimension = kind(
            name, **{word: number(value) for word, value in given.items()}, scale=scale, grid=grid, when=when
        )
        _check_range(path, dimension, faults)
        return dimension

    return make


def _check_range(path: tuple, dimension: Int | Float, faults: Faults) -> None:
    low, high, step = dimension.low, dimension.high, dimension.step
    if low > high:
        faults.add(path, f"has low {low} above high {high}")
    elif dimension.scale != "linear" and low <= 0:
        faults.add((*path, "low"), f"must be above 0 on a {dimension.scale} scale; received {low}")
    elif step is not None and step <= (0 if dimension.scale == "linear" else 1):
        least = "above 0" if dimension.scale == "linear" else "a factor above 1 on this scale"
        faults.add((*path, "step"), f"must be {least}; received {step}")
    elif (
        step is not None
        and dimension.scale == "linear"
        and abs((high - low) / step - round((high - low) / step)) > 1e-9
    ):
        end = low + int((high - low) / step) * step
        faults.add(
            (*path, "high"), f"is no whole number of steps of {step:g} from {low:g}; nearest: {end:g}, {end + step:g}"
        )
    elif step is not None and dimension.scale != "linear":
        powers = math.log(high / low, step)
        if abs(powers - round(powers)) > 1e-9:
            end = low * step ** int(powers)
            faults.add((*path, "high"), f"is not {low:g} times a power of {step:g}; nearest: {end:g}, {end * step:g}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_broken(kind: type, number: float) -> bool:
    return not math.isfinite(number) or (kind is Int and number != int(number))


_RANGE = ("low", "high", "scale", "step", "grid")
_KINDS: Mapping[str, tuple[tuple[str, ...], Callable]] = {
    "fixed": (("value",), _fixed),
    "choice": (("values", "ordered"), _choice),
    "int": (_RANGE, _range(Int)),
    "float": (_RANGE, _range(Float)),
}
