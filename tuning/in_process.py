"""Trials one after the other in this process."""

from collections.abc import Iterator

from tuning.job import Job, Runner
from tuning.trial import Trial


class InProcess:
    """Runs a job when its result is asked for."""

    slots = 1
    at_once = False

    def __init__(self, runner: Runner):
        self._runner = runner
        self._waiting: list[Job] = []

    def __enter__(self) -> "InProcess":
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
        """Yield trials that have ended; at least one where any is at work."""
        if self._waiting:
            yield self._runner(self._waiting.pop(0))
