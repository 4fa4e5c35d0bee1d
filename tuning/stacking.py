"""Trials that learn as one where their heads can: in groups of those that differ in numbers only."""

import time
import warnings
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from finetune.config import FinetuneConfig
from finetune.learning import Learned
from finetune.progress import Reporter
from finetune.together import MOST_HEADS, kin_of, learn_together
from finetune.training.epochs import Diverged
from tuning.ground import Ground
from tuning.in_process import InProcess
from tuning.job import Job
from tuning.peak_memory import forget_peak, peak_bytes
from tuning.quiet import tensorflow_quiet
from tuning.run_trial import RecipeRunner, failed
from tuning.trial import Trial

# Trials that are proposed before any of them runs: enough that there are many of a kind among them.
MOST_TOGETHER = 32


class Stacking(InProcess):
    """An executor in this process that runs what it was given at once, as far as it can be run as one.

    Which jobs it is given at once decides the last bits of what becomes of them, nothing else does.
    """

    slots = MOST_TOGETHER
    at_once = True

    def __init__(self, runner: RecipeRunner, reporter: Reporter):
        super().__init__(runner)
        self._reporter = reporter

    def together(self, trials: Sequence[Trial]) -> int:
        """Return how many of the trials to come are better given at once: until one is no head on the same features."""
        found: list[Hashable] = []
        for trial in trials:
            kin = self._kin(trial, of=trials[0])
            if kin is None:
                break
            found.append(kin)
        return len(found) if len(set(found)) < len(found) else 1

    def _kin(self, trial: Trial, of: Trial) -> Hashable | None:
        """Return what is equal for trials that may learn as one; None for one that is no head on what another is on."""
        try:
            asked = self._runner.asked(trial)
            if trial.proposal.epochs is not None or self._runner.grounds.key(asked) != self._ground_key(of):
                return None
            ground, config = self._runner.config(trial)
        # whatever it is, the trial says so when it runs
        except Exception:
            return None
        return kin_of(config) if ground.learns_head_alone(config) else None

    def _ground_key(self, trial: Trial) -> Hashable:
        return self._runner.grounds.key(self._runner.asked(trial))

    def results(self) -> Iterator[Trial]:
        """Yield all trials but those that had ended before, as they end."""
        for group in self._groups():
            # those that had ended learn again for the sake of others alone
            if len(group) == 1 or all(job.ended for job in group):
                learned = None
            else:
                learned = self._learned(group)
            for place, job in enumerate(group):
                self._waiting.remove(job)
                if not job.ended:
                    # judged when it is asked for: by then those before are written down
                    yield self._judged(job, *learned[place]) if learned else self._runner(job)

    def _groups(self) -> list[list[Job]]:
        """Return all jobs in groups that may learn as one; those that learn alone are groups of one."""
        groups: dict[Hashable, list[list[Job]]] = {}
        for job in self._waiting:
            kin = self._kin(job.trial, of=self._waiting[0].trial)
            found = groups.setdefault(job.trial.key if kin is None else kin, [[]])
            if len(found[-1]) == MOST_HEADS:
                found.append([])
            found[-1].append(job)
        return [group for found in groups.values() for group in found]

    def _learned(self, group: Sequence[Job]) -> "list[_Outcome] | None":
        """Let the heads of a group learn as one; None where they can only learn alone."""
        started = time.perf_counter()
        forget_peak()
        try:
            with tensorflow_quiet():
                pairs = [self._runner.config(job.trial) for job in group]
                ground = pairs[0][0]
                lessons = [ground.lesson(config) for _, config in pairs]
                found = learn_together(*zip(*lessons, strict=True), ground.splits, reporter=self._reporter)
        # whatever it is, each of them finds out for itself
        except Exception as error:
            text = f"heads learn one by one: as one they cannot ({error!r})"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return None
        seconds = (time.perf_counter() - started) / len(group)
        return found and [(*pair, one, seconds) for pair, one in zip(pairs, found, strict=True)]

    def _judged(
        self, job: Job, ground: Ground, config: FinetuneConfig, learned: Learned | Diverged, seconds: float
    ) -> Trial:
        """Return the trial of a head, which took so many seconds of its stack until now."""
        started = time.perf_counter()
        try:
            if isinstance(learned, Diverged):
                raise learned
            with tensorflow_quiet():
                done = self._runner.judged(job, ground, config, learned)
        # as of a trial alone
        except Exception as error:
            done = failed(job.trial, error)
        seconds = round(seconds + time.perf_counter() - started, 3)
        return replace(done, seconds=seconds, peak_bytes=peak_bytes())


# What a head stands on and was to do, what became of it, and its share of the seconds.
_Outcome = tuple[Ground, FinetuneConfig, Learned | Diverged, float]
