"""The four algorithms by name, and as oracles for keras-tuner's own tuners.

An algorithm is a pure function of its setup and the trials so far, so that a search that was broken off proposes what
an unbroken one would have. The oracles are keras-tuner's, with this function in place of what theirs get wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import keras_tuner as kt

from tuning import bayesian_search, grid_search, hyperband, random_search
from tuning.algorithm import WAIT, Setup
from tuning.keras_space import from_keras
from tuning.space import Space, Values
from tuning.trial import Proposal, Trial
from zoo.errors import ConfigError, nearest

Propose = Callable[[Setup, Sequence[Trial], int], Proposal | object | None]

ALGORITHMS: Mapping[str, Propose] = {
    "random": random_search.propose,
    "grid": grid_search.propose,
    "bayesian": bayesian_search.propose,
    "hyperband": hyperband.propose,
}
# What keras-tuner's Hyperband keeps among the user's values.
_KEPT = "tuner/"


@dataclass(frozen=True)
class Algorithm:
    """One way to search.

    Attributes:
        name: of the algorithm.
        setup: what it goes by.
    """

    name: str
    setup: Setup

    def propose(self, trials: Sequence[Trial], index: int) -> Proposal | object | None:
        """Return what trial `index` is to try.

        Args:
            trials: proposed so far, in order of their numbers.
            index: number of the trial.

        Returns:
            The proposal, the same for the same trials; None where every combination was tried; `WAIT` where it takes
            the score of a running trial.
        """
        return ALGORITHMS[self.name](self.setup, trials, index)

    def ahead(self, trials: Sequence[Trial]) -> int | None:
        """Return how many proposals are no worse for not knowing what becomes of those before; None for all."""
        if self.name in ("random", "grid"):
            return None
        return max(1, bayesian_search.num_initial(self.setup) - len(trials)) if self.name == "bayesian" else 1


def make_algorithm(
    name: str,
    space: Space,
    *,
    direction: str,
    seed: int,
    max_trials: int | None = None,
    max_epochs: int | None = None,
    start: Sequence[Values] = (),
) -> Algorithm:
    """Return an algorithm.

    Args:
        name: "random", "grid", "bayesian" or "hyperband".
        space: what may be tried.
        direction: "min" or "max" of the score.
        seed: any whole number; 0 is one as well.
        max_trials: the budget, None where only time or the space ends the search.
        max_epochs: of hyperband, those of a trial that is never given up.
        start: combinations to try before those of the space's own `start`.

    Raises:
        ConfigError: unknown name or direction, an impossible number, or a start combination outside the space.

    Example:
        >>> space = Space.from_mapping({"space": {"l2": [0.0, 0.01]}})
        >>> make_algorithm("grid", space, direction="min", seed=0).propose([], 0).values
        {'l2': 0.0}
    """
    faults = []
    if name not in ALGORITHMS:
        faults.append(
            f"algorithm must be one of {', '.join(ALGORITHMS)}; received {name!r}.{nearest(name, ALGORITHMS)}"
        )
    if direction not in ("min", "max"):
        faults.append(f"direction must be min or max; received {direction!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        faults.append(f"seed must be a whole number; received {seed!r}")
    if name == "hyperband" and max_epochs is None:
        faults.append("hyperband needs max_epochs, those of a trial that is never given up")
    for what, number in (("max_trials", max_trials), ("max_epochs", max_epochs)):
        if number is not None and number < 1:
            faults.append(f"{what} must be at least 1; received {number}")
    if faults:
        raise ConfigError("\n".join(faults))
    if start:
        space = space.with_start([*start, *space.start])
    return Algorithm(name, Setup(space, direction, seed, max_trials, max_epochs))


class _Repeatable(kt.Oracle):
    """What all four oracles do otherwise than keras-tuner's."""

    def __init__(self, *args: object, seed: int | None = None, **kwargs: object):
        super().__init__(*args, seed=seed, **kwargs)
        # there, 0 counts as none
        self.seed = self.seed if seed is None else seed

    def _record_values(self, trial: object) -> None:
        """Leave a trial's values alone.

        keras-tuner draws the value of a name anew, without a seed, where it stands under two conditions; and it notes
        what was tried, which is known from the trials here.
        """


