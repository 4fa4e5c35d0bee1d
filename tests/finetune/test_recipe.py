"""The recipe on small real parts: what it leaves, what it repeats, what it refuses."""

import json
import shutil

import keras
import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from small_pictures import SETTINGS, make_pictures

import finetune
from finetune import recipe
from finetune.progress import Reporter
from finetune.run_dir import RunDir
from zoo.errors import ConfigError, DataError, RunStateError

pytestmark = pytest.mark.keras


def fit(pictures, tmp_path, name="run", **settings):
    """Run quietly beside the pictures, with a cache of the test's own."""
    settings = SETTINGS | {"cache_dir": tmp_path / "cache", "run_dir": tmp_path / name} | settings
    return finetune.fit(pictures, verbose=0, **settings)


def timeless(metrics):
    """Return metrics without what may differ between two equal runs."""
    return {name: value for name, value in metrics.items() if name not in ("seconds", "peak_rss_bytes")}


def test_run_directory_is_complete(small_run):
    """A finished run holds everything that its readers need, and nothing temporary."""
    names = {entry.name for entry in small_run.path.iterdir()}
    assert names == {
        *("config.json", "environment.json", "data.json", "model.json", "metrics.json", "mistakes.json"),
        *("history.csv", "predictions.csv", "model.keras", "report.html", "plots", "DONE"),
        *("learned.bin", "decisions.json"),
    }


def test_colours_are_learned(small_run):
    """Thirty pictures that differ by colour are told apart far better than by chance."""
    metrics = small_run.metrics
    assert metrics["test"]["accuracy"] >= 0.8 > metrics["baseline"]["accuracy"]
    assert {"check", "build", "features", "train", "evaluate"} <= metrics["seconds"].keys()


