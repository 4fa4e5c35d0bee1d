"""A trial is one recipe of `finetune`: the same numbers, without the test side, on ground that trials share."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toy import outcome

import tuning
from finetune.config import make_config
from finetune.data.rows import column_values
from finetune.evaluation.sides import brief_metrics
from finetune.progress import Reporter
from finetune.transfer.encoder import model_inputs
from tuning import ground, words
from tuning.best_model import load_best
from tuning.ground import Grounds
from tuning.job import Job
from tuning.kept import Kept
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.study import Study
from tuning.trial import Proposal, Trial
from zoo.errors import ConfigError, RunStateError

pytestmark = pytest.mark.keras
WINE = Path(__file__).parents[2] / "data" / "wine.csv"
SPACE = {"space": {"learning_rate": {"low": 1e-3, "high": 1e-1, "scale": "log"}, "optimizer": ["adam", "sgd"]}}
QUICK = {"epochs": 3, "units": (4,), "batch_size": 32, "verbose": 0, "fresh_seeds": 0, "algorithm": "random"}


@pytest.fixture
def table(tmp_path):
    """A small table of two classes."""
    x = np.random.default_rng(0).normal(size=(80, 2))
    rows = "".join(f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}\n" for a, b in x)
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows)
    return tmp_path / "t.csv"


def search(table, study, max_trials=3, **options):
    """Search quietly in a small space."""
    return tuning.search(table, space=SPACE, max_trials=max_trials, study=study, **(QUICK | options))


def runner(table, tmp_path, **settings):
    """Return what runs trials on a table."""
    grounds = Grounds(make_config({"data": table, "epochs": 4, "units": (4,)} | settings))
    kept = Kept(tmp_path / "models", "id")
    return RecipeRunner(grounds, objective_for("classification"), kept, tmp_path / "states")


def trial(number=0, seed=5, **proposal):
    """Return a trial that is about to run."""
    values = proposal.pop("values", {"learning_rate": 0.01})
    return Trial(number, Proposal(values, **proposal), "running", seed=seed)


def test_best_is_repeated_by_fit_to_the_last_bit(table, tmp_path):
    """`tuner best --config` holds all that a trial was: `finetune fit` gets its score on the same validation side."""
    study = search(table, tmp_path / "study", stack=False)
    best = tuning.candidates(study)[0].trial
    (tmp_path / "best.yaml").write_text(words.best_config(study))
    code = "from finetune.cli import main; main()"
    arguments = ["fit", "--config", tmp_path / "best.yaml", "--run-dir", tmp_path / "run", "--verbose", "0", "--json"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert json.loads(done.stdout)["validation"]["loss"] == best.score, done.stderr


def test_rows_of_the_test_side_change_no_score(table, tmp_path):
    """What stands on the test side, its labels and its numbers, has no way into a trial."""
    first = runner(table, tmp_path)
    done = first(Job(trial()))
    other = runner(table, tmp_path)
    shared, _ = other.config(trial())
    rows, test = shared.data.examples, shared.prepared.splits.test
    rows.target.values[list(test)] = 1 - rows.target.values[list(test)]
    for column in rows.columns.values():
        column.values.flags.writeable = True
        column.values[list(test)] = 1e6
    assert test and shared.splits.test == ()
    assert other(Job(trial())).scores == done.scores


def test_trials_do_not_depend_on_those_before(table, tmp_path):
    """In a process that ran others, or in a fresh one, a trial scores the same."""
    one = runner(table, tmp_path)
    scores = [one(Job(trial(number))).score for number in range(3)]
    assert scores[0] == scores[1] == scores[2] == runner(table, tmp_path)(Job(trial())).score
    assert one(Job(trial(seed=6))).score != scores[0]


def test_data_are_prepared_once(table, tmp_path, monkeypatch):
    """Trials that differ in how they learn share data and features; what changes the data makes ground of its own."""
    made, real = [], ground.open_data
    monkeypatch.setattr(ground, "open_data", lambda *a: made.append(1) or real(*a))
    one = runner(table, tmp_path)
    for values in ({"learning_rate": 0.1}, {"optimizer": "sgd"}, {"units": 8}, {"batch_size": 16}):
        assert one(Job(trial(values=values))).status == "completed"
    assert len(made) == 1
    one(Job(trial(values={"missing": "mean"})))
    assert len(made) == 2


def test_continued_trial_is_one_that_was_not_cut(table, tmp_path):
    """Trained to 2 epochs and then on to 4, by its state: optimizer and schedule go on, and the result is the same."""
    settings = {"schedule": "cosine", "optimizer": "adam", "dropout": 0.2, "epochs": 6}
    whole = runner(table, tmp_path, **settings)(Job(trial(7, epochs=4)))
    one = runner(table, tmp_path, **settings)
    first = one(Job(trial(0, epochs=2)))
    second = one(Job(trial(1, epochs=4, continues=0)))
    assert (first.epochs, second.epochs) == (2, 4)
    assert second.scores == whole.scores != first.scores


def test_copy_that_is_only_timed_leaves_nothing(table, tmp_path):
    """Neither weights nor a state of it are written, though it is cut at an epoch as trials of Hyperband are."""
    runner(table, tmp_path)(Job(trial(10**9, epochs=2), keep_under=float("-inf")))
    assert [path.name for path in tmp_path.iterdir() if path.name in ("models", "states")] == []


def test_continued_trial_whose_state_is_gone_begins_anew(table, tmp_path):
    """A lost state costs time, and no number changes."""
    one = runner(table, tmp_path)
    assert one(Job(trial(1, epochs=4, continues=0))).scores == one(Job(trial(0, epochs=4))).scores


def test_hopeless_trial_ends_early(table, tmp_path):
    """A trial that is worse than the median of others at the same epoch stops, and says so."""
    done = runner(table, tmp_path, epochs=20)(Job(trial(), medians=(2.0,) * 20))
    assert (done.status, done.epochs) == ("stopped", 3) and done.score is not None


@pytest.mark.parametrize(
    ("values", "error"),
    [({"learning_rate": 10.0, "optimizer": "sgd", "l2": 10.0}, "not finite"), ({"units": "x"}, "units.*valid")],
)
def test_failure_is_recorded_with_its_reason(table, tmp_path, values, error):
    """A trial whose loss explodes, or whose values are no settings, has failed, and is not tried again."""
    done = runner(table, tmp_path, epochs=50, loss="auto")(Job(trial(values=values)))
    assert done.status == "failed" and done.score is None and not done.again
    assert re.search(error, done.error), done.error


def test_seed_zero_is_a_seed(table, tmp_path):
    """With seed 0 two studies have the same trials; with seed 1 others."""
    trials = [search(table, tmp_path / name, 2, seed=seed).trials for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    values = [[(dict(one.proposal.values), one.score) for one in found] for found in trials]
    assert values[0] == values[1] != values[2]


def test_changed_data_are_refused(table, tmp_path):
    """A row more, and the study is not gone on with."""
    search(table, tmp_path / "study")
    with table.open("a") as file:
        file.write("0.1,0.2,yes\n")
    with pytest.raises(RunStateError, match="(?s)data.fingerprint was.*data.splits.train was"):
        search(table, tmp_path / "study")


def test_objective_that_is_not_measured_is_refused_before_the_first_trial(table, tmp_path):
    """Names are held against the task, and nothing is written."""
    with pytest.raises(ConfigError, match="val_mae is not measured for classification; accepted: val_loss, val_acc"):
        search(table, tmp_path / "study", objective="val_mae")
    assert not (tmp_path / "study").exists()


def test_study_takes_little_room(table, tmp_path):
    """The weights of three trials are kept, and under 4 KB a trial beside them."""
    study = search(table, tmp_path / "study", max_trials=4, epochs=50, patience=50)
    kept = sorted(path.name for path in (study.path / "models").iterdir())
    assert kept == sorted(f"{one.number:06}.safetensors" for one in study.ranked()[:3])
    assert (study.path / "journal.log").stat().st_size < 4096 * 5


@pytest.mark.parametrize("data", ["classes", "numbers"])
def test_model_of_the_best_is_there_without_training(table, tmp_path, data):
    """Its kept weights give the score of the search again; where they were deleted, the next best is offered."""
    if data == "numbers":
        table.write_text("a,b,y\n" + "".join(f"{n % 13},{n % 7},{n * 1.5 + n % 7:.1f}\n" for n in range(60)))
    study = search(table, tmp_path / "study", 2)
    best = study.ranked()[0]
    rows = Grounds(make_config({"data": table, "split_seed": 0}))
    shared = rows.under(rows.asked({}, seed=0), Reporter(0))
    target, chosen = shared.prepared.kind.target(shared.data), list(shared.splits.validation)
    inputs = model_inputs(column_values(shared.data.examples.columns), shared.trunk.columns)
    answers = np.asarray(load_best(study, number=best.number).predict_on_batch(inputs))[chosen]
    found = brief_metrics(target.task, target.values[chosen], answers)
    assert found[study.objective.name.removeprefix("val_")] == pytest.approx(best.score, rel=1e-5)
    (study.path / "models" / f"{best.number:06}.safetensors").unlink()
    with pytest.raises(RunStateError, match=rf"weights of trial {best.number} are gone. The next best .* is trial"):
        load_best(study, number=best.number)


def test_weights_of_another_study_are_refused(table, tmp_path):
    """A file that was copied from elsewhere is named, before a trial is run."""
    one, other = (search(table, tmp_path / name, 1) for name in ("a", "b"))
    weights = one.path / "models" / "000000.safetensors"
    weights.replace(other.path / "models" / "000000.safetensors")
    with pytest.raises(RunStateError, match="000000.safetensors: not written by this study"):
        search(table, tmp_path / "b", 2)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian", "hyperband"])
def test_command_that_is_killed_goes_on(tmp_path, algorithm):
    """The real command, killed again and again at moments of chance, has in the end the trials of an unbroken one."""
    (tmp_path / "space.json").write_text(
        json.dumps({"space": {"learning_rate": [0.001, 0.01, 0.1], "l2": [0.0, 0.01]}})
    )
    options = ["--set", "epochs=6", "--algorithm", algorithm, "--max-trials", "6", "--space", tmp_path / "space.json"]
    options += ["--set", "target=class", "--model", "mlp", "--fresh-seeds", "1", "--verbose", "0"]
    command = [sys.executable, "-c", "from tuning.cli import main; main()", "search", WINE, *options]
    subprocess.run([*command, "--study", tmp_path / "whole"], check=True, capture_output=True)
    draw, codes = np.random.default_rng(1), []
    while codes[-1:] != [0] and len(codes) < 40:
        with subprocess.Popen([*command, "--study", tmp_path / "broken"], stdout=-3, stderr=-3) as process:
            try:
                codes.append(process.wait(draw.uniform(6, 16) + len(codes)))
            except subprocess.TimeoutExpired:
                process.kill()
                codes.append(process.wait())
    assert -signal.SIGKILL in codes and codes[-1] == 0
    assert outcome(Study(tmp_path / "broken")) == outcome(Study(tmp_path / "whole"))
