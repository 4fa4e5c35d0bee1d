"""Grid search: explicit values in place of ranges, and all of their combinations, or as many as the budget allows."""

import math
from collections.abc import Sequence

from tuning.algorithm import Setup, as_proposal, new_values, start_values, tried
from tuning.dimensions import Dimension
from tuning.space import Space, is_active, key_of
from tuning.trial import Proposal, Trial, Value

# Beyond this many cases constraints are not counted out.
_MAX_CASES = 200_000


def propose(setup: Setup, trials: Sequence[Trial], index: int) -> Proposal | None:
    """Return what trial `index` is to try, None when the grid is done.

    A grid that does not fit `max_trials` is drawn from by the seed: its first trials in order would all be alike but
    for the last hyperparameters.

    Args:
        setup: of the search.
        trials: proposed so far; their scores do not matter.
        index: number of the trial.
    """
    known = tried(trials)
    values = start_values(setup, known)
    if values is None and setup.max_trials is not None and grid_size(setup.space) > setup.max_trials:
        values = new_values(setup.space.gridded(), known, setup.generator("grid", index))
    elif values is None:
        values = next((v for v in setup.space.gridded().combinations() if key_of(v) not in known), None)
    return as_proposal(values)


def grid_size(space: Space) -> int:
    """Return how many combinations the grid of a space has.

    Constraints and conditions are counted exactly up to 200,000 cases of the hyperparameters that they name; beyond,
    the result is an upper bound.

    Example:
        >>> grid_size(Space.from_mapping({"space": {"dropout": {"low": 0.0, "high": 0.5}, "l2": [0, 0.01]}}))
        10
    """
    gridded = space.gridded()
    named = {parent for dimension in gridded.dimensions for parent, _ in dimension.when}
    named |= {name for constraint in space.constraints for name in constraint.names}
    cases = math.prod(len(dimension.values) for dimension in gridded.dimensions if dimension.name in named)
    if cases > _MAX_CASES:
        return math.prod(len(dimension.values) for dimension in gridded.dimensions)
    return _size(gridded, gridded.dimensions, {}, frozenset(named))


def _size(space: Space, dimensions: Sequence[Dimension], values: dict[str, Value], named: frozenset[str]) -> int:
    """Return how many combinations go on from some values; what no condition or constraint names is multiplied."""
    if not dimensions:
        return 1 if space.allows(values) else 0
    first, rest = dimensions[0], dimensions[1:]
    if first.name in values or not is_active(first, values):
        return _size(space, rest, values, named)
    if first.name in named:
        return sum(_size(space, rest, values | {first.name: value}, named) for value in first.values)
    return len(first.values) * _size(space, rest, values, named)
