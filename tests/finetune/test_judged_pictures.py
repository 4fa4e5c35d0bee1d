"""Judging a run by other pictures: they may show one class, have one label or one number, and are judged once."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_pictures import SETTINGS

import finetune
from zoo.errors import DataError

pytestmark = pytest.mark.keras


def pictures(count, *, seed):
    """Return noisy pictures of which every other is red."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 90, (count, 24, 24, 3))
    x[::2, ..., 0] += 150
    return x.astype("uint8")


def settings(folder):
    """Settings of a quick run."""
    return SETTINGS | {"epochs": 2, "cache_dir": folder / "cache", "verbose": 0, "overwrite": True}


def write_list(path, x, cells):
    """Write pictures beside a CSV file that lists them with their labels."""
    rows = ["path,label"]
    for index, (picture, cell) in enumerate(zip(x, cells, strict=True)):
        Image.fromarray(picture).save(path.parent / f"{path.stem}{index}.png")
        rows.append(f"{path.stem}{index}.png,{cell}")
    path.write_text("\n".join(rows) + "\n")
    return path


COLOURS = np.array(["red", "grey"])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on forty pictures in memory."""
    folder = tmp_path_factory.mktemp("judged")
    return finetune.fit(pictures(40, seed=0), COLOURS[np.arange(40) % 2], run_dir=folder / "run", **settings(folder))


def test_one_class_is_judged(run, tmp_path):
    """New pictures of one class alone, as arrays, in one class folder, or in a list, are judged."""
    red = pictures(12, seed=1)[::2]
    found = [run.evaluate((red, np.full(6, "red")))]
    (tmp_path / "new" / "red").mkdir(parents=True)
    for index, picture in enumerate(red):
        Image.fromarray(picture).save(tmp_path / "new" / "red" / f"{index}.png")
    found.append(run.evaluate(tmp_path / "new"))
    found.append(run.evaluate(write_list(tmp_path / "list.csv", red, ["red"] * 6)))
    np.savez(tmp_path / "red.npz", x=red, y=np.full(6, "red"))
    found.append(run.evaluate(tmp_path / "red.npz"))
    found.append(run.evaluate((red[:1], ["red"])))
    assert [one["num_examples"] for one in found] == [6, 6, 6, 6, 1]
    assert len({one["accuracy"] for one in found[:4]}) == 1 and found[0]["per_class"]["grey"]["support"] == 0


def test_sides_of_judged_folders_may_differ(run, tmp_path):
    """A test folder that lacks a class is judged all the same, by its test side alone."""
    for index, picture in enumerate(pictures(8, seed=2)):
        for side in ("train", "test") if index % 2 == 0 else ("train",):
            folder = tmp_path / "new" / side / COLOURS[index % 2]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{index}.png")
    found = run.evaluate(tmp_path / "new")
    assert found["num_examples"] == 4 and "test side" in found["examples"]


@pytest.mark.parametrize(("task", "cells", "alone"), [("multi_label", ["a|b", "b"], "b"), ("regression", [1.5, 2], 7)])
def test_one_label_or_number_is_judged(task, cells, alone, tmp_path):
    """Labels and numbers that are all the same teach nothing, but they judge."""
    path = write_list(tmp_path / "t.csv", pictures(40, seed=0), [cells[at % 2] for at in range(40)])
    run = finetune.fit(path, task=task, run_dir=tmp_path / "run", **settings(tmp_path))
    new = write_list(tmp_path / "new.csv", pictures(4, seed=1), [alone] * 4)
    assert run.evaluate(new)["num_examples"] == 4
    with pytest.raises(DataError):
        finetune.fit(new, task=task, run_dir=tmp_path / "one", **settings(tmp_path))


def test_empty_folders_are_not_judged(run, tmp_path):
    """Class folders without a picture leave nothing to judge, and say so."""
    (tmp_path / "new" / "red").mkdir(parents=True)
    with pytest.raises(DataError, match="red"):
        run.evaluate(tmp_path / "new")


def test_paths_alone_are_not_judged(run, tmp_path):
    """A list of files does not say what they show; the message says what does."""
    for data in ([tmp_path / "a.png"], [str(tmp_path / "a.png"), "b.png"], Image.new("RGB", (9, 9))):
        with pytest.raises(DataError, match="do not say what they show.*CSV file"):
            run.evaluate(data)


def test_trained_pictures_are_left_out_of_other_data(run, capfd):
    """A data set that holds training pictures too, in any order or type, is judged by the others, and says so."""
    x, y = pictures(40, seed=0), COLOURS[np.arange(40) % 2]
    learned = {name: json.loads((run.path / "data.json").read_text())["splits"][name] for name in ("train", "test")}
    order = np.random.default_rng(3).permutation(40)
    found = run.evaluate((x[order].astype("float32"), y[order]))
    assert found["num_examples"] == learned["test"] and learned["train"] > 20
    assert found["accuracy"] == run.metrics["test"]["accuracy"]
    count = 40 - learned["test"]
    note = f"{count} of 40 examples were trained on and are left out"
    assert note in found["examples"] and f"warning: {note}" in capfd.readouterr().err
    more = run.evaluate((np.concatenate([x, pictures(10, seed=4)]), np.concatenate([y, y[:10]])))
    assert more["num_examples"] == learned["test"] + 10


def test_trained_pictures_alone_do_not_judge(run):
    """Data of which all were trained on are refused."""
    x, y = pictures(40, seed=0), COLOURS[np.arange(40) % 2]
    tested = {line.split(",")[0] for line in (run.path / "predictions.csv").read_text().splitlines()[1:]}
    trained = [index for index in range(40) if f"x[{index}]" not in tested]
    with pytest.raises(DataError, match=f"all {len(trained)} examples were trained on"):
        run.evaluate((x[trained], y[trained]))


def test_shuffled_data_set_is_known_again(run):
    """A tf.data.Dataset that gives its examples in another order each time is judged by what was not trained on."""
    x, y = pictures(40, seed=0), COLOURS[np.arange(40) % 2]
    data = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(40).batch(16)
    assert run.evaluate(data)["num_examples"] == run.metrics["test"]["num_examples"]


def test_runs_that_kept_nothing_judge_by_everything(run, tmp_path):
    """A run of an earlier version has no file of what it learned from, and judges as it did."""
    shutil.copytree(run.path, tmp_path / "run")
    (tmp_path / "run" / "learned.bin").unlink()
    x, y = pictures(40, seed=0), COLOURS[np.arange(40) % 2]
    assert finetune.Run(tmp_path / "run").evaluate((x[:20], y[:20]))["num_examples"] == 20
