"""What a run on a series answers: order, steps and gaps are those that it learned from, DataFrames work as files do."""

import json
import math

import numpy as np
import pandas as pd
import pytest

import finetune
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.keras
COUNT, WINDOW = 160, 8


def frame(**changes):
    """Return a wave on business days, with a column that a run leaves out."""
    noise = np.random.default_rng(0).normal(scale=0.05, size=COUNT)
    level = [10 + 5 * math.sin(at / 3) + noise[at] for at in range(COUNT)]
    dates = pd.bdate_range("2020-01-01", periods=COUNT).strftime("%d/%m/%Y")
    columns = {"Date": dates, "spare": "7", "weight": np.arange(COUNT) / COUNT, "level": level}
    return pd.DataFrame({**columns, **changes})


def save(path, table):
    """Write a table without its index, and return the path as text."""
    table.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on the wave."""
    folder = tmp_path_factory.mktemp("series")
    settings = {"window": WINDOW, "ignore": ("spare", "weight"), "run_dir": folder / "run", "epochs": 20}
    return finetune.fit(save(folder / "wave.csv", frame()), verbose=0, **settings)


def test_a_file_that_runs_backwards_is_turned_round(run, tmp_path):
    """Newest first or last, the answer is what follows the newest row, whose line it names."""
    forwards = run.predict(save(tmp_path / "new.csv", frame()))[0]
    backwards = run.predict(save(tmp_path / "new.csv", frame()[::-1]))[0]
    assert backwards.values == forwards.values
    assert (forwards.row, backwards.row) == (f"after line {COUNT + 1}", "after line 2")


def test_rows_without_order_are_refused(run, tmp_path):
    """A file that goes forth and back is not answered, whichever command asks."""
    path = save(tmp_path / "new.csv", frame().sample(frac=1, random_state=0))
    with pytest.raises(DataError, match="is earlier than that of line"):
        run.predict(path)
    with pytest.raises(DataError, match="is earlier than that of line"):
        run.evaluate(path)


@pytest.mark.parametrize("freq", ["D", "W", "h"])
def test_other_steps_are_refused(freq, run, tmp_path):
    """Days of all weeks, weeks and hours are not the business days that the run learned from."""
    dates = pd.date_range("2022-01-01", periods=COUNT, freq=freq).strftime("%d/%m/%Y %H:%M")
    path = save(tmp_path / "new.csv", frame(Date=dates))
    for ask in (run.predict, run.evaluate):
        with pytest.raises(DataError, match="not those that the run learned from \\(every business day\\)"):
            ask(path)


def test_a_gap_is_refused_where_it_is_looked_back_on(run, tmp_path):
    """Weeks that are missing in the last window are refused with their lines; those before it do not matter."""
    with pytest.raises(DataError, match="10 steps are missing in 'Date' between line 146 and line 147"):
        run.predict(save(tmp_path / "new.csv", frame().drop(range(145, 155))))
    answers = run.predict(save(tmp_path / "new.csv", frame().drop(range(100, 110))))
    assert answers[0].values == run.predict(frame())[0].values


def test_holidays_are_no_gap(run):
    """One free day in the last window is answered."""
    assert run.predict(frame().drop(COUNT - 4))


def test_a_blank_matters_in_the_last_window_alone(run, tmp_path):
    """A blank that the model does not look back on is not refused; another one is named with its line."""
    level = frame()["level"]
    early, late = level.where(level.index != 20), level.where(level.index != COUNT - 3)
    assert run.predict(save(tmp_path / "new.csv", frame(level=early)))
    with pytest.raises(DataError, match=f"line {COUNT - 1}: the column 'level' is blank"):
        run.predict(save(tmp_path / "new.csv", frame(level=late)))


def test_days_are_read_as_in_training(run):
    """A file too short to tell day and month apart is read as that which the run learned from."""
    assert run.predict(frame()[87:97])[0].row == "after row 9"


def test_data_frames_are_answered_as_files_are(run, tmp_path):
    """The same rows give the same answer and the same scores from a DataFrame and from a file."""
    path = save(tmp_path / "new.csv", frame())
    assert run.predict(frame())[0].values == run.predict([path])[0].values
    scores = run.evaluate(frame()), run.evaluate(path)
    assert scores[0]["examples"] == "all windows of the rows" and scores[1]["examples"] == "the run's own test side"
    assert run.evaluate(path)["mae"] == pytest.approx(run.metrics["test"]["mae"], rel=1e-4)
    with pytest.raises(DataError, match="answers for CSV files and DataFrames"):
        run.predict(np.zeros((20, 1)))


def test_a_run_on_a_data_frame_knows_it_again(tmp_path):
    """The DataFrame that was learned from is judged by the run's own test side, an odd other column or not."""
    run = finetune.fit(frame(), ignore=("spare",), window=4, epochs=1, run_dir=tmp_path / "run", verbose=0)
    assert run.evaluate(frame())["examples"] == "the run's own test side"


