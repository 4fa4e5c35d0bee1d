"""Runs on pictures that a CSV file lists: one class, several labels or a number each."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from small_pictures import SETTINGS, make_pictures

import finetune
from finetune.cli import cli, run_command
from zoo.errors import DataError

pytestmark = pytest.mark.keras
COLOURS = ("blue", "green", "red")


def write_list(path, header, rows):
    """Write a CSV file."""
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def make_lists(folder):
    """Write pictures of two colours each, and lists of them by class, by labels and by a number."""
    generator = np.random.default_rng(0)
    make_pictures(folder / "plain")
    rows = [(f"plain/{name}/{n}.png", name) for name in COLOURS for n in range(10)]
    write_list(folder / "classes.csv", "path,label", rows)
    labels, numbers = [], []
    for index in range(40):
        left, right = generator.integers(0, 2, 2)
        pixels = generator.integers(0, 40, (40, 48, 3))
        pixels[:, :, 0] += 200 * left
        pixels[:, :, 2] += 200 * right
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{index}.png")
        labels.append((f"{index}.png", "|".join(["red"] * left + ["blue"] * right)))
        numbers.append((f"{index}.png", 100 + 50 * left + index / 1000))
    write_list(folder / "labels.csv", "path,labels", labels)
    write_list(folder / "numbers.csv", "path,weight", numbers)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A finished run for each task."""
    folder = tmp_path_factory.mktemp("lists")
    make_lists(folder)
    settings = SETTINGS | {"cache_dir": folder / "cache", "verbose": 0}
    return {
        name: finetune.fit(folder / f"{name}.csv", run_dir=folder / f"run-{name}", **settings)
        for name in ("classes", "labels", "numbers")
    }


def test_listed_classes_are_learned_like_folders(runs):
    """A list of paths and classes gives what class folders give."""
    run = runs["classes"]
    assert run.class_names == COLOURS and run.metrics["test"]["accuracy"] >= 0.8
    decisions = {item["what"]: item["value"] for item in json.loads((run.path / "model.json").read_text())["decisions"]}
    assert {name: decisions[name] for name in ("path", "target", "task")} == {
        "path": "path",
        "target": "label",
        "task": "classification",
    }


def test_several_labels_are_found_and_learned(runs):
    """Cells such as red|blue are several labels, and a blank cell is none."""
    metrics = runs["labels"].metrics
    assert metrics["task"] == "multi_label" and runs["labels"].config.label_separator == "|"
    assert metrics["test"]["exact_match"] > metrics["baseline"]["exact_match"]


def test_numbers_of_pictures_are_learned(runs):
    """A column of numbers is a regression, in its own units."""
    metrics = runs["numbers"].metrics
    assert metrics["task"] == "regression" and metrics["test"]["mae"] < 0.8 * metrics["baseline"]["mae"]


@pytest.mark.parametrize("name", ["classes", "labels", "numbers"])
def test_own_test_side_is_judged_the_same_again(runs, name):
    """Evaluating takes the run's own test side and finds the loss that the run reported."""
    run = runs[name]
    again = run.evaluate()
    assert again["examples"] == "the run's own test side"
    assert again["loss"] == pytest.approx(run.metrics["test"]["loss"], rel=1e-3)


def test_answers_go_with_the_task(runs):
    """A picture gets a class, labels, or a number with the target's name."""
    folder = runs["labels"].path.parent
    assert runs["classes"].predict([folder / "plain/red/0.png"])[0].class_name == "red"
    assert set(runs["labels"].predict([folder / "0.png"])[0].probabilities) == {"blue", "red"}
    assert 80 < runs["numbers"].predict([folder / "0.png"])[0].values["weight"] < 180


@pytest.mark.parametrize("name", ["classes", "labels", "numbers"])
def test_commands_and_reports_take_every_task(runs, name, capsys):
    """`finetune evaluate` prints a line for each task, and the report page is made."""
    run = runs[name]
    assert run_command(cli, ["evaluate", str(run.path)]) == 0
    assert "the run's own test side" in capsys.readouterr().out
    assert f"{name}.csv" in (run.path / "report.html").read_text()


def test_list_can_be_judged_by_a_run_on_folders(small_run, tmp_path):
    """A run on class folders takes a CSV file of other pictures with the same classes."""
    make_pictures(tmp_path / "plain", seed=1)
    rows = [(f"plain/{name}/{n}.png", name) for name in COLOURS for n in range(10)]
    metrics = small_run.evaluate(write_list(tmp_path / "other.csv", "path,label", rows))
    assert metrics["num_examples"] == 30 and metrics["examples"] == "all pictures of the file"


def test_folder_can_be_judged_by_a_run_on_a_list(runs, tmp_path):
    """A run on a CSV file takes class folders."""
    metrics = runs["classes"].evaluate(make_pictures(tmp_path / "other", seed=2))
    assert metrics["num_examples"] == 30


def test_run_on_a_list_is_repeated_by_its_config(runs, tmp_path):
    """config.json holds the columns that were found, and makes the same run."""
    run = runs["labels"]
    config = json.loads((run.path / "config.json").read_text()) | {"run_dir": tmp_path / "again"}
    assert finetune.fit(**config, verbose=0).metrics["test"] == run.metrics["test"]


def test_sides_groups_and_weights_are_obeyed(tmp_path):
    """Columns of sides and weights work as in tables."""
    make_pictures(tmp_path / "plain")
    rows = [
        (f"plain/{name}/{n}.png", name, "test" if n > 6 else "train", n % 2 + 1) for name in COLOURS for n in range(10)
    ]
    data = write_list(tmp_path / "list.csv", "path,label,part,weight", rows)
    settings = SETTINGS | {"epochs": 1, "cache_dir": tmp_path / "cache", "run_dir": tmp_path / "run", "verbose": 0}
    run = finetune.fit(data, side="part", sample_weight="weight", **settings)
    assert run.metrics["test"]["num_examples"] == 9
    assert run.evaluate(make_pictures(tmp_path / "other", seed=1))["num_examples"] == 30
    # the same pictures elsewhere are known again by what they show
    assert run.evaluate(shutil.copytree(tmp_path / "plain", tmp_path / "copy"))["num_examples"] == 9


def test_refused_list_leaves_nothing(tmp_path):
    """A list without any picture that is there is refused before a run directory is made."""
    data = write_list(tmp_path / "list.csv", "path,label", [("gone.png", "a"), ("gone2.png", "b")])
    with pytest.raises(DataError, match=r"no picture can be used: gone\.png: line 2: there is no such file"):
        finetune.fit(data, run_dir=tmp_path / "run", **SETTINGS)
    assert not (tmp_path / "run").exists()
