"""Space: the hyperparameters that a search may choose from, which combinations there are, and how they are drawn."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

from tuning.constraints import Constraint
from tuning.dimension_reading import Faults
from tuning.dimensions import KINDS, Choice, Dimension, as_own, count, fault_of, grid_values, value_at
from tuning.space_file import read_space_file
from tuning.space_reading import Start, read_space, read_start
from tuning.trial import Value
from zoo.errors import ConfigError

# Draws after which a constraint is taken to leave nothing.
MAX_DRAWS = 10_000
_KIND_NAMES = {kind: name for name, kind in KINDS.items()}

Values = Mapping[str, Value]


@dataclass(frozen=True)
class Space:
    """Hyperparameters in order, parents before their children.

    A name may stand several times, under conditions of which one holds at a time.

    Attributes:
        dimensions: the hyperparameters.
        constraints: what every combination must keep.
        start: combinations to try first; hyperparameters that one of them leaves out are drawn.

    Example:
        >>> space = Space.from_mapping({"space": {"l2": 0.01, "dropout": {"low": 0.0, "high": 0.5}}})
        >>> sorted(space.draw(random.Random(0)))
        ['dropout', 'l2']
    """

    dimensions: tuple[Dimension, ...]
    constraints: tuple[Constraint, ...] = ()
    start: Start = ()

    @classmethod
    def from_file(cls, path: str | Path) -> "Space":
        """Read a YAML, JSON or TOML file.

        Raises:
            ConfigError: a line for each fault, with its place.
        """
        return cls.from_mapping(*read_space_file(path), name=Path(path).name)

    @classmethod
    def from_mapping(
        cls, mapping: object, places: Mapping[tuple, str] | None = None, *, name: str = "space"
    ) -> "Space":
        """Check a mapping with the key `space`, and perhaps `constraints` and `start`.

        Args:
            mapping: the same words as in a file, or what `as_json` returned.
            places: path of keys → where it stands, for messages.
            name: of the whole, for messages.

        Raises:
            ConfigError: a line for each fault.
        """
        faults = Faults(places or {})
        space = cls(*read_space(mapping, faults))
        if not faults.found and space.constraints and space.draw(random.Random(0)) is None:
            faults.found.append(f"constraints leave no combination in {MAX_DRAWS:,} draws; loosen one")
        space._check_start(faults)
        if faults.found:
            raise ConfigError("\n".join(f if f.startswith(name) else f"{name}: {f}" for f in faults.found))
        return space

    def with_start(self, start: Sequence[Values]) -> "Space":
        """Return the space with other combinations to try first.

        Raises:
            ConfigError: one of them is not in the space.
        """
        faults = Faults({})
        space = replace(self, start=read_start(list(start), self.dimensions, faults))
        space._check_start(faults)
        if faults.found:
            raise ConfigError("\n".join(faults.found))
        return space

    def _check_start(self, faults: Faults) -> None:
        for index, values in enumerate(() if faults.found else self.start):
            if self.draw(random.Random(0), given=values) is None:
                faults.add(("start", index), "breaks a constraint, whatever the rest is")

    def as_json(self) -> dict[str, object]:
        """Return the space as JSON values, which `from_mapping` takes."""
        return {
            "space": [_words(dimension) for dimension in self.dimensions],
            "constraints": [constraint.text for constraint in self.constraints],
            "start": [dict(values) for values in self.start],
        }

    def difference(self, other: "Space") -> str:
        """Return in words what `other` has changed, a line each; empty where both hold the same combinations."""
        old, new = ({"constraints": [c.text for c in s.constraints], **_by_name(s.dimensions)} for s in (self, other))
        lines = [f"{name}: was {json.dumps(old[name])}, is gone" for name in old if name not in new]
        lines += [f"{name}: is new, {json.dumps(new[name])}" for name in new if name not in old]
        changed = [name for name in old if name in new and old[name] != new[name]]
        return "\n".join(lines + [f"{n}: was {json.dumps(old[n])}, is {json.dumps(new[n])}" for n in changed])

    @cached_property
    def switches(self) -> frozenset[str]:
        """Names whose value decides what else is active, and names that stand several times."""
        names = [dimension.name for dimension in self.dimensions]
        parents = {parent for dimension in self.dimensions for parent, _ in dimension.when}
        return frozenset(parents | {name for name in names if names.count(name) > 1})

    def complete(self, choose: Callable[[int, Dimension], Value]) -> dict[str, Value]:
        """Return a combination in which each active hyperparameter has the value that `choose` gives it.

        Args:
            choose: from the dimension's place in the space, and the dimension, to its value.
        """
        values: dict[str, Value] = {}
        for index, dimension in enumerate(self.dimensions):
            if dimension.name not in values and is_active(dimension, values):
                values[dimension.name] = choose(index, dimension)
        return values

    def active(self, values: Values) -> list[Dimension | None]:
        """Return for each dimension itself where the combination has it, otherwise None."""
        seen: set[str] = set()
        found: list[Dimension | None] = []
        for dimension in self.dimensions:
            has_it = dimension.name in values and dimension.name not in seen and is_active(dimension, values)
            found.append(dimension if has_it else None)
            seen |= {dimension.name} if has_it else set()
        return found

    def allows(self, values: Values) -> bool:
        """Return whether a combination keeps all constraints."""
        return all(constraint.holds(values) for constraint in self.constraints)

    def draw(self, rng: random.Random, *, given: Values | None = None) -> dict[str, Value] | None:
        """Draw a combination that keeps the constraints.

        Args:
            rng: source of the draws.
            given: values that are not drawn where they are active.

        Returns:
            The combination, or None where `MAX_DRAWS` draws gave none.
        """
        for _ in range(MAX_DRAWS if self.constraints else 1):
            values = self.filled(given or {}, rng)
            if self.allows(values):
                return values
        return None

    def filled(self, given: Values, rng: random.Random) -> dict[str, Value]:
        """Return a combination of what is given, where it is active, and draws; it may break constraints."""

        def choose(index: int, dimension: Dimension) -> Value:
            if dimension.name in given and not fault_of(dimension, given[dimension.name]):
                return as_own(dimension, given[dimension.name])
            return value_at(dimension, rng.random())

        return self.complete(choose)

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Return every combination of finitely many, the last hyperparameter changing fastest.

        Raises:
            TypeError: there is a range without a step in it; see `gridded`.
        """
        return (values for values in _branches(self.dimensions, {}) if self.allows(values))

    def is_finite(self) -> bool:
        """Return whether the combinations can be counted."""
        return all(count(dimension) is not None for dimension in self.dimensions)

    def gridded(self) -> "Space":
        """Return the space of a grid: a few explicit values in place of each range, both ends among them."""
        listed = [
            Choice(d.name, grid_values(d), not isinstance(d, Choice) or d.ordered, d.when) for d in self.dimensions
        ]
        return Space(tuple(listed), self.constraints)


