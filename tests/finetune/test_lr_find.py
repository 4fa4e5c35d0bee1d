"""lr-find: it tests what a run would learn, says what it suggests and why, and leaves nothing but a picture."""

import json

import numpy as np
import pytest
from small_pictures import SETTINGS, make_pictures

import finetune
from finetune import lr_find
from finetune.cli import cli, run_command
from finetune.lr_find import default_plot, find_learning_rate, require_free
from finetune.report.rate_plot import TITLE
from finetune.training import fit as phases
from finetune.training.lr_finder import Curve
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.keras
RATES = tuple(np.geomspace(1e-7, 10, 100).tolist())


class Stop(Exception):
    """Ends a run whose lessons are seen."""


@pytest.fixture
def data(tmp_path):
    """Return a function that writes data of a kind."""

    def write(kind):
        if kind == "pictures":
            return make_pictures(tmp_path / "pictures")
        generator = np.random.default_rng(0)
        rows = [(f"{a:.3f}", f"{b:.3f}", "yes" if a + b > 0 else "no") for a, b in generator.normal(size=(80, 2))]
        if kind == "series":
            rows = [(1900 + year, f"{np.sin(year / 2):.3f}", f"{year % 11}") for year in range(80)]
        header = "year,level,other" if kind == "series" else "a,b,label"
        (tmp_path / f"{kind}.csv").write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
        return tmp_path / f"{kind}.csv"

    return write


@pytest.fixture
def quick(monkeypatch):
    """Let tests end at once with a curve that falls between 1e-4 and 1e-2; returns what they were given."""
    seen = []

    def measure(model, lessons, course, **how):
        seen.append((model, lessons, course, {layer.dtype_policy.name for layer in model.layers}))
        losses = tuple(np.interp(np.log(RATES), np.log([1e-4, 1e-2, 1]), [2.0, 1.0, 5.0]).tolist())
        return Curve(RATES, losses, losses, diverged=True)

    monkeypatch.setattr(lr_find, "range_test", measure)
    return seen


CASES = {
    "table": ("table", "all", {"class_weights": "balanced", "epochs": 3}),
    "series": ("series", "all", {"target": "level", "epochs": 3}),
    "scratch": ("pictures", "all", {"model": "cnn", "image_size": 16, "mixup": 0.2}),
    "two_phase": ("pictures", "upper", SETTINGS | {"method": "two_phase", "epochs": 2, "layer_decay": 0.5}),
}
SLOW = pytest.param("two_phase", marks=pytest.mark.slow)


