"""What all algorithms share: the setup they go by, and what they answer when there is nothing to try."""

import random
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from tuning.dimensions import count
from tuning.space import Space, Values, key_of
from tuning.trial import Proposal, Trial

# Spaces up to this size are listed when draws give nothing new.
MAX_LISTED = 50_000
_QUICK_DRAWS = 100
_MANY_DRAWS = 5_000


class _Answer(Enum):
    WAIT = "wait"


# There is nothing to try until a running trial has finished.
WAIT: Final = _Answer.WAIT


@dataclass(frozen=True)
class Setup:
    """What a search was started with.

    Attributes:
        space: what may be tried.
        direction: "min" or "max" of the score.
        seed: any whole number, 0 among them.
        max_trials: how many there will be at most; None where only time or the space ends the search.
        max_epochs: of hyperband, those of a trial that is never given up.
    """

    space: Space
    direction: Literal["min", "max"]
    seed: int
    max_trials: int | None = None
    max_epochs: int | None = None

    def generator(self, purpose: str, index: int) -> random.Random:
        """Return the source of chance of one proposal, the same whenever it is asked for."""
        return random.Random(f"{purpose}/{self.seed}/{index}")


def losses(setup: Setup, trials: Sequence[Trial]) -> list[float | None]:
    """Return each trial's score as a loss, lower is better; None where it has no finite one."""
    sign = 1.0 if setup.direction == "min" else -1.0
    return [sign * trial.score if is_scored(trial) else None for trial in trials]


def is_scored(trial: Trial) -> bool:
    """Return whether a trial has a finite score."""
    has_finished = trial.status in ("completed", "stopped")
    return has_finished and trial.score is not None and abs(trial.score) < float("inf")


def tried(trials: Sequence[Trial]) -> set:
    """Return the keys of all combinations that were proposed."""
    return {trial.proposal.key for trial in trials}


def start_values(setup: Setup, known: Set) -> Values | None:
    """Return the first of the space's start combinations that was not tried, None when all were."""
    for index, given in enumerate(setup.space.start):
        values = setup.space.draw(setup.generator("start", index), given=given)
        if values is not None and key_of(values) not in known:
            return values
    return None


def new_values(space: Space, known: Set, rng: random.Random) -> Values | None:
    """Draw a combination that was not tried, None when there is none left.

    Args:
        space: to draw from.
        known: keys of what was tried.
        rng: source of the draws.
    """
    for _ in range(_QUICK_DRAWS):
        values = space.draw(rng)
        if values is not None and key_of(values) not in known:
            return values
    if space.is_finite() and upper_size(space) <= MAX_LISTED:
        left = [values for values in space.combinations() if key_of(values) not in known]
        return rng.choice(left) if left else None
    for _ in range(_MANY_DRAWS):
        values = space.draw(rng)
        if values is not None and key_of(values) not in known:
            return values
    return None


def upper_size(space: Space) -> int:
    """Return how many combinations a space would have without conditions and constraints."""
    size = 1
    for dimension in space.dimensions:
        size *= count(dimension) or 1
    return size


def as_proposal(values: Values | None) -> Proposal | None:
    """Return a proposal of values, None where there are none."""
    return None if values is None else Proposal(dict(values))
