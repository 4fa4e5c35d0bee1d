"""Random search: repeatable, never twice, and the whole space before it stops."""

from itertools import product

import pytest

from tuning.algorithm import Setup
from tuning.random_search import propose
from tuning.space import Space, key_of
from tuning.trial import Trial

SMALL = Space.from_mapping({"space": {"a": [1, 2, 3], "b": {"values": ["x", "y"], "when": {"a": [1, 2]}}}})
WIDE = Space.from_mapping({"space": {"rate": {"low": 1e-5, "high": 0.1, "scale": "log"}, "b": ["x", "y"]}})


def run(setup: Setup, count: int) -> list[Trial]:
    """Return so many trials, or fewer where the space is used up."""
    trials: list[Trial] = []
    while len(trials) < count and (proposal := propose(setup, trials, len(trials))) is not None:
        trials.append(Trial(len(trials), proposal, "completed", 0.0))
    return trials


@pytest.mark.parametrize("seed", [0, 1, -3, 2**70])
def test_a_seed_repeats_its_search(seed):
    """Any whole number is a seed, 0 too."""
    first, second = (run(Setup(WIDE, "min", seed), 10) for _ in range(2))
    assert first == second


def test_seeds_differ():
    """Seed 0 is no other seed's search."""
    first, second = (run(Setup(WIDE, "min", seed), 5) for seed in (0, 1))
    assert first != second


def test_a_small_space_is_used_up_without_repeats():
    """All five combinations come once, then it is said that there are no more."""
    trials = run(Setup(SMALL, "min", 0), 100)
    assert len({key_of(trial.proposal.values) for trial in trials}) == len(trials) == 5


def test_rare_combinations_are_found_before_the_end():
    """What a draw meets once in a thousand times is tried too."""
    branch = {f"c{at}": {"values": list(range(10)), "when": {"a": [0]}} for at in range(2)}
    space = Space.from_mapping({"space": {"a": [0, 1], **branch}, "constraints": ["c0 + c1 > 15"]})
    expected = 1 + sum(a + b > 15 for a, b in product(range(10), repeat=2))
    assert len(run(Setup(space, "min", 0), 200)) == expected


def test_the_last_combination_of_many_is_found():
    """Where draws give nothing new any more, what is left is listed."""
    space = Space.from_mapping({"space": {"a": list(range(300))}})
    assert len(run(Setup(space, "min", 0), 400)) == 300


def test_proposals_do_not_depend_on_scores():
    """A trial that failed or still runs is as good as one that has ended."""
    trials = run(Setup(WIDE, "min", 3), 4)
    others = [
        Trial(trial.number, trial.proposal, status)
        for trial, status in zip(trials, ["failed", "running"] * 2, strict=True)
    ]
    assert propose(Setup(WIDE, "min", 3), trials, 4) == propose(Setup(WIDE, "min", 3), others, 4)


def test_start_values_come_first_and_once():
    """Known-good values are tried before any draw; what they leave open is drawn by the seed."""
    space = WIDE.with_start([{"rate": 0.01}, {"rate": 0.001, "b": "y"}])
    trials = run(Setup(space, "min", 0), 4)
    assert [trial.proposal.values["rate"] for trial in trials[:2]] == [0.01, 0.001]
    assert trials[1].proposal.values["b"] == "y" and trials[2].proposal.values["rate"] not in (0.01, 0.001)


def test_draws_follow_the_scale():
    """On a log scale from 1e-5 to 0.1, half of 400 draws are below 1e-3, within five standard deviations."""
    rates = [trial.proposal.values["rate"] for trial in run(Setup(WIDE, "min", 0), 400)]
    assert abs(sum(rate < 1e-3 for rate in rates) - 200) < 50
