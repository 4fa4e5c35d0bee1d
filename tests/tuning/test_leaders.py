"""Whichever trial the search may name the best, its weights are there."""

from dataclasses import replace

import numpy as np
import pytest
from toy import search

from finetune.progress import Reporter
from tuning.carrying_out import Plan, carry_out
from tuning.kept import Kept, KeptWeights
from tuning.objective import Objective
from tuning.ranking import TOP, candidates, worth_keeping
from tuning.space import Space
from tuning.study import MODELS
from tuning.wishes import Wishes

pytestmark = pytest.mark.keras
OBJECTIVE = Objective("val_loss", "min")
SPACE = Space.from_mapping({"space": {"x": {"low": 0.0, "high": 1.0}}})


class Formula:
    """Scores a trial the better the longer it was trained, and leaves its weights where they are asked for."""

    def __init__(self, kept):
        self.kept = kept

    def __call__(self, job):
        """Run a job."""
        epochs = job.trial.proposal.epochs or 9
        score = job.trial.proposal.values["x"] / 10 + 1 / epochs
        if OBJECTIVE.cost(score) < job.keep_under:
            self.kept.write(job.trial.number, KeptWeights("features", [np.zeros(2)]))
        return replace(job.trial, status="completed", score=score, epochs=epochs)


def test_weights_of_every_candidate_are_kept(tmp_path):
    """Hyperband trains good values several times: the three that are run again are of three different values."""
    plan = Plan(
        **{"path": tmp_path / "study", "source": "/toy", "data": {}, "objective": OBJECTIVE, "space": SPACE},
        **{"seed": 0, "settings": {}, "max_epochs": 9, "ends_hopeless": False, "tensorboard": False},
        runner=lambda kept, states: Formula(kept),
    )
    study = carry_out(plan, Wishes("hyperband", max_trials=12, fresh_seeds=1), Reporter(0))
    numbers = [one.trial.number for one in candidates(study)]
    kept = Kept(study.path / MODELS, study.about["id"])
    assert len(numbers) == TOP and numbers != [trial.number for trial in study.ranked()[:TOP]]
    assert [number for number in numbers if not kept.path(number).is_file()] == []
    assert len(list(kept.folder.iterdir())) == TOP


def test_winner_that_others_overtake_in_the_search_keeps_its_weights(tmp_path):
    """Whoever is best by fresh seeds stays so when a longer search finds better scores that do not last."""

    def runner(job):
        number, again = job.trial.number, job.trial.repeat
        score = (0.1 if number == 2 else 5.0) if again else 1.0 / (number + 1)
        return replace(job.trial, status="completed", score=score)

    first, _ = search(tmp_path / "a", 3, runner=runner)
    assert worth_keeping(first) == {0, 1, 2} and candidates(first)[0].trial.number == 2
    further, _ = search(tmp_path / "a", 9, runner=runner)
    assert candidates(further)[0].trial.number == 2 and worth_keeping(further) == {2, 6, 7, 8}
