"""Judging a run on a table by other rows: those that it learned from are known again, wherever they are."""

import numpy as np
import pandas as pd
import pytest

import finetune
from zoo.errors import DataError

pytestmark = pytest.mark.keras


def frame(count, seed):
    """Return rows of two numbers whose sum tells the class."""
    x = np.random.default_rng(seed).normal(size=(count, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": np.where(x.sum(axis=1) > 0, "yes", "no")})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on sixty rows."""
    folder = tmp_path_factory.mktemp("judged")
    frame(60, 0).to_csv(folder / "t.csv", index=False)
    return finetune.fit(folder / "t.csv", run_dir=folder / "run", model="linear", epochs=3, verbose=0)


def test_rows_of_training_do_not_judge(run, capfd):
    """Of a file with old and new rows, shuffled and with a column more, the new ones and the test side judge."""
    mixed = pd.concat([frame(60, 0), frame(20, 1)]).sample(frac=1, random_state=0).assign(more=1)
    found = run.evaluate(mixed)
    tested = run.metrics["test"]["num_examples"]
    assert found["num_examples"] == 20 + tested
    assert f"{60 - tested} of 80 examples were trained on and are left out" in found["examples"]
    assert "were trained on" in capfd.readouterr().err


def test_rows_of_training_alone_are_refused(run):
    """A file of nothing but old rows cannot judge."""
    tested = {line.split(",")[0] for line in (run.path / "predictions.csv").read_text().splitlines()[1:]}
    old = frame(60, 0)[[f"line {number}" not in tested for number in range(2, 62)]]
    with pytest.raises(DataError, match="all [0-9]+ examples were trained on"):
        run.evaluate(old)


def test_rows_that_repeat_by_nature_are_not_known_again(tmp_path):
    """Where few values make all rows, a row that was seen before says nothing of who wrote it."""
    rows = pd.DataFrame(
        {"a": np.arange(60) % 3, "b": np.arange(60) % 2, "label": np.where(np.arange(60) % 2, "x", "y")}
    )
    run = finetune.fit(rows, target="label", run_dir=tmp_path / "run", model="linear", epochs=1, verbose=0)
    assert run.evaluate(rows[:30])["num_examples"] == 30
