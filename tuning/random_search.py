"""Random search: independent draws, none of them twice."""

from collections.abc import Sequence

from tuning.algorithm import Setup, as_proposal, new_values, start_values, tried
from tuning.trial import Proposal, Trial


def propose(setup: Setup, trials: Sequence[Trial], index: int) -> Proposal | None:
    """Return what trial `index` is to try, None when every combination was.

    Args:
        setup: of the search.
        trials: proposed so far; their scores do not matter.
        index: number of the trial.
    """
    known = tried(trials)
    values = start_values(setup, known)
    return as_proposal(values or new_values(setup.space, known, setup.generator("random", index)))
