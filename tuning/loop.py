"""The loop of a search: propose, write down, run, write down; until the budget or the space is used up."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tuning.algorithm import WAIT
from tuning.job import Job
from tuning.medians import median_curve
from tuning.ranking import TOP, leaders
from tuning.seeds import trial_seed
from tuning.study import DEATHS, Study
from tuning.trial import Key, Proposal, Trial
from zoo.errors import RunStateError

# A search of which the first trials all fail is not made better by more of them.
ALL_FAILED = 5


class Algorithm(Protocol):
    """Proposes trials."""

    def propose(self, trials: Sequence[Trial], index: int) -> Proposal | None:
        """Return what trial `index` is to try: None for nothing any more, WAIT for nothing yet."""

    def ahead(self, trials: Sequence[Trial]) -> int | None:
        """Return how many proposals are no worse for not knowing what becomes of those before; None for all."""


class Executor(Protocol):
    """Runs jobs, `slots` at a time, of which `busy` are not done.

    Where it runs them `at_once`, it is an `AtOnce`.
    """

    slots: int
    busy: int
    at_once: bool

    def submit(self, job: Job) -> None:
        """Take a job on; fewer than `slots` are at work."""

    def results(self) -> Iterator[Trial]:
        """Yield trials that have ended; at least one where any is at work."""


class AtOnce(Executor, Protocol):
    """Runs all jobs that it was given since it was last done as one; on which they are depend the last bits of each."""

    def together(self, trials: Sequence[Trial]) -> int:
        """Return how many of the trials to come are better given at once; 1 where the first is better alone."""


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
class _Phase:
    """Where trials come from: the search, or the runs with fresh seeds after it.

    Attributes:
        repeats: whether they are runs with fresh seeds.
        make: gives the trial of a key that was not begun (None for the next), or None and why there is none.
        ahead: gives the keys of those that may be run at once.
    """

    repeats: bool
    make: Callable[[Key | None], tuple[Trial | None, str]]
    ahead: Callable[[], Sequence[Key]]


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
        return self._run(waiting, _Phase(False, self._next, self._numbers_ahead))

    def repeat(self, count: int) -> None:
        """Run the best trials again, each with `count` fresh seeds."""
        asked = {
            (trial.number, again): Trial(
                trial.number, _whole(trial.proposal), "running", repeat=again, seed=self._seed(trial, again)
            )
            for again in range(1, count + 1)
            for trial in leaders(self.study)
        }

        def new() -> list[Key]:
            left = [trial for key, trial in asked.items() if self.study.of(key) is None][: self.executor.slots]
            return [trial.key for trial in left[: self.executor.together(left)]]

        waiting = [trial for trial in self.study.unfinished if trial.key in asked]
        if not self.executor.at_once:
            waiting += [asked[key] for key in asked if self.study.of(key) is None]
        self._run(waiting, _Phase(True, lambda key: (asked.get(key), ""), new))

    def _run(self, waiting: list[Trial], phase: _Phase) -> str:
        """Run trials until there is a reason to stop; return the reason.

        Args:
            waiting: begun before, or to be tried again.
            phase: says what comes after them.
        """
        while True:
            reason = self._fill_round(waiting, phase) if self.executor.at_once else self._fill(waiting, phase)
            if not self.executor.busy:
                return reason
            for trial in self.executor.results():
                self._ended(trial, waiting)

    def _fill(self, waiting: list[Trial], phase: _Phase) -> str:
        """Give the executor work; return why there is no more, where there is none."""
        while self.executor.busy < self.executor.slots:
            trial, reason = (waiting.pop(0), "") if waiting else phase.make(None)
            if trial is None:
                return reason
            self.study.begin(trial)
            self.executor.submit(self._job(trial))
        return ""

    def _fill_round(self, waiting: list[Trial], phase: _Phase) -> str:
        """Give the executor a round that was cut off, or a trial alone that is tried again, or a new round."""
        cut_off = [key for key in self.study.round if bool(key[1]) == phase.repeats and self._is_cut_off(key)]
        # a round of which the process dies again and again is run one by one, so that it shows which trial it is
        if cut_off and self.study.round_starts < DEATHS:
            waiting[:] = [trial for trial in waiting if trial.key not in cut_off]
            reason = self._submit(self.study.round, phase)
            if self.executor.busy:
                return reason
        if waiting:
            return self._submit([waiting.pop(0).key], phase)
        return self._submit(list(phase.ahead()) or [None], phase)

    def _is_cut_off(self, key: Key) -> bool:
        """Whether a trial of a round was to run with it and did not end."""
        trial = self.study.of(key)
        return trial is None or trial.status == "running" and trial.attempts == 1

    def _submit(self, keys: Sequence[Key | None], phase: _Phase) -> str:
        """Give the executor trials to run at once, with those that have ended where others of the round did not."""
        members, reason, together = [], "", len(keys) > 1
        ended = [together and self.study.of(key) is not None and not self._is_cut_off(key) for key in keys]
        if together and not all(ended):
            self.study.begin_round(keys)
        for key, has_ended in zip(keys, ended, strict=True):
            trial = key and self.study.of(key)
            if trial is None:
                trial, reason = phase.make(key)
            if trial is None:
                break
            if not has_ended:
                self.study.begin(trial, together=together)
            members.append((trial, has_ended))
        if not all(has_ended for _, has_ended in members):
            for trial, has_ended in members:
                self.executor.submit(self._job(trial, ended=has_ended))
        return reason

    def _numbers_ahead(self) -> list[Key]:
        """Return the keys of the next trials that are better run at once, and may be proposed without each other."""
        trials = list(self.study.trials)
        first, most = len(trials), self.algorithm.ahead(trials)
        count = self.executor.slots if most is None else min(most, self.executor.slots)
        if self.budget.max_trials is not None:
            count = min(count, self.budget.max_trials - first)
        if self.budget.max_seconds is not None:
            count = min(count, self._fitting())
        # hopeless is who is worse than those before
        if count < 2 or self.ends_hopeless:
            return []
        for number in range(first, first + count):
            proposal = self.algorithm.propose(trials, number)
            if not isinstance(proposal, Proposal):
                break
            trials.append(Trial(number, proposal, "running", seed=self._seed_of(number, proposal)))
        return [trial.key for trial in trials[first : first + self.executor.together(trials[first:])]]

    def _fitting(self) -> int:
        """Return how many trials half of the time that is left is enough for, as far as those before tell."""
        seconds = [trial.seconds for trial in self.study.trials if trial.seconds]
        if not seconds:
            return 1
        return max(1, int((self.budget.max_seconds - self.spent) / 2 / statistics.mean(seconds)))

    def _next(self, key: Key | None = None) -> tuple[Trial | None, str]:
        """Propose the next trial; its key may be known before."""
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

    def _job(self, trial: Trial, *, ended: bool = False) -> Job:
        """Return a trial as it is run, with what is known of others."""
        best = leaders(self.study)
        cost = self.study.objective.cost(best[-1].score) if len(best) >= TOP else float("inf")
        curve = median_curve(self.study.trials) if self.ends_hopeless and not trial.repeat else None
        return Job(trial, float("-inf") if trial.repeat or ended else cost, curve[1] if curve else (), ended)

    def _ended(self, trial: Trial, waiting: list[Trial]) -> None:
        trial = self.study.end(trial, spent=self.spent)
        self.prune()
        self.on_end(trial)
        if trial.status == "running":
            waiting.insert(0, trial)
        # of a round, those that fail for one reason may end first
        if self.executor.at_once and self.executor.busy:
            return
        trials = self.study.trials
        failed = [one for one in trials if one.status == "failed"]
        if len(failed) >= ALL_FAILED and not any(one.status in ("completed", "stopped") for one in trials):
            raise RunStateError(f"the first {len(failed)} trials all failed; the last of them: {failed[-1].error}")


def _whole(proposal: Proposal) -> Proposal:
    """Return a proposal that trains as `finetune fit` would: from the beginning, through all epochs."""
    return replace(proposal, epochs=None, continues=None)
