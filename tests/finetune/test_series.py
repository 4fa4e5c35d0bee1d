"""Runs on series: what comes next is forecast, borders in time are kept, rules without a model are beaten."""

import json
import math

import numpy as np
import pytest

import finetune
from finetune.data.series import Windows, guesses, period_of, split_by_time
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.keras


def write_series(path, values, first=2000, name="level"):
    """Write a CSV file of years and values; return its path as text."""
    rows = [f"{first + at},{value:.4f}" for at, value in enumerate(values)]
    path.write_text("\n".join([f"year,{name}", *rows]) + "\n")
    return str(path)


def wave(count=240, period=12):
    """Return a wave with a little noise."""
    noise = np.random.default_rng(0).normal(scale=0.05, size=count)
    return [10 + 5 * math.sin(2 * math.pi * at / period) + noise[at] for at in range(count)]


def last_value(run):
    """Return how far off it is to say that nothing changes."""
    return next(rule["mae"] for rule in run.metrics["baselines"] if rule["name"] == "last value")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on a wave."""
    folder = tmp_path_factory.mktemp("series")
    return finetune.fit(write_series(folder / "wave.csv", wave()), run_dir=folder / "run", epochs=40, verbose=0)


def test_series_is_recognized_and_its_period_found(run):
    """A first column of even years makes a series; the window is two periods."""
    decisions = {item["what"]: item for item in json.loads((run.path / "model.json").read_text())["decisions"]}
    assert decisions["task"]["value"] == "forecasting" and decisions["time"]["value"] == "year"
    assert decisions["window"]["value"] == 24 and decisions["window"]["why"] == "two periods of 12 steps"


def test_forecast_beats_the_last_value(run):
    """On a wave the model is far better than saying that nothing changes."""
    rules = {rule["name"]: rule["mae"] for rule in run.metrics["baselines"]}
    assert set(rules) == {"last value", "value one period of 12 before"}
    assert run.metrics["test"]["mae"] < rules["last value"] / 2


def test_sides_follow_one_another_in_time(run):
    """The last years are the test side, and predictions.csv names them."""
    lines = (run.path / "predictions.csv").read_text().splitlines()[1:]
    years = [int(line.split(",")[0]) for line in lines]
    assert years == list(range(2204, 2240))


def test_what_follows_a_file_is_answered(run, tmp_path):
    """The answer to a file is the value after its last row."""
    values = wave(300)
    answer = run.predict([write_series(tmp_path / "new.csv", values[:264], first=1900)])[0]
    assert answer.row == "after line 265" and answer.values["level"] == pytest.approx(values[264], abs=1.5)


def test_own_test_windows_are_judged_again(run):
    """Evaluating without a file finds the scores of the run."""
    again = run.evaluate()
    assert again["examples"] == "the run's own test side"
    assert again["mae"] == pytest.approx(run.metrics["test"]["mae"], rel=1e-4)


def test_too_short_a_file_is_refused(run, tmp_path):
    """A file with fewer rows than the window says how many are needed."""
    with pytest.raises(DataError, match="has 10 rows; the model looks back on 24"):
        run.predict([write_series(tmp_path / "new.csv", wave(10))])


def test_several_steps_ahead_have_a_name_each(tmp_path):
    """With a horizon of three there are three outputs, each judged."""
    data = write_series(tmp_path / "wave.csv", wave(150))
    run = finetune.fit(data, run_dir=tmp_path / "run", horizon=3, window=12, epochs=5, verbose=0)
    assert run.class_names == ("level +1", "level +2", "level +3")
    assert set(run.metrics["test"]["per_output"]) == set(run.class_names)


def test_windows_are_named(tmp_path):
    """A column of texts is predicted for each window from the other columns."""
    values = wave(160)
    rows = [f"{2000 + at},{v:.3f},{'up' if v > values[at - 1] else 'down'}" for at, v in enumerate(values) if at]
    (tmp_path / "t.csv").write_text("\n".join(["year,level,way", *rows]) + "\n")
    run = finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", window=4, epochs=30, verbose=0)
    assert run.metrics["task"] == "classification" and run.class_names == ("down", "up")
    assert run.metrics["test"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["2000,1", "2001,2", "2001,3"], "line 4: the time in 'year' is the same moment as that of line 3"),
        (["2000,1", "2002,2", "2001,3"], "line 4: the time in 'year' is earlier than that of line 3"),
    ],
)
def test_rows_out_of_order_are_refused(rows, message, tmp_path):
    """A series must go up in time; the message names the line."""
    (tmp_path / "t.csv").write_text("\n".join(["year,level", *rows]) + "\n")
    with pytest.raises(DataError, match=message):
        finetune.fit(tmp_path / "t.csv", time="year", run_dir=tmp_path / "run", verbose=0)


def test_gaps_are_reported(tmp_path):
    """Missing steps are a warning with their lines, fatal when strict."""
    lines = [f"{2000 + at + (5 if at > 60 else 0)},{value:.3f}" for at, value in enumerate(wave(120))]
    (tmp_path / "t.csv").write_text("\n".join(["year,level", *lines]) + "\n")
    with pytest.raises(DataError, match="1 gaps in 'year', some 5 steps that are missing \\(line 62 to 63\\)"):
        finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", strict=True, verbose=0)


def test_texts_do_not_belong_into_a_series(tmp_path):
    """A column of texts beside the series is named with the way to leave it out."""
    lines = [f"{2000 + at},{'ab'[at % 2]},{value:.3f}" for at, value in enumerate(wave(60))]
    (tmp_path / "t.csv").write_text("\n".join(["year,kind,level", *lines]) + "\n")
    with pytest.raises(ConfigError, match="'kind' hold texts. Leave them out: --set ignore=kind"):
        finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", verbose=0)


def test_class_that_only_comes_later_is_named(tmp_path):
    """A class of the last weeks alone is a warning that names it."""
    rows = [f"{2000 + at},{v:.3f},{'late' if at > 150 else 'ab'[at % 2]}" for at, v in enumerate(wave(160))]
    (tmp_path / "t.csv").write_text("\n".join(["year,level,way", *rows]) + "\n")
    run = finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", window=4, epochs=1, verbose=0)
    warnings = json.loads((run.path / "data.json").read_text())["warnings"]
    assert any(warning.startswith("'late' comes up only after the time that is learned from") for warning in warnings)


@pytest.mark.parametrize(("shift", "scale"), [(1.7e9, 1.0), (0.0, 1e-9)])
def test_values_of_any_scale_are_forecast(shift, scale, tmp_path):
    """Numbers far from 0 and tiny ones keep the digits in which they differ, in training and in answers."""
    values = [float(shift + scale * value) for value in wave()]
    rows = [f"{2000 + at},{value!r}" for at, value in enumerate(values)]
    (tmp_path / "t.csv").write_text("\n".join(["year,level", *rows]) + "\n")
    run = finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", epochs=40, verbose=0)
    assert run.metrics["test"]["mae"] < last_value(run) / 2
    assert run.evaluate()["mae"] == pytest.approx(run.metrics["test"]["mae"], rel=1e-3)
    assert run.predict(str(tmp_path / "t.csv"))[0].values["level"] == pytest.approx(values[228], abs=1.5 * scale)


def test_column_that_is_constant_in_training_says_nothing_later(tmp_path):
    """A column of one number, but for rounding, until after training changes no forecast."""
    rows = [f"{2000 + at},{0.1 if at < 200 else 0.2},{value:.4f}" for at, value in enumerate(wave())]
    (tmp_path / "t.csv").write_text("\n".join(["year,other,level", *rows]) + "\n")
    run = finetune.fit(tmp_path / "t.csv", run_dir=tmp_path / "run", epochs=40, verbose=0)
    assert run.metrics["test"]["mae"] < last_value(run) / 2


def test_no_target_of_training_is_seen_again_as_a_target():
    """Windows whose steps ahead cross a border are on no side, and the order of time is kept."""
    windows = Windows(window=5, horizon=3)
    sides = split_by_time(windows, 100, validation_fraction=0.2, test_fraction=0.2)
    first = windows.first_targets(100)
    covered = [
        set(np.concatenate([first[list(side)] + ahead for ahead in range(3)]))
        for side in (sides.train, sides.validation, sides.test)
    ]
    assert max(covered[0]) < min(covered[1]) and max(covered[1]) < min(covered[2])
    assert covered[1] == set(range(60, 80)) and covered[2] == set(range(80, 100))


def test_windows_and_targets_go_together():
    """Each window is followed by its targets, with strides as well."""
    values = np.arange(20.0)
    windows = Windows(window=4, horizon=2, stride=3)
    inputs, targets = windows.inputs(values[:, None]), windows.targets(values)
    assert inputs.shape == (5, 4, 1) and targets.shape == (5, 2)
    np.testing.assert_array_equal(inputs[:, -1, 0] + 1, targets[:, 0])


def test_rules_know_nothing_of_the_future():
    """The last value and the value one period before are of the past only, also for horizons over the period."""
    values = np.arange(50.0)
    windows = Windows(window=6, horizon=4)
    first = windows.first_targets(50)
    for guess in guesses(values, windows, period=3).values():
        assert (guess < first[:, None]).all()


def test_noise_has_no_period():
    """Values that do not repeat get none, and a constant series neither."""
    assert period_of(np.random.default_rng(0).normal(size=300)) is None
    assert period_of(np.ones(100)) is None


def test_folds_are_refused(tmp_path):
    """A series is split by time; folds would learn from the future."""
    rows = "\n".join(f"{year},{year % 11}" for year in range(1900, 2000))
    (tmp_path / "s.csv").write_text(f"year,x\n{rows}\n")
    with pytest.raises(ConfigError, match="folds=5 does not go with a series"):
        finetune.fit(tmp_path / "s.csv", folds=5, run_dir=tmp_path / "run", verbose=0)
