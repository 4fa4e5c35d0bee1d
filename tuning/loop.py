"""The loop of a search: propose, write down, run, write down; until the budget or the space is used up."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tuning.algorithm import WAIT
from tuning.job import Job
from tuning.medians import median_curve
from tuning.ranking import TOP, leaders
from tuning.seeds import trial_seed
from tuning.study import Study
from tuning.trial import Proposal, Trial
from zoo.errors import RunStateError

# A search of which the first trials all fail is not made better by more of them.
ALL_FAILED = 5


class Algorithm(Protocol):
    """Proposes trials."""

    def propose(self, trials: Sequence[Trial], index: int) -> Proposal | None:
        """Return what trial `index` is to try: None for nothing any more, WAIT for nothing yet."""


class Executor(Protocol):
    """Runs jobs, `slots` at a time, of which `busy` are not done."""

    slots: int
    busy: int

    def submit(self, job: Job) -> None:
        """Take a job on; fewer than `slots` are at work."""

    def results(self) -> Iterator[Trial]:
        """Yield trials that have ended; at least one where any is at work."""


@dataclass(frozen=True)
class Budget:
    """How much a search may take, over all calls.

    Attributes:
        max_trials: of the search, without those that are run again.
        max_seconds: after which no trial is begun.
    """

    max_trials: int | None = None
    max_seconds: float | None = None


@dataclass(frozen=True)
class Loop:
    """One call of a search on a study.

    Attributes:
        study: claimed by this process.
        algorithm: proposes.
        executor: runs.
        budget: of the whole study.
        on_end: called with each trial that has ended.
        ends_hopeless: whether the median rule is used.
        prune: called after each trial that has ended, to remove what is not kept.
    """

    study: Study
    algorithm: Algorithm
    executor: Executor
    budget: Budget
    on_end: Callable[[Trial], None] = lambda trial: None
    ends_hopeless: bool = False
    prune: Callable[[], None] = lambda: None
    _before: float = field(default=0.0, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self):
        object.__setattr__(self, "_before", self.study.spent_seconds)

    @property
    def spent(self) -> float:
        """Seconds that the study took, this call with it."""
        return self._before + time.monotonic() - self._started

    def search(self) -> str:
        """Run trials until there is a reason to stop; return the reason.

        Raises:
            RunStateError: none of the first trials could be run.
        """
        waiting = [trial for trial in self.study.unfinished if not trial.repeat]
        self.prune()
        while True:
            reason = self._fill(waiting)
            if not self.executor.busy:
                return reason
            for trial in self.executor.results():
                self._ended(trial, waiting)

    def repeat(self, count: int) -> None:
        """Run the best trials again, each with `count` fresh seeds."""
        best = leaders(self.study)
        waiting = [
            Trial(trial.number, _whole(trial.proposal), "running", repeat=again, seed=self._seed(trial, again))
            for again in range(1, count + 1)
            for trial in best
            if all(found.repeat != again or found.status == "running" for found in self.study.repeats_of(trial.number))
        ]
        while waiting or self.executor.busy:
            while waiting and self.executor.busy < self.executor.slots:
                self._begin(waiting.pop(0))
            for trial in self.executor.results():
                self._ended(trial, waiting)

    def _fill(self, waiting: list[Trial]) -> str:
        """Give the executor work; return why there is no more, where there is none."""
        while self.executor.busy < self.executor.slots:
            trial, reason = self._next(waiting)
            if trial is None:
                return reason
            self._begin(trial)
        return ""

    def _next(self, waiting: list[Trial]) -> tuple[Trial | None, str]:
        if waiting:
            return waiting.pop(0), ""
        trials = self.study.trials
        number, most = len(trials), self.budget.max_trials
        if most is not None and number >= most:
            return None, f"all {most:,} trials are done"
        if self.budget.max_seconds is not None and self.spent >= self.budget.max_seconds:
            return None, f"{self.budget.max_seconds / 60:g} minutes are over"
        proposal = self.algorithm.propose(trials, number)
        if proposal is None:
            return None, f"there is nothing left to try after {number:,} trials"
        if proposal is WAIT:
            return None, "waiting"
        return Trial(number, proposal, "running", seed=self._seed_of(number, proposal)), ""

    def _seed_of(self, number: int, proposal: Proposal) -> int:
        # what goes on with another trial has its seed, for it has its weights and its order of examples
        of = number if proposal.continues is None else proposal.continues
        return self.study.trials[of].seed if of != number else trial_seed(self.study.about["seed"], number)

    def _seed(self, trial: Trial, again: int) -> int:
        return trial_seed(self.study.about["seed"], trial.number, again)

    def _begin(self, trial: Trial) -> None:
        self.study.begin(trial)
        best = leaders(self.study)
        cost = self.study.objective.cost(best[-1].score) if len(best) >= TOP else float("inf")
        curve = median_curve(self.study.trials) if self.ends_hopeless and not trial.repeat else None
        keep_under = float("-inf") if trial.repeat else cost
        self.executor.submit(Job(trial, keep_under, curve[1] if curve else ()))

    def _ended(self, trial: Trial, waiting: list[Trial]) -> None:
        trial = self.study.end(trial, spent=self.spent)
        self.prune()
        self.on_end(trial)
        if trial.status == "running":
            waiting.insert(0, trial)
        trials = self.study.trials
        failed = [one for one in trials if one.status == "failed"]
        if len(failed) >= ALL_FAILED and not any(one.status in ("completed", "stopped") for one in trials):
            raise RunStateError(f"the first {len(failed)} trials all failed; the last of them: {failed[-1].error}")


def _whole(proposal: Proposal) -> Proposal:
    """Return a proposal that trains as `finetune fit` would: from the beginning, through all epochs."""
    return replace(proposal, epochs=None, continues=None)