def test_same_seed_gives_the_same_run(small_run, tmp_path):
    """With a cache of its own a second run has bit-equal weights and equal metrics."""
    again = fit(small_run.config.data, tmp_path)
    for a, b in zip(small_run.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert timeless(again.metrics) == timeless(small_run.metrics)


def test_run_is_repeated_by_its_own_config(small_run, tmp_path):
    """config.json is a whole config: nothing in it is left open, and it makes the same run."""
    config = json.loads((small_run.path / "config.json").read_text())
    assert config["method"] == "head" and config["image_size"] == 32
    again = finetune.fit(**(config | {"run_dir": tmp_path / "run"}), verbose=0)
    assert timeless(again.metrics) == timeless(small_run.metrics)


def changed_weights(tmp_path):
    """Return a file of the cached weights with one value changed."""
    (copy,) = (tmp_path / "cache" / "weights").iterdir()
    arrays = safetensors.numpy.load_file(copy)
    arrays["stem_conv/kernel"][0, 0, 0, 0] += 1e-3
    safetensors.numpy.save_file(arrays, tmp_path / "changed.safetensors")
    return tmp_path / "changed.safetensors"


class Lines(Reporter):
    """Keeps the lines that a run says."""

    def __init__(self):
        super().__init__(verbose=0)
        self.lines = []

    def say(self, text):
        """Keep the line."""
        self.lines.append(text)


@pytest.mark.parametrize("change", ["nothing", "picture", "image size", "weights"])
def test_features_are_reused_only_for_the_same(pictures, tmp_path, change):
    """A second run computes no features; one changed picture, another size or other weights compute them all."""
    first = fit(pictures, tmp_path, epochs=1)
    settings = {}
    if change == "picture":
        pixels = np.asarray(Image.open(pictures / "red" / "3.png")).copy()
        pixels[0, 0] ^= 1
        Image.fromarray(pixels).save(pictures / "red" / "3.png")
    elif change == "image size":
        settings["image_size"] = 33
    elif change == "weights":
        settings["weights"] = str(changed_weights(tmp_path))
    said = Lines()
    config = first.config.model_copy(update={"run_dir": str(tmp_path / "second")} | settings)
    recipe.run_recipe(config, overwrite=False, reporter=said)
    (line,) = [line for line in said.lines if line.startswith("features: ")]
    assert ("30 of 30 pictures reused" in line) == (change == "nothing"), line


def test_bad_pictures_are_listed_and_the_rest_is_used(pictures, tmp_path):
    """A bad file is left out, counted, and named with its reason in data.json and the report."""
    (pictures / "red" / "broken.jpg").write_bytes(b"<!DOCTYPE html><html>404</html>")
    run = fit(pictures, tmp_path, epochs=1)
    data = RunDir(run.path).read_json("data")
    assert data["num_examples"] == 30 and data["splits"] == {"train": 18, "validation": 6, "test": 6}
    assert [item["file"] for item in data["skipped"]] == ["red/broken.jpg"] and "HTML" in data["skipped"][0]["reason"]
    assert "broken.jpg" in RunDir(run.path).report_path.read_text()


def test_refused_data_leaves_nothing(pictures, tmp_path):
    """Data that is refused after the check leaves no run directory."""
    shutil.rmtree(pictures / "red")
    (pictures / "red").mkdir()
    shutil.copy(pictures / "blue" / "0.png", pictures / "red" / "0.png")
    with pytest.raises(DataError, match="class 'red' has 1 usable example"):
        fit(pictures, tmp_path)
    assert not (tmp_path / "run").exists()


def test_strict_makes_warnings_fatal(pictures, tmp_path):
    """The same picture in two classes is a warning, and with strict an error."""
    shutil.copy(pictures / "blue" / "0.png", pictures / "red" / "copy.png")
    with pytest.raises(DataError, match="0.png"):
        fit(pictures, tmp_path, strict=True)
    run = fit(pictures, tmp_path, epochs=1)
    assert any("copy.png" in line for line in RunDir(run.path).read_json("data")["warnings"])


def test_given_test_side_is_kept(tmp_path):
    """Pictures in test/ are the test side, and validation comes out of train/."""
    make_pictures(tmp_path / "all" / "train")
    make_pictures(tmp_path / "all" / "test", per_class=4)
    data = RunDir(fit(tmp_path / "all", tmp_path, epochs=1).path).read_json("data")
    assert data["splits"] == {"train": 24, "validation": 6, "test": 12}


def test_existing_run_is_not_overwritten_unasked(small_run):
    """A second run on the same directory is refused before anything is read."""
    with pytest.raises(RunStateError, match="--overwrite"):
        fit(small_run.config.data, small_run.path.parent, "run", cache_dir=small_run.config.cache_dir)


def test_unfinished_run_cannot_be_opened(small_run, tmp_path):
    """A run that did not come to its end says so instead of answering."""
    shutil.copytree(small_run.path, tmp_path / "run")
    (tmp_path / "run" / "DONE").unlink()
    with pytest.raises(RunStateError, match="did not come to its end"):
        finetune.Run(tmp_path / "run")


def test_moved_run_still_works(small_run, tmp_path):
    """A run directory is complete by itself, wherever it lies."""
    shutil.copytree(small_run.path, tmp_path / "elsewhere")
    moved = finetune.Run(tmp_path / "elsewhere")
    assert moved.metrics == small_run.metrics and isinstance(moved.model, keras.Model)


def test_run_directory_inside_the_data_is_refused(pictures, tmp_path):
    """A run among the class folders would be a class of the next run."""
    with pytest.raises(ConfigError, match="inside the data"):
        fit(pictures, pictures, "runs/first", cache_dir=tmp_path / "cache")
    assert not (pictures / "runs").exists()


def test_missing_data_is_a_config_error():
    """Without data there is nothing to do."""
    with pytest.raises(ConfigError, match="data is missing"):
        finetune.fit(None)


def test_folds_share_the_features(tmp_path, pictures):
    """With folds every picture is tested once, and the trunk runs over the pictures once."""
    run = fit(pictures, tmp_path, folds=3, epochs=4)
    assert run.metrics["test"]["num_examples"] == 30 and len(run.metrics["folds"]["each"]) == 3
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 1
