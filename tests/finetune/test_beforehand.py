"""Faults that are told at once: before TensorFlow is imported, and in the words in which the run would tell them."""

import importlib
import json
import subprocess
import sys

import pytest

import finetune
from finetune.beforehand import refuse, refuse_run_dir
from finetune.cli import run_command
from finetune.config import make_config
from finetune.run_dir import RunDir
from zoo.errors import DataError, GraftError, RunStateError

LARGE = ("tensorflow", "keras", "numpy", "pandas", "sklearn")
FINETUNE, TUNER = "finetune.cli", "tuning.cli"
TABLE = "size,colour,kind\n" + "1,red,a\n2,blue,b\n" * 20


def told(command, arguments):
    """Return the exit code of a command in a new process, its message, and which large packages it imported."""
    code = f"""
import json, sys
from finetune.cli import run_command
from {command} import cli
code = run_command(cli, {[str(argument) for argument in arguments]!r})
print(json.dumps([code, [name for name in {LARGE!r} if name in sys.modules]]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return *json.loads(done.stdout), done.stderr


@pytest.fixture
def table(tmp_path):
    """A small table."""
    (tmp_path / "kinds.csv").write_text(TABLE)
    return tmp_path / "kinds.csv"


@pytest.fixture
def taken(tmp_path):
    """A directory that holds something else."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    return tmp_path / "taken"


