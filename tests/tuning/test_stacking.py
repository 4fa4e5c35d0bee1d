"""Trials that learn as one: what each of them would be alone, sooner."""

import numpy as np
import pytest

from finetune.config import make_config
from finetune.together import ELEMENTWISE
from tuning import stacking
from tuning.ground import Grounds
from tuning.job import Job
from tuning.kept import Kept
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.stacking import Stacking
from tuning.trial import Proposal, Trial

pytestmark = pytest.mark.keras
# How far sums in another order may lead apart over some epochs.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


@pytest.fixture
def table(tmp_path):
    """A small table with three classes and a number."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 3))
    rows = [
        f"{a:.3f},{b:.3f},{c:.3f},{'xyz'[int(np.argmax([a, b, c]))]},{a - 2 * b + generator.normal() / 9:.3f}\n"
        for a, b, c in x
    ]
    (tmp_path / "t.csv").write_text("a,b,c,label,number\n" + "".join(rows))
    return tmp_path / "t.csv"


def runner(table, tmp_path, **settings):
    """Return what runs trials on a table."""
    chosen = {"data": table, "target": "label", "epochs": 6, "units": (8,), "batch_size": 16}
    kept = Kept(tmp_path / "models", "id")
    task = settings.pop("task", "classification")
    return RecipeRunner(Grounds(make_config(chosen | settings)), objective_for(task), kept, tmp_path / "states")


def jobs(*values, **how):
    """Return jobs with seeds of their own."""
    return [Job(Trial(n, Proposal(one), "running", seed=50 + n), **how) for n, one in enumerate(values)]


def together(one, asked):
    """Return what becomes of jobs that are run at once, and in which groups they learned."""
    groups, real = [], stacking.learn_together

    def watched(lessons, *arguments):
        groups.append([lesson.config.seed - 50 for lesson in lessons])
        return real(lessons, *arguments)

    with pytest.MonkeyPatch.context() as patch, Stacking(one) as executor:
        patch.setattr(stacking, "learn_together", watched)
        for job in asked:
            executor.submit(job)
        found = {trial.number: trial for trial in executor.results()}
        assert not executor.busy
    return found, groups


def same(first, second):
    """Compare all that was measured of two trials."""
    assert (first.status, first.epochs, first.parameters) == (second.status, second.epochs, second.parameters)
    assert first.curve.keys() == second.curve.keys() and first.scores.keys() == second.scores.keys()
    for name in first.curve:
        np.testing.assert_allclose(first.curve[name], second.curve[name], err_msg=name, **CLOSE)
    for name in first.scores:
        np.testing.assert_allclose(first.scores[name], second.scores[name], err_msg=name, **CLOSE)


@pytest.mark.parametrize("optimizer", sorted(ELEMENTWISE))
def test_optimizers(table, tmp_path, optimizer):
    """Rates, decay, L2 and dropout of their own, and one optimizer: each has the curve and the scores it has alone."""
    one = runner(table, tmp_path, optimizer=optimizer, schedule="cosine")
    asked = jobs(
        {"learning_rate": 0.02, "weight_decay": 0.01},
        {"learning_rate": 0.005, "dropout": 0.3},
        {"learning_rate": 0.01, "l2": 0.01, "dropout": 0.1},
    )
    found, groups = together(one, asked)
    assert groups == [[0, 1, 2]]
    for job in asked:
        same(found[job.trial.number], one(job))