class RandomSearch(_Repeatable, kt.oracles.RandomSearchOracle):
    """keras-tuner's random search with seed 0, seeded conditional values, and every combination before it stops."""

    def populate_space(self, trial_id: str) -> dict[str, object]:
        """Return keras-tuner's answer: a status and values."""
        return _answer(self, "random", trial_id, self.max_trials)


class GridSearch(_Repeatable, kt.oracles.GridSearchOracle):
    """keras-tuner's grid search that resumes, and whose ranges include both ends."""

    def populate_space(self, trial_id: str) -> dict[str, object]:
        """Return keras-tuner's answer: a status and values."""
        return _answer(self, "grid", trial_id, self.max_trials)


class BayesianOptimization(_Repeatable, kt.oracles.BayesianOptimizationOracle):
    """keras-tuner's Bayesian search: failures are failures, choices one-hot, nothing twice, proposals quick."""

    def populate_space(self, trial_id: str) -> dict[str, object]:
        """Return keras-tuner's answer: a status and values."""
        return _answer(self, "bayesian", trial_id, self.max_trials)


class Hyperband(_Repeatable, kt.oracles.HyperbandOracle):
    """keras-tuner's Hyperband that promotes on small spaces too."""

    def populate_space(self, trial_id: str) -> dict[str, object]:
        """Return keras-tuner's answer: a status and values, its own for epochs among them."""
        sweeps = None if self.hyperband_iterations == float("inf") else self.hyperband_iterations
        trials = None if sweeps is None else hyperband.num_trials(self.max_epochs, sweeps)
        return _answer(self, "hyperband", trial_id, trials, max_epochs=self.max_epochs)


def _answer(
    oracle: kt.Oracle, name: str, trial_id: str, max_trials: int | None, *, max_epochs: int | None = None
) -> dict[str, object]:
    """Return what an algorithm proposes, in the words of keras-tuner."""
    if not oracle.hyperparameters.space:
        # the first trial brings to light what its build function asks for
        return {"status": "STOPPED" if oracle.trials else "RUNNING", "values": {}}
    space = from_keras(oracle.hyperparameters)
    algorithm = make_algorithm(
        name,
        space,
        direction=oracle.objective.direction,
        seed=oracle.seed,
        max_trials=max_trials,
        max_epochs=max_epochs,
    )
    proposal = algorithm.propose([_trial(trial) for trial in oracle.trials.values()], int(trial_id))
    if proposal is None:
        return {"status": "STOPPED", "values": None}
    if proposal is WAIT:
        return {"status": "IDLE", "values": None}
    return {"status": "RUNNING", "values": dict(proposal.values) | _kept(oracle, proposal)}


def _kept(oracle: kt.Oracle, proposal: Proposal) -> dict[str, object]:
    if proposal.epochs is None:
        return {}
    kept = {"epochs": proposal.epochs, "initial_epoch": 0, "bracket": proposal.bracket, "round": proposal.round}
    if proposal.continues is not None:
        trial_id = list(oracle.trials)[proposal.continues]
        initial = oracle.trials[trial_id].hyperparameters.values[f"{_KEPT}epochs"]
        kept |= {"trial_id": trial_id, "initial_epoch": initial}
    return {f"{_KEPT}{word}": value for word, value in kept.items()}


def _trial(trial: object) -> Trial:
    """Return a trial of keras-tuner's as one of ours."""
    values = trial.hyperparameters.values
    own = {name: value for name, value in values.items() if not name.startswith(_KEPT)}
    continues = values.get(f"{_KEPT}trial_id")
    proposal = Proposal(
        own,
        epochs=values.get(f"{_KEPT}epochs"),
        continues=None if continues is None else int(continues),
        bracket=values.get(f"{_KEPT}bracket"),
        round=values.get(f"{_KEPT}round"),
    )
    status = {"RUNNING": "running", "COMPLETED": "completed"}.get(trial.status, "failed")
    return Trial(int(trial.trial_id), proposal, status, trial.score)
