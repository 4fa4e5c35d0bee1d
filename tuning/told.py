"""What a search says while it runs: a line or a bar a trial, the best so far, and the time left."""

import time

from finetune.progress import Reporter
from finetune.report.figures import duration
from tuning.loop import Budget
from tuning.study import Study
from tuning.trial import Trial


class Told:
    """Tells of trials as they end.

    verbose 0 is silent, 1 says what the trial scored and what is left, 2 also its values.
    """

    def __init__(self, study: Study, budget: Budget, reporter: Reporter):
        """Begin to tell.

        Args:
            study: that is searched.
            budget: of it.
            reporter: that says it.
        """
        self._study, self._budget, self._reporter = study, budget, reporter
        self._started, self._ended = time.monotonic(), 0

    def __call__(self, trial: Trial) -> None:
        """Say what became of a trial."""
        self._ended += 1
        if not self._reporter.verbose:
            return
        total = self._budget.max_trials
        done = sum(one.status != "running" for one in self._study.trials)
        of = "" if trial.repeat else f"{done:,} of {total:,}: " if total else f"{done:,}: "
        parts = [
            f"{of}{trial.name}: {self._result(trial)}",
            "" if trial.repeat else self._best(),
            self._left(trial, total, done),
        ]
        self._reporter.say("; ".join(part for part in parts if part))
        if self._reporter.verbose > 1 and not trial.repeat:
            values = ", ".join(f"{name}={value}" for name, value in trial.proposal.values.items())
            self._reporter.say(f"    {values}")

    def _result(self, trial: Trial) -> str:
        took = f" in {duration(trial.seconds)}" if trial.seconds is not None else ""
        if trial.status == "running":
            return f"failed and is tried again: {trial.error}"
        if trial.status == "failed":
            return f"failed{took}: {trial.error}"
        early = ", ended early" if trial.status == "stopped" else ""
        return f"{self._study.objective.name} {trial.score:.4g}{early}{took}"

    def _best(self) -> str:
        ranked = self._study.ranked()
        return f"best {ranked[0].score:.4g} (trial {ranked[0].number})" if ranked else ""

    def _left(self, trial: Trial, total: int | None, done: int) -> str:
        seconds = []
        if total and not trial.repeat:
            pace = (time.monotonic() - self._started) / self._ended
            seconds.append(pace * (total - done))
        if self._budget.max_seconds is not None:
            seconds.append(max(0.0, self._budget.max_seconds - self._study.spent_seconds))
        return f"about {duration(min(seconds))} left" if seconds and min(seconds) > 0 else ""
