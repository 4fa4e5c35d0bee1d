"""Bayesian search: it learns, repeats itself, stays in its space, and takes failures for failures."""

import math
import random
import time

import numpy as np
import pytest

from tuning.algorithm import Setup
from tuning.bayesian_search import num_initial, propose, steps
from tuning.encoding import encode
from tuning.space import Space, key_of
from tuning.surrogate import as_targets
from tuning.trial import Trial

BOWL = Space.from_mapping({"space": {name: {"low": -1.0, "high": 1.0} for name in "xy"}})
TREE = Space.from_mapping(
    {
        "space": {
            "optimizer": ["adam", "sgd", "muon"],
            "rate": {"low": 1e-5, "high": 1.0, "scale": "log"},
            "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": ["sgd"]}},
            "layers": {"type": "int", "low": 1, "high": 30},
            "epochs": 20,
        },
        "constraints": ["layers < 20 or rate < 0.1"],
    }
)


def bowl(values) -> float:
    """Return a score that is best, 0, at (0.3, -0.4)."""
    return (values["x"] - 0.3) ** 2 + (values["y"] + 0.4) ** 2


def run(setup: Setup, score, count: int) -> list[Trial]:
    """Return so many trials, or fewer where the space is used up; a score of None is a failure."""
    trials: list[Trial] = []
    while len(trials) < count and (proposal := propose(setup, trials, len(trials))) is not None:
        found = score(proposal.values)
        trials.append(Trial(len(trials), proposal, "failed" if found is None else "completed", found))
    return trials


@pytest.mark.parametrize("direction", ["min", "max"])
def test_it_finds_the_bottom_of_a_bowl(direction):
    """20 trials come within 0.03 of the best point, in either direction; random ones would not within 400."""
    sign = 1 if direction == "min" else -1
    trials = run(Setup(BOWL, direction, 0, max_trials=20), lambda values: sign * bowl(values), 20)
    assert min(bowl(trial.proposal.values) for trial in trials) < 0.001


def test_the_unit_of_a_score_does_not_count():
    """Another unit and the other direction lead to the same trials, bit for bit."""
    plain = run(Setup(BOWL, "min", 0, max_trials=12), bowl, 12)
    # a power of two, which floats take without rounding
    other = run(Setup(BOWL, "max", 0, max_trials=12), lambda values: -1024 * bowl(values), 12)
    assert [trial.proposal for trial in plain] == [trial.proposal for trial in other]


def test_any_break_goes_on_the_same():
    """A proposal is a function of setup, trials and index: asked anew it is the same, bit for bit."""
    setup = Setup(TREE, "min", 0, max_trials=14)
    trials = run(setup, lambda values: values["rate"] * values["layers"], 14)
    for number in (0, 3, 7, 13):
        assert propose(setup, trials[:number], number) == trials[number].proposal


def test_proposals_keep_conditions_and_constraints():
    """Whatever it learns, each proposal is a complete combination of the space."""
    for trial in run(Setup(TREE, "max", 0, max_trials=15), lambda values: values["rate"] * values["layers"], 15):
        values = trial.proposal.values
        assert ("momentum" in values) == (values["optimizer"] == "sgd")
        assert TREE.allows(values) and values["epochs"] == 20 and isinstance(values["layers"], int)


def test_a_finite_space_is_used_up_without_repeats():
    """All nine combinations come once, then it is said that there are no more."""
    space = Space.from_mapping({"space": {"a": [1, 2, 3], "b": ["x", "y", "z"]}})
    trials = run(Setup(space, "min", 0), lambda values: values["a"], 50)
    assert len(trials) == 9 == len({key_of(trial.proposal.values) for trial in trials})


@pytest.mark.parametrize("broken", [math.nan, -math.inf])
def test_failures_are_worse_than_the_worst(broken):
    """A region of failures is left, also where the failure is an infinite score in the good direction."""
    score = lambda values: broken if values["x"] > 0 else bowl(values)  # noqa: E731
    trials = run(Setup(BOWL, "min", 0, max_trials=18), score, 18)
    late = [trial.proposal.values["x"] for trial in trials[9:]]
    assert sum(x > 0.1 for x in late) <= 3


def test_a_search_that_only_fails_goes_on_at_random():
    """Without two scores there is nothing to learn, and no error."""
    trials = run(Setup(BOWL, "min", 0, max_trials=10), lambda values: None, 10)
    assert len({key_of(trial.proposal.values) for trial in trials}) == 10


def test_equal_scores_are_no_error():
    """Scores without any difference leave the search where it may go anywhere."""
    assert len(run(Setup(BOWL, "min", 0, max_trials=8), lambda values: 1.0, 8)) == 8


def test_running_trials_are_not_proposed_again_nor_beside():
    """While trials run, the next proposals keep away from them, as far as the model knows better."""
    setup = Setup(BOWL, "min", 0, max_trials=20)
    trials = run(setup, bowl, 12)
    for _ in range(4):
        trials.append(Trial(len(trials), propose(setup, trials, len(trials)), "running"))
    running = encode(BOWL, [trial.proposal.values for trial in trials[12:]])
    distances = [np.linalg.norm(a - b) for at, a in enumerate(running) for b in running[:at]]
    assert min(distances) > 1e-3


