"""Trials that learn as one where their heads can: in groups of those that differ in numbers only."""

import time
import warnings
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from finetune.config import FinetuneConfig
from finetune.progress import Reporter
from finetune.together import MOST_HEADS, kin_of, learn_together
from finetune.training.epochs import Diverged
from tuning.ground import Ground
from tuning.job import Job
from tuning.peak_memory import forget_peak, peak_bytes
from tuning.quiet import tensorflow_quiet
from tuning.run_trial import RecipeRunner, failed, watched_in
from tuning.trial import Trial
from tuning.watch import Watch
from zoo.errors import GraftError

# Trials that are proposed before any of them runs: enough that there are many of a kind among them.
MOST_TOGETHER = 32


@dataclass(frozen=True)
class _Candidate:
    """A job, and what it may learn together with others; `kin` is equal for jobs that may learn as one."""

    job: Job
    kin: Hashable
    ground: Ground | None = None
    config: FinetuneConfig | None = None


class Stacking:
    """An executor in this process that runs what it was given at once, as far as it can be run as one.

    Which jobs it is given at once decides the last bits of what becomes of them, nothing else does.
    """

    slots = MOST_TOGETHER
    at_once = True

    def __init__(self, runner: RecipeRunner, reporter: Reporter):
        self._runner, self._reporter = runner, reporter
        self._waiting: list[Job] = []

    def __enter__(self) -> "Stacking":
        return self

    def __exit__(self, *exception: object) -> None:
        self._waiting.clear()

    @property
    def busy(self) -> int:
        """How many jobs are not done."""
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self._waiting.append(job)

    def results(self) -> Iterator[Trial]:
        """Yield all trials but those that had ended before, as they end."""
        for group in self._groups(self._waiting):
            for one, trial in zip(group, self._run(group), strict=True):
                self._waiting.remove(one.job)
                if not one.job.ended:
                    yield trial

    def _groups(self, jobs: Sequence[Job]) -> list[list[_Candidate]]:
        """Return jobs in groups that may learn as one; those that learn alone are groups of one."""
        groups: dict[Hashable, list[list[_Candidate]]] = {}
        for job in jobs:
            candidate = self._candidate(job)
            found = groups.setdefault(candidate.kin, [[]])
            if len(found[-1]) == MOST_HEADS:
                found.append([])
            found[-1].append(candidate)
        return [group for found in groups.values() for group in found]

    def _candidate(self, job: Job) -> _Candidate:
        alone = _Candidate(job, (job.trial.number, job.trial.repeat))
        if job.trial.proposal.epochs is not None:
            return alone
        try:
            ground, config = self._runner.config(job.trial)
        except GraftError:
            return alone  # it says why when it runs
        kin = kin_of(config) if ground.learns_head_alone(config) else None
        return alone if kin is None else _Candidate(job, (id(ground), kin), ground, config)

    def _run(self, group: Sequence[_Candidate]) -> Iterator[Trial]:
        """Yield what becomes of each job of a group."""
        found, started = None, time.perf_counter()
        if len(group) > 1:
            forget_peak()
            try:
                with tensorflow_quiet():
                    found = self._stacked(group)
            # whatever it is, each of them finds out for itself
            except Exception as error:
                warnings.warn(f"heads learn one by one: as one they cannot ({error!r})", RuntimeWarning, stacklevel=2)
        if found is None:
            yield from (self._runner(one.job) for one in group)
        else:
            seconds, peak = round((time.perf_counter() - started) / len(group), 3), peak_bytes()
            yield from (replace(trial, seconds=seconds, peak_bytes=peak) for trial in found)

    def _stacked(self, group: Sequence[_Candidate]) -> list[Trial] | None:
        """Return what becomes of jobs that learn as one; None where their heads can only learn alone."""
        ground = group[0].ground
        watches = [Watch(metric=watched_in(ground), medians=one.job.medians) for one in group]
        lessons = [ground.lesson(one.config, callbacks=[watch]) for one, watch in zip(group, watches, strict=True)]
        learned = learn_together(*zip(*lessons, strict=True), ground.splits, reporter=self._reporter)
        if learned is None:
            return None
        return [
            failed(one.job.trial, outcome)
            if isinstance(outcome, Diverged)
            else self._runner.judged(one.job, ground, one.config, outcome, watch)
            for one, outcome, watch in zip(group, learned, watches, strict=True)
        ]
