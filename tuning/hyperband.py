"""Hyperband: many trials get few epochs, the best of them go on with more.

Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, 2018, https://arxiv.org/abs/1603.06560; sizes and epochs are those of
keras-tuner. A bracket is smaller where the trials, or the combinations of the space, are too few for it: it still goes
through all of its rounds.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tuning.algorithm import WAIT, Setup, is_scored, losses, new_values, start_values, tried
from tuning.space import Values
from tuning.trial import Proposal, Trial

FACTOR = 3


@dataclass(frozen=True)
class Round:
    """How many trials a round of a bracket has, and the epochs to which it trains them."""

    size: int
    epochs: int


def plan(max_epochs: int, max_trials: int | None) -> Iterator[tuple[Round, ...]]:
    """Return the brackets, the one that gives up most trials first; without `max_trials` there is no end to them.

    Args:
        max_epochs: of the last round of each bracket.
        max_trials: of all brackets; each trial of each round counts.

    Example:
        >>> [[(r.size, r.epochs) for r in rounds] for rounds in plan(9, 12)]
        [[(8, 1), (3, 3), (1, 9)]]
    """
    most = int(math.log(max_epochs, FACTOR) + 1e-9)
    left = math.inf if max_trials is None else max_trials
    for halvings in cycle(range(most, -1, -1)):
        epochs = [math.ceil(max_epochs / FACTOR**step) for step in range(halvings, -1, -1)]
        last = math.ceil(1 + math.log(max_epochs, FACTOR)) / (halvings + 1)
        sizes = [math.ceil(last * FACTOR**step) for step in range(halvings, -1, -1)]
        if sum(sizes) > left:
            sizes = _fitting(int(left), halvings + 1)
        if not sizes:
            return
        left -= sum(sizes)
        yield tuple(Round(*pair) for pair in zip(sizes, epochs[-len(sizes) :], strict=True))


def num_trials(max_epochs: int, sweeps: int) -> int:
    """Return how many trials there are where each kind of bracket is gone through so many times."""
    kinds = int(math.log(max_epochs, FACTOR) + 1e-9) + 1
    return sum(each.size for rounds in islice(plan(max_epochs, None), kinds * sweeps) for each in rounds)


def _fitting(trials: int, rounds: int) -> list[int]:
    """Return the sizes of a bracket of at most so many trials, in as many rounds as leave trials to give up in each."""
    for num_rounds in range(rounds, 0, -1):
        for first in range(trials, 0, -1):
            sizes = [round(first / FACTOR**step) for step in range(num_rounds)]
            if sizes[-1] >= 1 and sum(sizes) <= trials:
                return sizes
    return []


def propose(setup: Setup, trials: Sequence[Trial], index: int) -> Proposal | object | None:
    """Return what trial `index` is to try.

    Args:
        setup: of the search; `max_epochs` is that of a trial that is never given up.
        trials: proposed so far, with their scores.
        index: number of the trial.

    Returns:
        The proposal; WAIT where that takes the score of a running trial; None when there is nothing left to try.
    """
    by_place: dict[tuple, list[Trial]] = {}
    for trial in trials:
        by_place.setdefault((trial.proposal.bracket, trial.proposal.round), []).append(trial)
    for number, rounds in enumerate(plan(setup.max_epochs, setup.max_trials)):
        by_round = [by_place.get((number, at), []) for at in range(len(rounds))]
        if len(by_round[0]) < rounds[0].size:
            values = _fresh(setup, trials, index)
            if values is not None:
                return Proposal(dict(values), epochs=rounds[0].epochs, bracket=number, round=0)
            # the space is used up: this bracket goes on with what it has, and a further one would have nothing
            if not by_round[0]:
                break
        best, at = _promotable(setup, rounds, by_round)
        if best is not None:
            # a trial may have had more already, where the plan was for fewer trials when it began
            epochs = max(rounds[at].epochs, best.proposal.epochs or 0)
            return Proposal(best.proposal.values, epochs=epochs, continues=best.number, bracket=number, round=at)
    return WAIT if any(trial.status == "running" for trial in trials) else None


def _fresh(setup: Setup, trials: Sequence[Trial], index: int) -> Values | None:
    known = tried(trials)
    return start_values(setup, known) or new_values(setup.space, known, setup.generator("hyperband", index))


def _promotable(setup: Setup, rounds: Sequence[Round], by_round: Sequence[Sequence[Trial]]) -> tuple[Trial | None, int]:
    """Return a trial that is among the best of its round whatever the running ones will give, and its next round."""
    size, is_closed = len(by_round[0]), True
    for at in range(1, len(rounds)):
        past, here = by_round[at - 1], by_round[at]
        wanted = math.ceil(size * rounds[at].size / rounds[at - 1].size)
        taken = {trial.proposal.continues for trial in here}
        free = [trial for trial in past if trial.status != "running" and trial.number not in taken]
        good = [trial for trial in free if trial.status == "completed" and is_scored(trial)]
        if len(here) < wanted and good and len(free) > size - wanted:
            return min(good, key=lambda trial: losses(setup, [trial])[0]), at
        # failures may leave less to promote than was planned; the next round is smaller then
        is_used_up = is_closed and not good and all(trial.status != "running" for trial in past)
        is_closed = len(here) >= wanted or is_used_up
        size = len(here) if is_closed else wanted
    return None, 0