@pytest.mark.parametrize("case", ["table", "series", "scratch", SLOW])
def test_what_is_tested_is_what_fit_would_learn(case, data, quick, monkeypatch, tmp_path):
    """Rows, targets, weights of examples, order, batches, initial weights and groups are those of the run."""
    kind, phase, settings = CASES[case]
    source, train_phase, seen = data(kind), phases.train_phase, []
    settings = settings | {"cache_dir": tmp_path / "cache", "verbose": 0}

    def stopping(model, lessons, course, **how):
        if course.phase != phase:
            return train_phase(model, lessons, course, **how)
        seen.append((model, lessons, course))
        raise Stop

    test = find_learning_rate(source, phase=phase, **settings)
    monkeypatch.setattr(phases, "train_phase", stopping)
    with pytest.raises(Stop):
        finetune.fit(source, run_dir=tmp_path / "run", **settings)
    (model, lessons, course), (tested, its, its_course, _) = seen[0], quick[0]
    for name in ("x", "y", "train", "validation", "weights"):
        np.testing.assert_array_equal(getattr(lessons, name), getattr(its, name))
    for one, other in zip(model.get_weights(), tested.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert lessons.mixing == its.mixing and (its.mixing is not None) == (case == "scratch")
    assert [getattr(course, name) for name in ("batch_size", "seed", "phase", "first_epoch")] == [
        getattr(its_course, name) for name in ("batch_size", "seed", "phase", "first_epoch")
    ]
    assert model.optimizer.get_config() == tested.optimizer.get_config() and model.loss.name == tested.loss.name
    # a rate for the second phase leaves that of the first as it is
    assert list(test.settings) == ["fine_tune_factor" if case == "two_phase" else "learning_rate"]


@pytest.mark.parametrize("case", ["table", "series", pytest.param("scratch", marks=pytest.mark.slow), SLOW])
def test_every_kind_of_data_gets_an_answer(case, data, tmp_path):
    """The test runs for real, the rates grow, and no run directory is made."""
    kind, phase, settings = CASES[case]
    test = find_learning_rate(data(kind), phase=phase, cache_dir=tmp_path / "cache", verbose=0, **settings)
    assert test.curve.rates[0] == pytest.approx(1e-7) and len(test.curve.rates) > 50
    assert test.rate is not None and 1e-5 < test.rate < 1
    assert not (tmp_path / "runs").exists() and test.draw().startswith(b"\x89PNG")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_layers_compute_as_in_the_run(precision, data, quick):
    """A rate that is found in one precision is for runs in it."""
    find_learning_rate(data("table"), precision=precision, verbose=0)
    assert precision in quick[0][-1]


def test_arrays_are_taken_as_by_fit(quick):
    """Rows and their targets are data, as for fit; a schedule with a warm-up from 0 does not matter."""
    x = np.random.default_rng(0).normal(size=(80, 3))
    test = find_learning_rate(x, (x[:, 0] > 0).astype(int), verbose=0, schedule="one_cycle", warmup_epochs=2)
    assert test.now == 0.005 and quick[0][0].optimizer.learning_rate == 1


def test_setting_gives_the_phase_the_suggested_rate(data, quick, tmp_path):
    """Where the phase learns at a tenth of the setting, the setting is ten times what is suggested."""
    options = SETTINGS | {"method": "full", "fine_tune_factor": 0.1, "cache_dir": tmp_path / "cache", "verbose": 0}
    test = find_learning_rate(data("pictures"), **options)
    assert test.phase == "all" and test.now == pytest.approx(SETTINGS["learning_rate"] / 10)
    assert test.settings == {"learning_rate": pytest.approx(10 * test.rate)}


def test_phases_of_ones_own_get_the_rate(data, quick, tmp_path):
    """Of phases in a config file the one that is tested gets the rate, and a run takes them as they are."""
    own = [{"name": "first", "epochs": 1, "schedule": "one_cycle"}, {"name": "more", "stages": 1}]
    options = SETTINGS | {"cache_dir": tmp_path / "cache", "verbose": 0}
    test = find_learning_rate(data("pictures"), phase="first", phases=own, **options)
    assert [phase.get("learning_rate") for phase in test.settings["phases"]] == [test.rate, None]
    again = find_learning_rate(tmp_path / "pictures", **options | test.settings)
    assert again.phase == "first" and again.now == test.rate


@pytest.mark.parametrize("phase", ["haed", 0, 2, "-1"])
def test_unknown_phase_is_refused(phase, data, quick):
    """The message lists what there is."""
    with pytest.raises(ConfigError, match=rf"no phase '?{phase}'?; those of the method are: 1 all"):
        find_learning_rate(data("table"), phase=phase, verbose=0)
    assert not quick


def test_command_prints_the_suggestion_and_draws(data, quick, tmp_path, monkeypatch, capsys):
    """Text names rate, reason, setting and picture; the picture is there, and is replaced the second time."""
    monkeypatch.chdir(tmp_path)
    source = str(data("table"))
    assert run_command(cli, ["lr-find", source, "--verbose", "0"]) == 0
    said = capsys.readouterr().out
    assert "--set learning_rate=" in said and "the loss falls from" in said and "picture: table-lr.png" in said
    assert (tmp_path / "table-lr.png").read_bytes().startswith(b"\x89PNG")
    assert run_command(cli, ["lr-find", source, "--verbose", "0", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["settings"] == {"learning_rate": told["suggestion"]} and len(told["rates"]) == len(told["losses"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table-lr.png", "table.csv"]


def test_curve_without_a_fall_is_told(data, monkeypatch, tmp_path, capsys):
    """Where nothing is suggested the reason stands in its place, and null in JSON."""
    flat = Curve(RATES, (2.0,) * 100, (2.0,) * 100, diverged=False)
    monkeypatch.setattr(lr_find, "range_test", lambda *given, **how: flat)
    line = ["lr-find", str(data("table")), "--verbose", "0", "--plot", str(tmp_path / "a.png")]
    assert run_command(cli, line) == 0 and "no suggestion" in capsys.readouterr().out
    assert run_command(cli, [*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["suggestion"] is None and told["settings"] == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.png", b"\x89PNG of a cat", "is there and no picture of lr-find"),
        ("notes.txt", None, "ends in .png"),
        ("nowhere/a.png", None, "there is no folder"),
    ],
)
def test_place_that_is_taken_is_refused_first(name, content, message, data, quick, tmp_path):
    """Nothing that is there is overwritten, and that is found out before anything is learned."""
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        find_learning_rate(data("table"), plot=tmp_path / name, verbose=0)
    assert not quick and (not content or (tmp_path / name).read_bytes() == content)


def test_own_picture_is_no_obstacle(data, quick, tmp_path):
    """The picture says in its file what it is, and may be replaced by the next one."""
    path = tmp_path / "a.png"
    find_learning_rate(data("table"), plot=path, verbose=0)
    assert TITLE.encode() in path.read_bytes()
    require_free(path)


def test_faults_of_the_data_are_refused_as_by_fit(data, quick, tmp_path):
    """Checks come first; strict makes warnings errors."""
    root = data("pictures")
    (root / "red" / "same.png").write_bytes((root / "blue" / "0.png").read_bytes())
    with pytest.raises(DataError):
        find_learning_rate(root, model="cnn", strict=True, cache_dir=tmp_path / "cache", verbose=0)
    assert not quick


@pytest.mark.parametrize(("given", "name"), [("tfds:beans", "beans-lr.png"), ("a/b.csv", "b-lr.png"), (".", None)])
def test_picture_is_called_after_the_data(given, name, tmp_path, monkeypatch):
    """The name of a run on the data, and -lr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.csv").touch()
    assert default_plot(given).name == (name or f"{tmp_path.name}-lr.png")
