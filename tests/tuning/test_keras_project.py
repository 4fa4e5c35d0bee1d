"""A study written as keras-tuner lays one out: stock keras-tuner reloads it, and names the same best."""

import json
from dataclasses import replace

import keras_tuner as kt
import pytest
from toy import ABOUT, run, search

from finetune.cli import run_command
from tuning.cli import cli
from tuning.keras_project import TUNERS, write_keras_project
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
SPACE = {"space": {"x": {"low": 0.0, "high": 1.0}}}


def failing(job):
    """Run a job, of which one fails."""
    return replace(job.trial, status="failed", error="no luck") if job.trial.number == 1 else run(job)


def study_of(path, algorithm="random", objective="val_loss:min"):
    """Return a study of four trials, of which one failed."""
    about = ABOUT | {"algorithm": algorithm, "objective": objective}
    return search(path, 4, runner=failing, about=about)[0]


def reloaded(folder, algorithm, objective):
    """Return a tuner of keras-tuner's that found the project there."""
    tuner = getattr(kt, TUNERS[algorithm])
    return tuner(lambda hp: None, objective, directory=str(folder.parent), project_name=folder.name)


@pytest.mark.parametrize("algorithm", TUNERS)
def test_stock_tuner_reloads_it(tmp_path, capsys, algorithm):
    """Trials, values, scores and statuses are there, and the summary names the best first."""
    study = study_of(tmp_path / "study", algorithm)
    folder = write_keras_project(study, tmp_path / "project")
    tuner = reloaded(folder, algorithm, kt.Objective("val_loss", "min"))
    found = {int(trial.trial_id): trial for trial in tuner.oracle.trials.values()}
    assert [found[n].status for n in range(4)] == ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"]
    assert [found[n].score for n in range(4)] == [trial.score for trial in study.trials]
    assert found[2].hyperparameters.values == study.trials[2].proposal.values
    assert int(tuner.oracle.get_best_trials()[0].trial_id) == study.ranked()[0].number
    tuner.results_summary()
    said = capsys.readouterr().out
    assert f"Score: {study.ranked()[0].score}" in said and "no luck" in said


def test_direction_is_kept(tmp_path):
    """Where more is better, the tuner's best is the largest; its metric says so too."""
    study = study_of(tmp_path / "study", objective="val_odd:max")
    folder = write_keras_project(study, tmp_path / "project")
    tuner = reloaded(folder, "random", kt.Objective("val_odd", "max"))
    best = tuner.oracle.get_best_trials()[0]
    assert best.score == max(trial.score for trial in study.trials if trial.score is not None)
    assert best.metrics.get_best_value("val_odd") == best.score and best.metrics.get_direction("val_odd") == "max"


def test_command_writes_and_says_how_to_read(tmp_path, capsys):
    """The line that is printed, run as it is, reads the project."""
    study = study_of(tmp_path / "study")
    assert run_command(cli, ["trials", str(study.path), "--keras-tuner", str(tmp_path / "p")]) == 0
    path, line = capsys.readouterr().out.splitlines()
    assert json.loads((tmp_path / "p" / "tuner0.json").read_text()) == {} and path == str(tmp_path / "p")
    exec(f"import keras_tuner; build_model = lambda hp: None; {line.removeprefix('read it: ')}")
    assert "Results summary" in capsys.readouterr().out


def test_folder_with_something_in_it_is_refused(tmp_path):
    """Nothing is written between files of others."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine").touch()
    study = study_of(tmp_path / "study")
    with pytest.raises(ConfigError, match="is not empty; name a folder that is not there"):
        write_keras_project(study, tmp_path / "p")
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["mine"]
