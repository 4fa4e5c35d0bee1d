"""Bayesian search: a design that fills the space, then what a model of the losses expects most improvement of."""

import random
from collections.abc import Iterator, Sequence, Set

from threadpoolctl import threadpool_limits

from tuning.algorithm import Setup, as_proposal, losses, new_values, start_values, tried, upper_size
from tuning.dimensions import Dimension, Fixed, count, position_of, value_at
from tuning.encoding import encode
from tuning.space import Space, Values, key_of
from tuning.surrogate import Surrogate, fit
from tuning.trial import Proposal, Trial, Value

# Spaces up to this size are looked at as a whole.
_MAX_WHOLE = 2_000
_DRAWS = 500
_CLIMBERS = 5
_ROUNDS = 6
# Steps in the position of a range, wide and narrow.
_STEPS = (0.25, 0.1, 0.03, 0.01)


def propose(setup: Setup, trials: Sequence[Trial], index: int) -> Proposal | None:
    """Return what trial `index` is to try, None when every combination was.

    Args:
        setup: of the search.
        trials: proposed so far, with their scores.
        index: number of the trial.
    """
    known = tried(trials)
    values = start_values(setup, known)
    if values is not None:
        return as_proposal(values)
    scored = sum(loss is not None for loss in losses(setup, trials))
    running = sum(trial.status == "running" for trial in trials)
    # with less than two scores there is no order to learn from
    if scored + running < num_initial(setup) or scored < 2:
        values = _design(setup, index)
    else:
        # one thread: the same bits whatever the machine does beside, and no more cores than the trials leave
        with threadpool_limits(limits=1):
            values = _most_promising(setup, trials, known, setup.generator("bayesian", index))
    if values is None or key_of(values) in known:
        values = new_values(setup.space, known, setup.generator("draw", index))
    return as_proposal(values)


def num_initial(setup: Setup) -> int:
    """Return how many trials fill the space before the model begins: at most a quarter of the budget.

    Example:
        >>> space = Space.from_mapping({"space": {f"x{i}": {"low": 0.0, "high": 1.0} for i in range(8)}})
        >>> num_initial(Setup(space, "min", 0, max_trials=80)), num_initial(Setup(space, "min", 0, max_trials=12))
        (8, 3)
    """
    searched = sum(not isinstance(dimension, Fixed) for dimension in setup.space.dimensions)
    wanted = min(max(searched, 4), 10)
    return wanted if setup.max_trials is None else max(min(wanted, setup.max_trials // 4), 3)


def _design(setup: Setup, index: int) -> Values | None:
    """Return a point of a Latin hypercube: in each range, each of the points has a share of its own."""
    size = num_initial(setup)
    if index >= size:
        return None
    rng = setup.generator("design", 0)
    positions = []
    for _ in setup.space.dimensions:
        shares = list(range(size))
        rng.shuffle(shares)
        positions.append((shares[index] + [rng.random() for _ in range(size)][index]) / size)
    values = setup.space.complete(lambda at, dimension: value_at(dimension, positions[at]))
    return values if setup.space.allows(values) else None


def _most_promising(setup: Setup, trials: Sequence[Trial], known: Set, rng: random.Random) -> Values | None:
    """Return the best that draws and steps find by expected improvement, None where they find nothing new."""
    space = setup.space
    finished = [trial for trial in trials if trial.status != "running"]
    running = [trial.proposal.values for trial in trials if trial.status == "running"]
    of_finished = losses(setup, finished)
    rows = encode(space, [trial.proposal.values for trial in finished])
    model = fit(rows, of_finished, encode(space, running))
    order = sorted(range(len(finished)), key=lambda at: (of_finished[at] is None, of_finished[at] or 0.0))
    best = [finished[at].proposal.values for at in order[:_CLIMBERS]]
    found: dict = {}
    if space.is_finite() and upper_size(space) <= _MAX_WHOLE:
        _judge(model, space, space.combinations(), known, found)
    else:
        drawn = (space.draw(rng) for _ in range(_DRAWS))
        _judge(model, space, (values for values in drawn if values is not None), known, found)
        for _ in range(_ROUNDS):
            near = (step for values in best for step in steps(space, values, rng))
            if not _judge(model, space, near, known, found):
                break
            ranked = sorted(found.values(), key=lambda judged: -judged[0])
            best = [values for _, values in ranked[:_CLIMBERS]]
    return max(found.values(), key=lambda judged: judged[0])[1] if found else None


def _judge(model: Surrogate, space: Space, combinations: Iterator[Values], known: Set, found: dict) -> bool:
    """Add what is new to `found`, key → (log improvement, values); return whether anything was."""
    new = {key: values for values in combinations if (key := key_of(values)) not in known and key not in found}
    if new:
        judged = model.log_improvement(encode(space, list(new.values())))
        found.update({key: (score, new[key]) for key, score in zip(new, judged.tolist(), strict=True)})
    return bool(new)


def steps(space: Space, values: Values, rng: random.Random) -> Iterator[dict[str, Value]]:
    """Return combinations that differ in one hyperparameter, and in what becomes active by it.

    Args:
        space: that the values are of.
        values: where to step from.
        rng: source of the steps in ranges, and of what becomes active.
    """
    for dimension in space.active(values):
        for value in () if dimension is None else _other_values(dimension, values[dimension.name], rng):
            stepped = {**values, dimension.name: value}
            if dimension.name in space.switches:
                stepped = space.filled(stepped, rng)
            if space.allows(stepped):
                yield stepped


def _other_values(dimension: Dimension, value: Value, rng: random.Random) -> list[Value]:
    known = count(dimension)
    if known is not None and known <= 10:
        return [v for at in range(known) if (v := value_at(dimension, (at + 0.5) / known)) != value]
    position = position_of(dimension, value)
    moved = [min(max(position + rng.gauss(0, width), 0.0), 1.0) for width in _STEPS]
    return [v for at in moved if (v := value_at(dimension, at)) != value]
