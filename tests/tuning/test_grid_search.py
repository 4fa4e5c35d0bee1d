"""Grid search: every combination in order, resumable at each, and a sample where the budget is smaller."""

import pytest

from tuning.algorithm import Setup
from tuning.grid_search import grid_size, propose
from tuning.space import Space
from tuning.trial import Trial

GRID = Space.from_mapping(
    {
        "space": {
            "optimizer": ["adam", "momentum"],
            "momentum": {"low": 0.5, "high": 0.9, "step": 0.2, "when": {"optimizer": ["momentum"]}},
            "dropout": {"low": 0.0, "high": 1.0, "step": 0.2},
        }
    }
)


def values(setup: Setup, count: int) -> list[dict]:
    """Return the values of so many trials."""
    trials: list[Trial] = []
    while len(trials) < count and (proposal := propose(setup, trials, len(trials))) is not None:
        trials.append(Trial(len(trials), proposal, "completed", 0.0))
    return [dict(trial.proposal.values) for trial in trials]


def test_a_grid_is_gone_through_in_order_and_ends():
    """Every combination comes once, the last hyperparameter changing fastest, both ends included."""
    found = values(Setup(GRID, "min", 0), 1000)
    assert len(found) == grid_size(GRID) == (1 + 3) * 6
    assert [v["dropout"] for v in found[:6]] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert found == values(Setup(GRID, "min", 5, max_trials=24), 1000)


def test_a_budget_below_the_grid_is_spread_over_it():
    """6 of 24 combinations are not the first 6, which have one optimizer."""
    found = values(Setup(GRID, "min", 0, max_trials=6), 6)
    assert len({v["dropout"] for v in found}) > 2 and {v["optimizer"] for v in found} == {"adam", "momentum"}


def test_a_raised_budget_goes_on_to_the_whole_grid():
    """What was tried under the smaller budget is not tried again."""
    trials: list[Trial] = []
    for budget in (8, 24):
        setup = Setup(GRID, "min", 0, max_trials=budget)
        while len(trials) < budget:
            trials.append(Trial(len(trials), propose(setup, trials, len(trials)), "completed", 0.0))
    assert len({tuple(trial.proposal.values.items()) for trial in trials}) == 24
    assert propose(setup, trials, 24) is None


@pytest.mark.parametrize(
    ("space", "size"),
    [
        ({"space": {"a": [1, 2, 3]}, "constraints": ["a != 2"]}, 2),
        ({"space": {"a": {"low": 0.0, "high": 1.0}, "b": {"low": 0.0, "high": 1.0, "grid": 7}}}, 35),
        ({"space": {f"x{at}": list(range(1000)) for at in range(10)}}, 10**30),
    ],
)
def test_the_size_is_counted_without_listing(space, size):
    """A grid's size is known before the first trial, however large it is."""
    assert grid_size(Space.from_mapping(space)) == size


def test_counting_ends_where_constraints_name_many_values():
    """Beyond what can be gone through, the size is an upper bound."""
    space = {"space": {name: list(range(1000)) for name in "abc"}, "constraints": ["a < b", "b < c"]}
    assert grid_size(Space.from_mapping(space)) == 10**9
