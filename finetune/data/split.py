"""Who learns, who picks, who judges: a pure, seeded, stratified split."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from zoo.errors import DataError

SPLITS = ("train", "validation", "test")
_LISTED = 10


@dataclass(frozen=True)
class Splits:
    """Indices of the examples on each side, ascending.

    Attributes:
        train: examples that the model learns from.
        validation: examples that pick the best epoch.
        test: examples looked at once, at the end; empty where folds are tested instead.
        folds: sides of each fold; every example is on the test side of one of them.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    folds: tuple["Splits", ...] = ()

    def sizes(self) -> dict[str, int]:
        """Return the number of examples on each side that there is; with folds there is no test side of all."""
        return {name: len(getattr(self, name)) for name in SPLITS if getattr(self, name) or not self.folds}

    def sides(self, num_examples: int) -> tuple[str, ...]:
        """Return the side of each of `num_examples` examples; with folds, the fold that it is tested in."""
        parts = {f"fold {number}": fold.test for number, fold in enumerate(self.folds, start=1)}
        parts = parts or {name: getattr(self, name) for name in SPLITS}
        side_of = {index: name for name, indices in parts.items() for index in indices}
        return tuple(side_of[index] for index in range(num_examples))


class Dealable(Protocol):
    """What a split needs to know of examples."""

    strata: Sequence[int]
    strata_names: tuple[str, ...]
    given_splits: tuple[str, ...]
    groups: tuple[str, ...]

    def __len__(self) -> int: ...


def split(
    examples: Dealable,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    pool: Sequence[int] | None = None,
) -> Splits:
    """Split every class in the same proportions; sides that the data already name are kept as they are.

    Each class is shuffled by a generator of its own, so one class's examples do not move another's. Every class has at
    least one example on every side. A side that the data lack is taken from their training examples. Examples of one
    group stay together; the proportions are then as near as whole groups allow.

    Args:
        examples: all usable examples.
        validation_fraction: share of a class for validation, (0, 1).
        test_fraction: share of a class for the test, (0, 1); 0 for no test side.
        seed: same seed, same split.
        pool: the examples to deal; None for all.

    Raises:
        DataError: a class has too few examples or groups to be on every side, or none to learn from on the given
            sides; or a group is on two of these.
    """
    given = examples.given_splits
    sides: dict[str, list[int]] = {name: [] for name in SPLITS}
    for index, side in enumerate(given):
        sides[side].append(index)
    if given:
        _check_learned(examples, sides)
    fractions = {"validation": validation_fraction, "test": test_fraction}
    wanted = {name: fraction for name, fraction in fractions.items() if fraction and not sides[name]}
    if pool is None:
        pool = sides["train"] if given else range(len(examples))
    if wanted:
        deal = _deal_groups if examples.groups else _deal_strata
        sides["train"] = []
        for name, part in deal(examples, pool, wanted, seed).items():
            sides[name] += part
    _check_groups(examples, sides)
    return Splits(**{name: tuple(sorted(indices)) for name, indices in sides.items()})


def _deal_strata(
    examples: Dealable, pool: Sequence[int], wanted: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    sides: dict[str, list[int]] = {name: [] for name in (*wanted, "train")}
    for label, members in _by_stratum(examples, pool):
        name = examples.strata_names[label]
        taken = _deal(members, list(wanted.values()), random.Random(f"{seed}:{name}"))
        if taken is None:
            raise DataError(_too_few(name, len(members), 1 + len(wanted)))
        for side, part in zip(sides, taken, strict=True):
            sides[side] += part
    return sides


def _deal_groups(
    examples: Dealable, pool: Sequence[int], wanted: Mapping[str, float], seed: int
) -> dict[str, list[int]]:
    """Deal whole groups, the largest first, each to the side that lacks most of what the group has.

    What a side lacks is counted class by class, in shares of the class, so that rare classes are dealt evenly too.
    """
    members: dict[str, list[int]] = {}
    for index in pool:
        members.setdefault(examples.groups[index], []).append(index)
    strata = examples.strata
    totals = Counter(strata[index] for index in pool)
    shares = {**wanted, "train": 1 - sum(wanted.values())}
    have = {side: Counter() for side in shares}
    sides: dict[str, list[int]] = {side: [] for side in shares}
    generator = random.Random(f"{seed}:groups")
    order = sorted(sorted(members), key=lambda group: (-len(members[group]), generator.random()))
    for group in order:
        counts = Counter(strata[index] for index in members[group])

        def lack(side: str, counts: Counter = counts) -> float:
            return (
                sum(count * (shares[side] - have[side][label] / totals[label]) for label, count in counts.items())
                / shares[side]
            )

        side = max(shares, key=lack)
        sides[side] += members[group]
        have[side].update(counts)
    for label, total in totals.items():
        missing = [side for side in shares if not have[side][label]]
        if missing:
            raise DataError(_too_few_groups(examples, label, total, members.values(), missing))
    return sides


def _check_learned(examples: Dealable, sides: Mapping[str, Sequence[int]]) -> None:
    """Refuse given sides that leave nothing to learn, or judge by a class that is not learned."""
    others = [name for name in SPLITS if name != "train" and sides[name]]
    there = " and ".join(others)
    if not sides["train"]:
        raise DataError(
            f"no example is in train, all are in {there}, so nothing can be learned. Say train for most of them, or "
            f"leave out what says the sides."
        )
    strata = examples.strata
    trained = {strata[index] for index in sides["train"]}
    unknown = sorted({strata[index] for name in others for index in sides[name]} - trained)
    if unknown:
        names = [repr(examples.strata_names[label]) for label in unknown]
        more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        there = " and ".join(
            name for name in others if not {strata[index] for index in sides[name]}.isdisjoint(unknown)
        )
        one = len(names) == 1
        raise DataError(
            f"{', '.join(names[:_LISTED])}{more} {'is' if one else 'are'} only in {there}, where "
            f"{'it' if one else 'they'} cannot be learned. Give examples of {'it' if one else 'them'} to train, or "
            f"take {'it' if one else 'them'} out."
        )


def _check_groups(examples: Dealable, sides: Mapping[str, Sequence[int]]) -> None:
    side_of: dict[str, str] = {}
    for side, indices in sides.items() if examples.groups else ():
        for index in indices:
            first = side_of.setdefault(examples.groups[index], side)
            if first != side:
                raise DataError(
                    f"the data put the group {examples.groups[index]!r} into {first} and into {side}. "
                    f"Give its examples one side, or do not name a group."
                )


def _by_stratum(examples: Dealable, pool: Sequence[int]) -> list[tuple[int, list[int]]]:
    members: dict[int, list[int]] = {label: [] for label in range(len(examples.strata_names))}
    strata = examples.strata
    for index in pool:
        members[strata[index]].append(index)
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


def _too_few(name: str, count: int, sides: int) -> str:
    usable = f"{count} usable example{'s' if count != 1 else ''}"
    has = f"class {name!r} has {usable}; it needs" if name else f"the data have {usable}; needed are"
    end = ", or take the class out" if name else ""
    return f"{has} at least {sides}, one on each side. Add examples{end}."


def _too_few_groups(
    examples: Dealable, label: int, total: int, groups: Iterable[Sequence[int]], missing: Sequence[str]
) -> str:
    strata = examples.strata
    count = sum(any(strata[index] == label for index in group) for group in groups)
    name = examples.strata_names[label]
    what = f"class {name!r}" if name else "the data"
    return (
        f"{what}: {total:,} examples in {count:,} groups leave none for {' and '.join(missing)}, "
        f"for a group is not divided. Add groups, or name a finer one."
    )
