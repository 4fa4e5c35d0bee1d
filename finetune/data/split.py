"""Who learns, who picks, who judges: a pure, seeded, stratified split."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

from finetune.data.examples import Examples
from zoo.errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Splits:
    """Indices of the examples on each side, ascending.

    Attributes:
        train: examples that the model learns from.
        validation: examples that pick the best epoch.
        test: examples looked at once, at the end.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]

    def sizes(self) -> dict[str, int]:
        """Return the number of examples on each side."""
        return {side.name: len(getattr(self, side.name)) for side in fields(self)}

    def sides(self, num_examples: int) -> tuple[str, ...]:
        """Return the side of each of `num_examples` examples."""
        side_of = {index: name for name in SPLITS for index in getattr(self, name)}
        return tuple(side_of[index] for index in range(num_examples))


def split(examples: Examples, *, validation_fraction: float, test_fraction: float, seed: int) -> Splits:
    """Split every class in the same proportions; sides that the folders already name are kept as they are.

    Each class is shuffled by a generator of its own, so one class's files do not move another's. Every class has at
    least one example on every side. A side that the folders lack is taken from their training examples.

    Args:
        examples: all usable examples.
        validation_fraction: share of a class for validation, (0, 1).
        test_fraction: share of a class for the test, (0, 1).
        seed: same seed, same split.

    Raises:
        DataError: a class has too few examples to be on every side.
    """
    given = examples.given_splits
    sides: dict[str, list[int]] = {name: [] for name in SPLITS}
    for index, side in enumerate(given):
        sides[side].append(index)
    fractions = {"validation": validation_fraction, "test": test_fraction}
    wanted = {name: fraction for name, fraction in fractions.items() if not sides[name]}
    pool = sides["train"] if given else list(range(len(examples)))
    if wanted:
        sides["train"] = []
        for label, members in _by_class(examples, pool):
            taken = _deal(members, list(wanted.values()), random.Random(f"{seed}:{examples.class_names[label]}"))
            if taken is None:
                raise DataError(_too_few(examples.class_names[label], len(members), 1 + len(wanted)))
            for name, part in zip((*wanted, "train"), taken, strict=True):
                sides[name] += part
    return Splits(**{name: tuple(sorted(indices)) for name, indices in sides.items()})


def _by_class(examples: Examples, pool: Sequence[int]) -> list[tuple[int, list[int]]]:
    members: dict[int, list[int]] = {label: [] for label in range(len(examples.class_names))}
    for index in pool:
        members[examples.labels[index]].append(index)
    return list(members.items())


def _deal(members: list[int], fractions: list[float], generator: random.Random) -> list[list[int]] | None:
    """Return one part for each fraction and the rest last, none of them empty; None when there are too few members."""
    shuffled = generator.sample(members, len(members))
    parts = []
    for fraction in fractions:
        count = max(1, round(len(members) * fraction))
        parts.append(shuffled[:count])
        shuffled = shuffled[count:]
    return [*parts, shuffled] if shuffled else None


def _too_few(class_name: str, count: int, sides: int) -> str:
    return (
        f"class {class_name!r} has {count} usable picture{'s' if count != 1 else ''}; it needs at least {sides}, "
        f"one each to train, to validate and to test. Add pictures, or take the class out."
    )
