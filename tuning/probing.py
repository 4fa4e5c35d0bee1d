"""Trials on the layout of cores that suits them: one process with all cores, or several that share them out.

Which is faster depends on the machine and on the trial: small networks leave a second core idle, large ones fill it. So
the first trials of the search itself are run on each layout, and a copy of one of them is timed there.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from finetune.progress import Reporter
from tuning.in_process import InProcess
from tuning.job import Job, Runner
from tuning.trial import Trial
from tuning.workers import Workers, usable_cores
from zoo.errors import ConfigError

# Seconds that a copy of a trial takes about at most: of longer trials, its first epochs.
COPY_SECONDS = 5.0
# Copies are timed so often, and the quickest counts, for whatever else the machine did made it slower.
_ROUNDS = 2
# Each process holds data and TensorFlow for itself, so more of them have to be faster by so much.
_GAIN = 1.1
# Copies are no trials of the study: their numbers lie beyond all of those.
_COPIES = 10**9


class Probing:
    """An executor that begins in this process, then tries more and more processes until they are no faster.

    No trial is lost on it: each layout is warmed up by trials of the search. Only the copies that are timed are extra.
    """

    at_once = False

    def __init__(self, runner: Runner, reporter: Reporter, *, cores: int | None = None):
        """Make ready.

        Args:
            runner: of trials.
            reporter: says what was found.
            cores: to share out; None for all that this process may use.
        """
        self._runner, self._reporter, self._cores = runner, reporter, cores or usable_cores()
        self._current: InProcess | Workers = InProcess(runner)
        self._best, self._rate = self._current, 0.0
        self._copy: Trial | None = None
        self._given, self._settled = 0, self._cores == 1

    def __enter__(self) -> "Probing":
        return self

    def __exit__(self, *exception: object) -> None:
        for executor in {self._current, self._best}:
            executor.__exit__(*exception)

    @property
    def slots(self) -> int:
        """How many jobs run at a time; no more than warm a layout up while it is looked at."""
        return self._current.slots if self._settled or self._given < self._current.slots else 0

    @property
    def busy(self) -> int:
        """How many jobs are not done."""
        return self._current.busy

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self._given += 1
        self._current.submit(job)

    def results(self) -> Iterator[Trial]:
        """Yield trials that have ended; when a layout is warm, time it and choose the next."""
        for trial in self._current.results():
            if self._copy is None and trial.status in ("completed", "stopped"):
                self._copy = _copy_of(trial)
            # whoever takes it writes it down before the next line runs
            yield trial
        if not self._settled and not self._current.busy:
            self._look()

    def _look(self) -> None:
        """Time the layout that is warm now, and go on to the next, or settle."""
        self._given = 0
        if self._copy is None:
            return
        rate, slots = self._timed(), self._current.slots
        self._say(f"{self._layout(slots)}: {60 * rate:.3g} a minute of {self._copied()}")
        if rate < self._rate * _GAIN:
            self._current.__exit__()
            self._current = self._best
            self._settle(f"{self._layout(slots)} would not be faster by a tenth")
            return
        if self._best is not self._current:
            self._best.__exit__()
        self._best, self._rate = self._current, rate
        if 2 * slots > self._cores:
            self._settle("that is the fastest")
            return
        try:
            self._current = Workers(self._runner, 2 * slots, cores=self._cores)
        except ConfigError as error:
            self._settle(str(error))

    def _timed(self) -> float:
        """Return how many copies a second this layout runs, 0 where one fails."""
        executor, quickest = self._current, float("inf")
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            for at in range(executor.slots):
                number = _COPIES + at
                executor.submit(Job(replace(self._copy, number=number), keep_under=float("-inf")))
            while executor.busy:
                if any(trial.status == "failed" for trial in executor.results()):
                    return 0.0
            quickest = min(quickest, time.perf_counter() - started)
        return executor.slots / quickest

    def _settle(self, why: str) -> None:
        self._settled = True
        self._say(f"{self._layout(self._current.slots)} from here on: {why}")

    def _say(self, text: str) -> None:
        self._reporter.say(f"workers: {text}")

    def _layout(self, slots: int) -> str:
        threads = max(1, self._cores // slots)
        processes = "one process" if slots == 1 else f"{slots} processes"
        return f"{processes} × {threads} thread{'s' if threads > 1 else ''}"

    def _copied(self) -> str:
        epochs = self._copy.proposal.epochs
        return "one and the same trial" if epochs is None else f"{epochs} epochs of one and the same trial"


def _copy_of(trial: Trial) -> Trial:
    """Return what is timed: the trial again, or of a long one its first epochs."""
    epochs = trial.proposal.epochs
    if trial.seconds and trial.epochs and trial.seconds > COPY_SECONDS:
        epochs = max(1, int(trial.epochs * COPY_SECONDS / trial.seconds))
    return Trial(trial.number, replace(trial.proposal, epochs=epochs, continues=None), "running", seed=trial.seed)