def key_of(values: Values) -> tuple[tuple[str, Value], ...]:
    """Return what is equal for equal combinations only, and can be looked up."""
    return tuple(sorted(values.items()))


def is_active(dimension: Dimension, values: Values) -> bool:
    """Return whether a dimension's conditions hold."""
    return all(parent in values and values[parent] in wanted for parent, wanted in dimension.when)


def _branches(dimensions: Sequence[Dimension], values: dict[str, Value]) -> Iterator[dict[str, Value]]:
    if not dimensions:
        yield dict(values)
        return
    first, rest = dimensions[0], dimensions[1:]
    if first.name in values or not is_active(first, values):
        yield from _branches(rest, values)
        return
    for value in _all_values(first):
        values[first.name] = value
        yield from _branches(rest, values)
    del values[first.name]


def _all_values(dimension: Dimension) -> tuple[Value, ...]:
    if isinstance(dimension, Choice):
        return dimension.values
    size = count(dimension)
    return tuple(value_at(dimension, (index + 0.5) / size) for index in range(size))


def _words(dimension: Dimension) -> dict[str, object]:
    words = {word: value for word, value in asdict(dimension).items() if value is not None and word != "when"}
    words |= {"type": _KIND_NAMES[type(dimension)]} | (
        {"value": dimension.value} if "value" in asdict(dimension) else {}
    )
    listed = {word: list(value) if isinstance(value, tuple) else value for word, value in words.items()}
    return listed | ({"when": [[parent, list(values)] for parent, values in dimension.when]} if dimension.when else {})


def _by_name(dimensions: Sequence[Dimension]) -> dict[str, object]:
    found: dict[str, list] = {}
    for dimension in dimensions:
        found.setdefault(dimension.name, []).append(_words(dimension))
    return dict(found)
