"""Nested folds: each fold is judged by what its own search never saw."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import tuning
from finetune.cli import run_command
from finetune.config import make_config
from finetune.progress import Reporter
from tuning import ground as ground_module
from tuning import nested
from tuning.cli import cli
from tuning.ground import Grounds, OuterFold
from tuning.nested_result import read_nested
from tuning.study import Study
from tuning.words import best_json, best_text
from zoo.errors import ConfigError, DataError, RunStateError

pytestmark = pytest.mark.keras
SPACE = {"space": {"learning_rate": [0.003, 0.03], "optimizer": ["adam", "sgd"]}}
HOW = {"epochs": 2, "units": (4,), "verbose": 0, "fresh_seeds": 0, "algorithm": "grid", "max_trials": 2}


def write(path, x):
    """Write a table of two classes; labels do not depend on `x` as it stands here."""
    labels = np.random.default_rng(1).integers(0, 2, len(x))
    rows = "".join(f"{a:.3f},{b:.3f},{'no' if label else 'yes'}\n" for (a, b), label in zip(x, labels, strict=True))
    path.write_text("a,b,label\n" + rows)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A small table."""
    return write(tmp_path_factory.mktemp("data") / "t.csv", np.random.default_rng(0).normal(size=(90, 2)))


@pytest.fixture(scope="module")
def study(table, tmp_path_factory):
    """A study of it with two outer folds."""
    return search(table, tmp_path_factory.mktemp("done") / "study")


def search(table, study, **options):
    """Search quietly with two outer folds."""
    return tuning.search(table, space=SPACE, study=study, **(HOW | {"nested_folds": 2} | options))


def scores(study, fold):
    """Return the scores inside of a fold."""
    return [trial.scores for trial in Study(study.path / "nested-2" / f"fold-{fold}").trials]


def test_folds_are_judged_on_features_in_float32(table):
    """Scores outside come from features, so those may not differ from what the model computes."""
    grounds = Grounds(make_config({"data": table}), None, OuterFold(1, 2))
    asked = grounds.asked({}, seed=0)
    ground = grounds.under(asked, Reporter(0))
    assert asked.runtime == "auto"
    assert ground.prepared.config.runtime == ground.config(asked).runtime == "auto_float32"
    half = asked.model_copy(update={"runtime": "keras_bf16"})
    assert grounds.under(half, Reporter(0))  # tables have no frozen part that it could run
    pictures = replace(ground.prepared, kind=SimpleNamespace(STAGED=True), config=half)
    with pytest.raises(ConfigError, match="runtime=keras_bf16 does not go with nested folds"):
        ground_module._on_fold(pictures, OuterFold(1, 2))


def rows_of(table, fold):
    """Return the rows of a fold."""
    grounds = Grounds(make_config({"data": table}), None, OuterFold(fold, 2))
    splits = grounds.under(grounds.asked({}, seed=0), Reporter(0)).prepared.splits
    assert sorted([*splits.train, *splits.validation, *splits.test]) == list(range(90))
    return list(splits.test)


def test_what_stands_in_a_fold_has_no_way_into_its_search(table, study, tmp_path):
    """Marked rows change no score inside of their own fold, but that outside, and those of the other fold's search."""
    marked, rows = np.random.default_rng(0).normal(size=(90, 2)), rows_of(table, 1)
    marked[rows] = 1e6
    assert not set(rows) & set(rows_of(table, 2))
    after = search(write(tmp_path / "t.csv", marked), tmp_path / "after")
    assert scores(study, 1) == scores(after, 1)
    assert scores(study, 2) != scores(after, 2)
    assert read_nested(study.path).rows[0].outside != read_nested(after.path).rows[0].outside


def test_result_has_mean_spread_and_choices(study):
    """Each fold with its choice and both scores, in words, as JSON and on the page."""
    found = read_nested(study.path)
    outside = [row.outside for row in found.rows]
    assert found.mean == pytest.approx(np.mean(outside)) and found.spread == pytest.approx(np.std(outside, ddof=1))
    assert sum(row.examples["test"] for row in found.rows) == 90
    assert f"val_loss {found.text}" in best_text(study) and "over 2 outer folds" in found.text
    assert json.loads(json.dumps(best_json(study)))["nested"]["rows"][1]["values"] == found.rows[1].values
    assert found.text in (study.path / "report.html").read_text()


def test_search_with_folds_goes_on(table, study, monkeypatch):
    """What was scored outside is not scored again; what was lost is, with the same numbers."""
    first = read_nested(study.path)
    monkeypatch.setattr(nested, "learn", None)
    assert read_nested(search(table, study.path).path) == first
    monkeypatch.undo()
    (study.path / "nested-2" / "fold-1" / "outside.json").unlink()
    assert read_nested(search(table, study.path).path) == first


def test_what_cannot_be_dealt_is_refused_before_the_search(table, tmp_path, capsys):
    """Too many folds, one fold, and functions: a line each, and no study."""
    with pytest.raises(DataError, match="nested folds: class 'no' has .* folds=60 needs at least 60"):
        search(table, tmp_path / "study", nested_folds=60)
    with pytest.raises(ConfigError, match="nested_folds deal examples of `finetune`"):
        tuning.search(lambda hp: None, [1], [1], nested_folds=2, max_trials=1)
    assert run_command(cli, ["search", str(table), "--max-trials", "1", "--nested-folds", "1"]) == 2
    assert "nested_folds must be 2 or more" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()


def test_damaged_result_is_named(study, tmp_path):
    """Whoever edited the file is told which, and how it is made again."""
    shutil.copytree(study.path, tmp_path / "study")
    (tmp_path / "study" / "nested-2" / "result.json").write_text("{}")
    with pytest.raises(RunStateError, match="result.json: cannot be read .*; remove it, and the search"):
        best_text(Study(tmp_path / "study"))
