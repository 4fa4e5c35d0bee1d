"""Studies of objects of Python, and of functions: their best model, their ensemble, and what says how to get there."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from test_build import X, Y, build_model, search

import finetune
import tuning
from finetune.cli import run_command
from tuning import words
from tuning.cli import cli
from tuning.ensemble import make_ensemble
from tuning.run_build import fingerprint
from zoo.errors import ConfigError, DataError, RunStateError

pytestmark = pytest.mark.keras
ROWS = np.random.default_rng(0).normal(size=(90, 3))
LABELS = np.where(ROWS.sum(axis=1) + np.random.default_rng(1).normal(size=90) > 0, "yes", "no")
SPACE = {"space": {"learning_rate": [0.003, 0.01, 0.03], "units": [4, 8]}}
HOW = {"algorithm": "grid", "max_trials": 2, "epochs": 3, "fresh_seeds": 0, "verbose": 0, "space": SPACE}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of arrays."""
    return tuning.search(ROWS, LABELS, study=tmp_path_factory.mktemp("arrays") / "study", **HOW)


def test_best_model_of_arrays_scores_as_in_the_search(study, tmp_path):
    """Given the arrays again, the model is there; its settings repeat the trial in a run."""
    model = tuning.load_best(study, ROWS, LABELS)
    run = finetune.fit(ROWS, LABELS, run_dir=tmp_path / "run", verbose=0, **tuning.best_settings(study))
    assert run.metrics["validation"]["loss"] == study.ranked()[0].score
    assert model.output_shape == run.model.output_shape


def test_best_model_of_a_frame(tmp_path):
    """A DataFrame is taken as well, again by itself."""
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"]).assign(label=LABELS)
    found = tuning.search(frame, target="label", study=tmp_path / "study", **HOW)
    assert tuning.load_best(found, frame).count_params() > 0
    with pytest.raises(RunStateError, match="not the data of this study"):
        tuning.load_best(found, frame.iloc[:-1])


def test_data_that_were_moved_are_named_by_their_new_path(tmp_path):
    """A file that lies elsewhere now is found where it is said to be; without that its old place is named."""
    rows = "".join(f"{a:.3f},{b:.3f},{label}\n" for (a, b, _), label in zip(ROWS, LABELS, strict=True))
    (tmp_path / "old.csv").write_text("a,b,label\n" + rows)
    found = tuning.search(tmp_path / "old.csv", study=tmp_path / "study", **(HOW | {"max_trials": 1}))
    (tmp_path / "old.csv").rename(tmp_path / "new.csv")
    assert tuning.load_best(found, tmp_path / "new.csv").count_params() > 0
    with pytest.raises(DataError, match="old.csv"):
        tuning.load_best(found)


def test_ensemble_of_arrays_is_a_run(study):
    """The heads are averaged on the arrays that are given again."""
    run = make_ensemble(study, ROWS, LABELS)
    assert len(run.predict(ROWS)) == 90


@pytest.mark.parametrize("call", [tuning.load_best, make_ensemble])
def test_objects_that_are_not_given_are_asked_for(study, call):
    """One sentence says what is missing, and the call that has it."""
    with pytest.raises(ConfigError, match=rf"does not keep; give them again, in Python: tuning.{call.__name__}\("):
        call(study)


def test_commands_on_arrays_say_the_way(study, capsys):
    """`best --config` leaves the data out, and `ensemble` names the call of Python."""
    assert run_command(cli, ["best", str(study.path), "--config"]) == 0
    assert "data" not in yaml.safe_load(capsys.readouterr().out)
    assert run_command(cli, ["ensemble", str(study.path)]) == 2
    assert "tuning.make_ensemble(" in capsys.readouterr().err
    assert "finetune.fit(x, y, **tuning.best_settings(" in words.best_text(study)


def test_best_model_of_a_function_is_of_its_best_epoch(tmp_path):
    """Its kept weights give the score, which is that of its best epoch, on the validation part again."""
    noise = np.random.default_rng(2).integers(0, 2, 60)
    how = {"epochs": 12, "fresh_seeds": 0, "verbose": 0, "space": {"space": {"lr": 0.1, "units": 8}}, "max_trials": 1}
    found = tuning.search(build_model, X, noise, study=tmp_path / "study", validation_split=0.25, **how)
    trial = found.ranked()[0]
    loss = tuning.load_best(found, build_model).evaluate(X[45:], noise[45:], verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(trial.score, rel=1e-5)
    assert min(trial.curve["val_loss"]) < trial.curve["val_loss"][-1]


def test_function_that_is_missing_or_another_is_said(tmp_path):
    """A study of a function needs that function; what is only for data is refused with the way that there is."""
    found = search(tmp_path, max_trials=1)
    with pytest.raises(ConfigError, match="searched a function, which it does not keep"):
        tuning.load_best(found)
    with pytest.raises(RunStateError, match="not the function that was searched"):
        tuning.load_best(found, lambda hp: build_model(hp))
    for refused in (make_ensemble, words.best_config, words.best_settings):
        with pytest.raises(RunStateError, match=r"searched a function build_model.*tuning.load_best\("):
            refused(found)


def test_fingerprint_sees_into_frames_and_dicts():
    """A changed number is noticed wherever it stands."""
    frame, other = (pd.DataFrame({"a": [1.0, value]}) for value in (2.0, 3.0))
    assert fingerprint(frame) != fingerprint(other) and fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint({"a": X}, Y) != fingerprint({"a": X + 1}, Y)
    assert fingerprint((X, Y)) != fingerprint((X, 1 - Y))


def test_words_of_a_study_are_light(tmp_path):
    """What a study was of is known without NumPy."""
    code = "import sys, tuning.subject; print({'numpy', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout.strip() == "set()", done.stderr