def test_an_index_of_dates_says_when(tmp_path):
    """A DataFrame whose index holds dates is a series by them, when it is asked for answers as well."""
    dated = pd.DataFrame({"level": frame()["level"].to_numpy()}, pd.bdate_range("2020-01-01", periods=COUNT))
    run = finetune.fit(dated, target="level", epochs=1, run_dir=tmp_path / "run", verbose=0)
    assert run.config.time == "time" and run.evaluate(dated)["examples"] == "the run's own test side"
    assert run.predict(dated[::-1])[0].values == run.predict(dated)[0].values
    with pytest.raises(DataError, match="give them again"):
        run.evaluate()


def test_an_index_of_dates_of_rows_that_are_no_series_is_a_warning(tmp_path):
    """Where the rows are dealt at random all the same, the index is no input, and the warning is given."""
    rows = pd.DataFrame({"x": np.arange(COUNT) % 7, "level": frame()["level"].to_numpy()})
    rows.index = pd.to_datetime(np.random.default_rng(0).permutation(COUNT), unit="D").rename("Date")
    run = finetune.fit(rows, target="level", epochs=1, run_dir=tmp_path / "run", verbose=0)
    data = json.loads((run.path / "data.json").read_text())
    assert [column["name"] for column in data["columns"]] == ["x"]
    assert any(warning.startswith("'Date' holds dates") for warning in data["warnings"])
    assert run.evaluate(rows)["examples"] == "the run's own test side" and run.predict(rows)


def test_columns_that_are_not_used_are_not_looked_at(run, tmp_path):
    """Odd cells in a column that was left out in training change nothing."""
    odd = frame(spare=["1"] * (COUNT - 1) + ["x"], weight=["1,5"] * COUNT)
    for table in (odd, odd.drop(columns=["spare", "weight"])):
        path = save(tmp_path / "new.csv", table)
        assert run.predict(path)[0].values == run.predict(frame())[0].values
        assert run.evaluate(path)["num_examples"] == COUNT - WINDOW
        assert run.evaluate(table)["num_examples"] == COUNT - WINDOW
    with pytest.raises(DataError, match="has no column 'level'; it has Date"):
        run.predict(frame().drop(columns="level"))


def test_weights_are_those_of_the_first_step_ahead(tmp_path):
    """The column of weights is no input, and windows of no weight teach nothing."""
    weights = np.where(np.arange(COUNT) < 60, 0.0, 1.0)
    settings = {"window": WINDOW, "ignore": ("spare",), "epochs": 3, "verbose": 0, "sample_weight": "weight"}
    found = []
    for number, spoiled in enumerate((frame(weight=weights), frame(weight=np.ones(COUNT)))):
        run = finetune.fit(spoiled, run_dir=tmp_path / str(number), **settings)
        found.append(run.predict(frame())[0].values["level"])
        assert [column["name"] for column in json.loads((run.path / "data.json").read_text())["columns"]] == ["level"]
    assert found[0] != found[1]


@pytest.mark.parametrize("name", ["group", "side"])
def test_sides_of_rows_do_not_go_with_a_series(name, tmp_path):
    """group= and side= are refused in words, with the way to rows one by one."""
    table = frame(spare=["train", "test"] * (COUNT // 2))
    with pytest.raises(ConfigError, match=f"{name}=spare does not go with a series \\('Date' says when\\)"):
        finetune.fit(table, run_dir=tmp_path / "run", verbose=0, **{name: "spare"})