@pytest.mark.parametrize("budget", [4, 10, 12, 80, None])
def test_initial_points_fit_the_budget(budget):
    """At most a quarter of the trials fill the space, so that small budgets are modelled too."""
    assert num_initial(Setup(TREE, "min", 0, max_trials=budget)) <= max((budget or 99) // 4, 3)


def test_initial_points_fill_each_range():
    """Each quarter of each range has one of the first four points."""
    space = Space.from_mapping({"space": {name: {"low": 0.0, "high": 1.0} for name in "abcd"}})
    first = run(Setup(space, "min", 0, max_trials=40), lambda values: 1.0, 4)
    for name in "abcd":
        assert sorted(int(trial.proposal.values[name] * 4) for trial in first) == [0, 1, 2, 3]


def test_unordered_choices_are_equally_far_apart():
    """One-hot columns know no order; ordered choices have neighbours."""
    space = Space.from_mapping({"space": {"optimizer": ["adam", "sgd", "muon"]}})
    a, b, c = encode(space, [{"optimizer": name} for name in ("adam", "sgd", "muon")])
    assert np.linalg.norm(a - b) == np.linalg.norm(a - c) == np.linalg.norm(b - c) == pytest.approx(1)
    ordered = Space.from_mapping({"space": {"batch": {"values": [8, 16, 512]}}})
    assert np.diff(encode(ordered, [{"batch": size} for size in (8, 16, 512)])[:, 0]) == pytest.approx([1 / 3, 1 / 3])


def test_nothing_may_be_one_of_the_values():
    """None stands for a value of a choice like any other, ordered or not."""
    for ordered in (True, False):
        space = Space.from_mapping({"space": {"dropout": {"values": [None, 0.2, 0.5], "ordered": ordered}}})
        rows = encode(space, [{"dropout": value} for value in (None, 0.2, 0.5)])
        assert len({tuple(row) for row in rows.tolist()}) == 3


def test_inactive_hyperparameters_make_no_distance():
    """Two combinations that differ only in what one has and the other has not, differ by the parent alone."""
    rows = encode(TREE, [{"optimizer": "adam", "rate": 0.1, "layers": 3, "epochs": 20} for _ in range(2)])
    assert (rows[0] == rows[1]).all() and rows.shape == (2, 3 + 1 + 1 + 1)


def test_an_inactive_choice_has_no_column_set():
    """Where a choice is not there, none of its values is."""
    conditional = {"values": ["x", "y", "z"], "when": {"a": [1]}}
    space = Space.from_mapping({"space": {"a": {"values": [0, 1]}, "b": conditional}})
    rows = encode(space, [{"a": 0}, {"a": 1, "b": "x"}])
    assert rows[:, 1:].sum(axis=1) == pytest.approx([0, 0.5**0.5])


def test_steps_differ_in_one_hyperparameter_and_its_children():
    """A step to another optimizer brings its momentum along, or leaves it behind."""
    values = {"optimizer": "sgd", "rate": 0.01, "momentum": 0.5, "layers": 3, "epochs": 20}
    for stepped in steps(TREE, values, random.Random(0)):
        changed = {name for name in values if values[name] != stepped.get(name)}
        assert changed <= {"optimizer", "momentum"} or len(changed) == 1
        assert ("momentum" in stepped) == (stepped["optimizer"] == "sgd")


@pytest.mark.parametrize(
    "losses",
    [
        [0.5, None, 1e30, 2.0, 0.7],
        [-0.9, None, -0.1, -0.5],
        [1.0, None, 1.0],
        [1.0, None, 2.0],
        [1e-30, None, 1e-20, 1e-9],
    ],
)
def test_failed_losses_are_beyond_the_worst(losses):
    """A failure is above every score, however bad or alike these are; their order stays."""
    targets = as_targets(losses)
    assert targets.argmax() == 1 and np.isfinite(targets).all()
    scores = [loss for loss in losses if loss is not None]
    assert (np.diff(np.delete(targets, 1)[np.argsort(scores, kind="stable")]) >= 0).all()


@pytest.mark.slow
def test_proposals_stay_quick_after_many_trials():
    """After 700 trials in 12 dimensions a proposal costs less than two seconds of a core."""
    space = Space.from_mapping({"space": {f"x{at}": {"low": 0.0, "high": 1.0} for at in range(12)}})
    rng, trials = random.Random(0), []
    for number in range(700):
        values = space.draw(rng)
        trials.append(
            Trial(number, type(propose(Setup(space, "min", 0), [], 0))(values), "completed", sum(values.values()))
        )
    started = time.process_time()
    assert propose(Setup(space, "min", 0), trials, 700) is not None
    assert time.process_time() - started < 2
