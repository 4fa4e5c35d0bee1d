"""TensorBoard's HParams tab: an event file for each trial, with its values and scores."""

import sys
from dataclasses import replace

import pytest
from toy import search

import tuning
from tuning.hparams_log import HParamsLog
from tuning.objective import Objective
from zoo.errors import ConfigError

OBJECTIVE = Objective("val_loss", "min")


def read(folder):
    """Return what TensorBoard reads of a trial: its values, and its scores by name."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    tensors = pytest.importorskip("tensorboard.util.tensor_util")
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    (path,) = folder.iterdir()
    values, scores = {}, {}
    for event in loader.EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME:
                info = metadata.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
                values = {name: getattr(one, one.WhichOneof("kind")) for name, one in info.hparams.items()}
            elif value.HasField("tensor"):
                scores[value.tag] = tensors.make_ndarray(value.tensor).item()
    return values, scores


def test_each_trial_is_there_and_missing_ones_are_added(tmp_path):
    """Values and scores can be read back; a trial that was run before the log was asked for is written too."""
    logged = []
    study, _ = search(tmp_path / "study", 3, on_end=logged.append)
    log = HParamsLog(tmp_path / "log", OBJECTIVE)
    log.write(logged[0])
    log.write_missing(study.trials)
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [f"trial-000{n}" for n in range(3)]
    for trial in study.trials:
        values, scores = read(tmp_path / "log" / f"trial-{trial.number:04}")
        assert values == trial.proposal.values and scores["val_loss"] == pytest.approx(trial.score)


def test_values_of_every_kind(tmp_path):
    """Truths, texts, numbers and null have a form; a failed trial is written without a score."""
    study, _ = search(tmp_path / "study", 1, fresh_seeds=0)
    values = {"a": True, "b": "relu", "c": 3, "d": None, "e": 0.5}
    proposal = replace(study.trials[0].proposal, values=values)
    trial = replace(study.trials[0], proposal=proposal, status="failed", score=None, scores=None, seconds=None)
    HParamsLog(tmp_path / "log", OBJECTIVE).write(trial)
    assert read(tmp_path / "log" / "trial-0000") == ({**values, "d": "null"}, {})


@pytest.mark.keras
def test_search_of_data_writes_them(tmp_path):
    """The setting of a search asks for them; runs with fresh seeds are there, and no score depends on the setting."""
    rows = "".join(f"{n % 7},{n % 5},{'yes' if n % 3 else 'no'}\n" for n in range(60))
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows)
    how = {"algorithm": "random", "max_trials": 1, "epochs": 2, "fresh_seeds": 1, "verbose": 0}
    study = tuning.search(tmp_path / "t.csv", study=tmp_path / "study", tensorboard=True, **how)
    assert read(study.path / "tensorboard" / "trial-0000")[0]["optimizer"] == "adam"
    assert read(study.path / "tensorboard" / "trial-0000-seed-1")[1]["val_accuracy"] > 0
    assert tuning.search(tmp_path / "t.csv", study=tmp_path / "study", **how).trials == study.trials


def test_absent_extra_is_said(tmp_path, monkeypatch):
    """One line with the pip command."""
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams.api", None)
    with pytest.raises(ConfigError, match=r"pip install 'keras-graft\[tensorboard\]'"):
        HParamsLog(tmp_path, OBJECTIVE)
