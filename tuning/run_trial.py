"""One trial is one finetune recipe: with the trial's settings on shared ground, scored on the validation side alone."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.evaluation.sides import full_metrics
from finetune.learning import Learned, learn
from finetune.progress import Reporter
from finetune.tasks import TASKS
from finetune.training.checkpoints import Checkpoints
from finetune.training.keeper import Keeper
from tuning.ground import Ground, Grounds
from tuning.job import Job
from tuning.kept import Kept, KeptWeights
from tuning.objective import Objective
from tuning.peak_memory import forget_peak, peak_bytes
from tuning.quiet import tensorflow_quiet
from tuning.settings import settings_of
from tuning.states import folder_of
from tuning.trial import Trial
from tuning.watch import LastState, Watch
from zoo.errors import GraftError, ResourceError

# Epochs of a curve that are written down, so that a trial takes little room whatever its length.
MOST_POINTS = 40
_DIGITS = 5


@dataclass(frozen=True)
class RecipeRunner:
    """Runs trials of `finetune` in this process. Can be sent to another, which then prepares the data for itself.

    Attributes:
        grounds: what trials stand on.
        objective: what is scored.
        kept: where weights of good trials go.
        states: folder for what trials go on by that others continue.
    """

    grounds: Grounds
    objective: Objective
    kept: Kept
    states: Path

    def __call__(self, job: Job) -> Trial:
        """Run a trial; what goes wrong in it is its outcome."""
        trial, started = job.trial, time.perf_counter()
        forget_peak()
        try:
            with tensorflow_quiet():
                done = self._run(job)
        # a trial may fail in any way, and the search goes on
        except Exception as error:
            done = failed(trial, error)
        return replace(done, seconds=round(time.perf_counter() - started, 3), peak_bytes=peak_bytes())

    def asked(self, trial: Trial) -> FinetuneConfig:
        """Return what a trial asks for.

        Raises:
            ConfigError: its values are no settings.
        """
        return self.grounds.asked(settings_of(trial.proposal.values), seed=trial.seed)

    def config(self, trial: Trial) -> tuple[Ground, FinetuneConfig]:
        """Return what a trial stands on, and its settings with nothing left open.

        Raises:
            ConfigError: its values are no settings.
            DataError: the data cannot be used.
        """
        asked = self.asked(trial)
        ground = self.grounds.under(asked, Reporter(0))
        return ground, ground.config(asked)

    def _run(self, job: Job) -> Trial:
        trial = job.trial
        ground, config = self.config(trial)
        # layers without a seed of their own draw from Keras' generator, which knows what ran before
        keras.utils.set_random_seed(config.seed)
        task = ground.prepared.kind.target(ground.data).task
        metric = "val_accuracy" if TASKS[task].activation else "val_mae"
        watch, last = Watch(trial.proposal.epochs, metric, job.medians), LastState()
        keeper = self._keeper(trial, last)
        lesson, trunk = ground.lesson(config, callbacks=[watch], keeper=keeper)
        learned = learn(lesson, trunk, ground.splits)
        done = self.judged(job, ground, config, learned, hopeless=watch.hopeless)
        if last.state is not None and not job.leaves_nothing:
            self._checkpoints(trial.number).save(last.place, last.state)
        return done

    def judged(
        self, job: Job, ground: Ground, config: FinetuneConfig, learned: Learned, *, hopeless: bool = False
    ) -> Trial:
        """Return a trial that has learned, with its scores; its weights are kept where they may be among the best."""
        scores = scores_on(ground, learned, ground.splits.validation, "val_")
        score = scores.get(self.objective.name, math.nan)
        done = _measured(job.trial, learned, scores, score)
        done = replace(
            done,
            status="stopped" if hopeless and done.status == "completed" else done.status,
            parameters=done.parameters + ground.parameters_below(config),
        )
        if self.objective.cost(score) < job.keep_under and done.status == "completed":
            above = learned.network.above(learned.cut)
            self.kept.write(job.trial.number, KeptWeights(learned.cut, above.get_weights()))
        return done

    def _keeper(self, trial: Trial, last: LastState) -> Keeper:
        if trial.proposal.epochs is None:
            return Keeper()
        number = trial.proposal.continues
        return Keeper(last, None if number is None else self._checkpoints(number).latest())

    def _checkpoints(self, number: int) -> Checkpoints:
        self.states.mkdir(exist_ok=True)
        return Checkpoints(folder_of(self.states, number))


def failed(trial: Trial, error: Exception) -> Trial:
    """Return a trial as it stands after an error; faults that name a setting or the data would only repeat."""
    said = str(error) if isinstance(error, GraftError) else f"{type(error).__name__}: {error}"
    again = isinstance(error, ResourceError) or not isinstance(error, GraftError)
    return replace(trial, status="failed", score=None, error=said[:1000], again=again)


def scores_on(ground: Ground, learned: Learned, side: Sequence[int], prefix: str) -> dict[str, float]:
    """Return all scores of the model that is kept, by name.

    Args:
        ground: that it learned on.
        learned: the model.
        side: indices of the examples that judge it.
        prefix: of the names.
    """
    target, chosen = ground.prepared.kind.target(ground.data), np.array(side)
    outputs = learned.outputs(TASKS[target.task], chosen)
    found = full_metrics(target.task, target.values[chosen], outputs, target.names)
    return {
        f"{prefix}{name}": float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and name != "num_examples"
    }


def _measured(trial: Trial, learned: Learned, scores: Mapping[str, float], score: float) -> Trial:
    rows = learned.history
    places = sorted(set(np.linspace(0, len(rows) - 1, min(len(rows), MOST_POINTS)).round().astype(int).tolist()))
    names = [name for name in rows[0] if name == "loss" or name.startswith("val_")]
    finite = math.isfinite(score)
    return replace(
        trial,
        status="completed" if finite else "failed",
        score=score if finite else None,
        error=None if finite else f"the score is not finite: {score}",
        scores={name: value for name, value in scores.items() if math.isfinite(value)},
        curve={name: [short(rows[place][name]) for place in places] for name in names},
        curve_epochs=[rows[place]["epoch"] for place in places],
        epochs=len(rows),
        parameters=sum(stage.parameters for stage in learned.stages),
        trainable=sum(stage.trainable for stage in learned.stages),
    )


def short(value: float) -> float:
    """Return a number with the digits that a curve needs."""
    return float(f"{value:.{_DIGITS}g}")