@pytest.mark.parametrize(
    ("command", "arguments", "code", "words"),
    [
        (FINETUNE, ["fit", "nowhere"], 3, "nowhere does not exist"),
        (FINETUNE, ["fit", "nowhere.csv"], 3, "nowhere.csv does not exist"),
        (FINETUNE, ["fit", "nowhere.npz"], 3, "nowhere.npz does not exist"),
        (FINETUNE, ["fit", "PICTURES", "--model", "efficientnet_lit0"], 2, "Nearest: efficientnet_lite0"),
        (FINETUNE, ["fit", "PICTURES", "--model", "cnm"], 2, "Nearest: cnn"),
        (FINETUNE, ["fit", "TABLE", "--model", "mpl"], 2, "Nearest: mlp"),
        (FINETUNE, ["fit", "TABLE", "--set", "target=kid"], 3, "Nearest: kind"),
        (FINETUNE, ["fit", "PICTURES", "--weights", "mine.pth"], 2, "neither a file nor a tag"),
        (FINETUNE, ["fit", "PICTURES", "--set", "image_size=8"], 2, "image_size must be at least 32"),
        (FINETUNE, ["fit", "PICTURES", "--run-dir", "TAKEN"], 5, "not empty (has thesis.txt)"),
        (FINETUNE, ["resume", "TAKEN"], 5, "holds no run"),
        (FINETUNE, ["fit", "PICTURES", "--method", "scratch", "--model", "cnm"], 2, "Nearest: cnn"),
        (FINETUNE, ["lr-find", "nowhere"], 3, "nowhere does not exist"),
        (FINETUNE, ["evaluate", "nowhere", "TABLE"], 5, "holds no run"),
        (FINETUNE, ["predict", "nowhere", "a.jpg"], 5, "holds no run"),
        (FINETUNE, ["report", "nowhere"], 5, "holds no run"),
        (TUNER, ["search", "nowhere", "--max-trials", "3"], 3, "nowhere does not exist"),
        (TUNER, ["search", "TABLE", "--model", "mpl", "--max-trials", "3"], 2, "Nearest: mlp"),
        (TUNER, ["search", "nowhere", "--space", "s.yaml", "--max-trials", "3"], 3, "nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_nothing_heavy_is_imported_for_a_fault(command, arguments, code, words, pictures, table, taken):
    """Who mistypes a path, a model, a column or a directory has the answer at once."""
    places = {"PICTURES": pictures, "TABLE": table, "TAKEN": taken}
    found, imported, message = told(command, [places.get(argument, argument) for argument in arguments])
    assert (found, imported) == (code, []) and words in message and "Traceback" not in message


@pytest.mark.keras
@pytest.mark.parametrize(
    "settings",
    [
        {"data": "nowhere"},
        {"data": "nowhere.csv"},
        {"data": "TABLE", "target": "kid"},
        {"data": "TABLE", "group": "size2"},
        {"data": "PICTURES", "model": "efficientnet_lit0"},
        {"data": "PICTURES", "weights": "mine.pth"},
        {"data": "PICTURES", "model": "efficientnet_lite3"},
        {"data": "PICTURES", "model": "cnm", "method": "scratch"},
        {"data": "PICTURES", "runtime": "keras_bf16", "folds": 3},
        {"data": "PICTURES", "run_dir": "TAKEN", "model": "cnn"},
    ],
    ids=str,
)
def test_run_tells_the_same(settings, pictures, table, taken, tmp_path, monkeypatch):
    """What is told beforehand is what the run itself would tell, to whoever calls it from Python."""
    monkeypatch.chdir(tmp_path)
    places = {"PICTURES": str(pictures), "TABLE": str(table), "TAKEN": str(taken)}
    settings = {name: places.get(value, value) for name, value in settings.items()}
    settings["cache_dir"] = str(tmp_path / "cache")
    with pytest.raises(GraftError) as early:
        refuse(make_config(settings))
        refuse_run_dir(settings.get("run_dir"), overwrite=False, resume=False)
    with pytest.raises(type(early.value)) as late:
        finetune.fit(settings.pop("data"), **settings, verbose=0)
    assert str(early.value) == str(late.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "keras:mnist"},
        {"data": "tfds:mnist"},
        {"data": "python:arrays"},
        {"data": "PICTURES", "model": "hub:resnet_18_imagenet"},
        {"data": "PICTURES", "model": "runs/mine"},
        {"data": "PICTURES", "model": "cnn", "weights": "mine.pth"},
        {"data": "PICTURES", "method": "scratch", "model": "resnet200"},
        {"data": "TABLE", "model": "linear"},
        {"data": "TABLE", "model": "lstm"},
        {"data": "TABLE", "model": "zzzzzzz"},
        {"data": "keras:x.csv"},
        {"data": "TABLE", "time": "day"},
    ],
    ids=str,
)
def test_what_needs_more_than_a_look_is_left_to_the_run(settings, pictures, table):
    """Data sets by name, models that have to be opened, and all that may be right."""
    places = {"PICTURES": str(pictures), "TABLE": str(table)}
    refuse(make_config({name: places.get(value, value) for name, value in settings.items()}))


def test_run_that_another_writes_is_left_to_the_lock(tmp_path):
    """It is not said to be taken, but by whom: that is known to who asks for the lock."""
    path = tmp_path / "run"
    with RunDir.claim(path) as run:
        run.write_json("config", {})
        refuse_run_dir(path, overwrite=False, resume=False)
    with pytest.raises(RunStateError, match="not empty"):
        refuse_run_dir(path, overwrite=False, resume=False)
    refuse_run_dir(path, overwrite=True, resume=False)
    refuse_run_dir(path, overwrite=False, resume=True)


def test_what_a_killed_process_left_half_written_takes_no_room(tmp_path):
    """It is removed when the run begins, so it is no reason to refuse one; what no run writes is."""
    (tmp_path / ".config.ab12_cd3.tmp.json").write_text("{")
    refuse_run_dir(tmp_path, overwrite=False, resume=False)
    (tmp_path / ".thesis.ab12_cd3.tmp.json").write_text("{")
    with pytest.raises(RunStateError, match="thesis"):
        refuse_run_dir(tmp_path, overwrite=False, resume=False)


@pytest.mark.parametrize("name", ["x" * 300, "x/" + "y" * 300])
def test_path_that_cannot_be_looked_at_is_left_to_the_run(pictures, name):
    """It ends in a message, here or there."""
    refuse_run_dir(name, overwrite=False, resume=False)
    with pytest.raises(DataError):
        refuse(make_config({"data": f"{name}.npz"}))


@pytest.mark.keras
@pytest.mark.parametrize("command", [(FINETUNE, "lr-find"), (TUNER, "search")], ids=lambda pair: pair[1])
def test_who_writes_no_run_asks_for_no_directory(command, pictures, taken, tmp_path, capfd, monkeypatch):
    """The config of a finished run names its own directory; a search or a range test with it leaves that alone."""
    (tmp_path / "config.json").write_text(json.dumps({"data": str(pictures), "run_dir": str(taken)}))

    def stop(*given, **how):
        raise DataError("went on")

    monkeypatch.setattr("finetune.lr_find.run_rate_test", stop)
    monkeypatch.setattr("tuning.searching.search_recipe", stop)
    options = ["--max-trials", "3"] if command[1] == "search" else ["--plot", str(tmp_path / "rates.png")]
    cli = importlib.import_module(command[0]).cli
    assert run_command(cli, [command[1], "--config", str(tmp_path / "config.json"), *options]) == 3
    assert "went on" in capfd.readouterr().err
