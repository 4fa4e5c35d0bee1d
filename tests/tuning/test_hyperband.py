"""Hyperband: sizes, promotions, small spaces, failures, and what it does while trials run."""

from itertools import islice

import pytest

from tuning.algorithm import WAIT, Setup
from tuning.hyperband import plan, propose
from tuning.space import Space, key_of
from tuning.trial import Trial

WIDE = Space.from_mapping({"space": {"x": {"low": 0.0, "high": 1.0}}})
SIX = Space.from_mapping({"space": {"x": [1, 2, 3], "y": ["a", "b"]}})


def run(setup: Setup, *, failing=lambda values: False, limit: int = 500) -> list[Trial]:
    """Return the trials of a whole search; the score is x."""
    trials: list[Trial] = []
    while len(trials) < limit and (proposal := propose(setup, trials, len(trials))) is not None:
        failed = failing(proposal.values)
        trial = Trial(
            len(trials), proposal, "failed" if failed else "completed", None if failed else proposal.values["x"]
        )
        trials.append(trial)
    return trials


def test_brackets_are_those_of_the_paper():
    """With 81 epochs and factor 3 the first bracket halves four times from 1 epoch on."""
    first = next(plan(81, None))
    assert [each.epochs for each in first] == [1, 3, 9, 27, 81] and first[0].size == 81 and first[-1].size == 1


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 12, 30, 100])
def test_plans_fit_the_budget_and_reach_all_epochs(budget):
    """Every bracket ends with trials that are never given up, and together they are no more trials than asked for."""
    brackets = list(plan(60, budget))
    assert sum(each.size for rounds in brackets for each in rounds) <= budget
    assert all(rounds[-1].epochs == 60 and rounds[-1].size >= 1 for rounds in brackets)


def test_the_best_of_a_round_go_on_where_they_stopped():
    """A promoted trial has the values of an earlier one, names it, and has more epochs."""
    trials = run(Setup(WIDE, "max", 0, max_trials=18, max_epochs=9))
    first = sorted((t for t in trials if t.proposal.round == 0), key=lambda t: -t.score)
    promoted = [t for t in trials if t.proposal.round == 1]
    assert {t.proposal.continues for t in promoted} == {t.number for t in first[: len(promoted)]}
    for trial in (t for t in trials if t.proposal.continues is not None):
        before = trials[trial.proposal.continues].proposal
        assert trial.proposal.values == before.values and trial.proposal.epochs > before.epochs


def test_a_small_space_is_promoted_to_the_end():
    """Six combinations fill no bracket, and still the best of them gets all epochs."""
    trials = run(Setup(SIX, "min", 0, max_trials=100, max_epochs=9))
    assert len({key_of(t.proposal.values) for t in trials}) == 6
    assert max(t.proposal.epochs for t in trials) == 9 and trials[-1].proposal.values["x"] == 1


def test_failures_are_not_promoted_and_do_not_block():
    """Where most trials of a round fail, the next rounds are smaller, and the search goes on to its end."""
    trials = run(Setup(WIDE, "min", 0, max_trials=40, max_epochs=9), failing=lambda values: values["x"] < 0.8)
    promoted = [t for t in trials if t.proposal.continues is not None]
    assert promoted and all(trials[t.proposal.continues].status == "completed" for t in promoted)
    assert any(t.proposal.epochs == 9 and t.proposal.bracket == 0 for t in promoted)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), None])
def test_scores_that_are_none_are_never_promoted(score):
    """A NaN or an infinite score does not go on, in whichever direction."""
    setup = Setup(WIDE, "min", 0, max_trials=4, max_epochs=3)
    trials: list[Trial] = []
    while (proposal := propose(setup, trials, len(trials))) is not None and len(trials) < 10:
        trials.append(Trial(len(trials), proposal, "completed", score if len(trials) == 1 else 1.0))
    assert 1 not in {t.proposal.continues for t in trials} and len(trials) > 3


def test_running_trials_are_waited_for():
    """Nothing is promoted before it is certain to be among the best; where nothing else is left to begin, one waits."""
    setup = Setup(WIDE, "min", 0, max_trials=4, max_epochs=3)
    assert [each.size for each in next(plan(3, 4))] == [3, 1]
    trials: list[Trial] = []
    for number in range(3):
        trials.append(Trial(number, propose(setup, trials, number), "running"))
    assert propose(setup, trials, 3) is WAIT
    done = [Trial(t.number, t.proposal, "completed", t.proposal.values["x"]) for t in trials]
    assert propose(setup, done[:2] + trials[2:], 3) is WAIT
    assert propose(setup, done, 3).continues == min(done, key=lambda t: t.score).number


def test_any_break_goes_on_the_same():
    """The proposal after each of the first trials does not depend on how the search came there."""
    setup = Setup(WIDE, "min", 0, max_trials=30, max_epochs=27)
    trials = run(setup)
    assert all(propose(setup, trials[:number], number) == trials[number].proposal for number in range(len(trials)))


def test_more_trials_than_planned_at_first():
    """A raised budget fills the first bracket up and goes on; no trial is promoted twice to one round."""
    trials = run(Setup(WIDE, "min", 0, max_trials=12, max_epochs=9))
    setup = Setup(WIDE, "min", 0, max_trials=40, max_epochs=9)
    while (proposal := propose(setup, trials, len(trials))) is not None:
        trials.append(Trial(len(trials), proposal, "completed", proposal.values["x"]))
    continued = [(t.proposal.continues, t.proposal.bracket, t.proposal.round) for t in trials if t.proposal.continues]
    assert len(continued) == len(set(continued)) and 30 <= len(trials) <= 40


def test_without_a_budget_brackets_follow_each_other():
    """A search that only time ends begins anew with the first kind of bracket."""
    brackets = list(islice(plan(9, None), 4))
    assert brackets[0] == brackets[3] and brackets[0] != brackets[1]
