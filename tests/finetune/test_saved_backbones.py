"""Runs and files of Keras as where a new run starts."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from small_pictures import SETTINGS, make_pictures

import finetune
import zoo
from finetune.cli import cli
from finetune.run_dir import RunDir
from zoo.errors import ConfigError, ModelFileError
from zoo.weights.sources import file_sha256

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def second_run(small_run, tmp_path_factory):
    """A run on two other classes, whose model is the small run."""
    folder = tmp_path_factory.mktemp("second")
    make_pictures(folder / "pictures", classes=("dark", "light"))
    settings = SETTINGS | {"model": str(small_run.path), "epochs": 2, "image_size": None}
    settings |= {"cache_dir": folder / "cache", "run_dir": folder / "run"}
    return finetune.fit(folder / "pictures", verbose=0, **settings)


def test_a_run_is_the_backbone_of_the_next(small_run, second_run):
    """The next run takes over layers, weights, preprocessing and size of pictures, and has its own classes."""
    assert second_run.class_names == ("dark", "light") and second_run.preprocessing == small_run.preprocessing
    layers = [model.get_layer("stem_conv").get_weights()[0] for model in (small_run.model, second_run.model)]
    np.testing.assert_array_equal(*layers)
    assert second_run.predict([f"{second_run.config.data}/dark/0.png"])[0].error is None


def test_features_belong_to_the_file_of_the_model(small_run, second_run):
    """The run names the file, the cache's entry the numbers: equal weights have equal names wherever they came from."""
    sha256 = file_sha256(RunDir(small_run.path).model_path)
    assert RunDir(second_run.path).read_json("model")["weights_sha256"] == sha256
    named = []
    for run in (small_run, second_run):
        (manifest,) = (run.config.cache_path / "features").glob("*/manifest.json")
        named.append(json.loads(manifest.read_bytes())["parts"]["weights"])
    assert named[0] == named[1] != sha256


def test_config_of_such_a_run_repeats_it_from_anywhere(small_run, second_run):
    """The path of the model is kept from the root, and its weights are called by it."""
    assert second_run.config.model == second_run.config.weights == str(small_run.path)


def test_a_saved_model_gives_its_weights(small_run, tmp_path):
    """`weights` may be the model.keras of a run of the same model."""
    path = RunDir(small_run.path).model_path
    model = zoo.create("efficientnet_lite0", weights=path, num_classes=5, cache_dir=None)
    ours, theirs = (m.get_layer("top_bn").get_weights() for m in (model, small_run.model))
    np.testing.assert_array_equal(ours, theirs)
    assert model.input_shape == (None, 32, 32, 3)


def test_saved_weights_give_a_model_back(tmp_path):
    """What save_weights wrote of a zoo model comes back with its classes."""
    saved = zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), num_classes=4, weights=None)
    saved.save_weights(tmp_path / "mine.weights.h5")
    model = zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), weights=tmp_path / "mine.weights.h5")
    for ours, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_model_are_refused(small_run, tmp_path):
    """A run's model does not pass for another variant."""
    with pytest.raises(ModelFileError, match="is another model than resnet18"):
        zoo.create("resnet18", weights=RunDir(small_run.path).model_path, cache_dir=None)


def test_models_describes_a_run(small_run):
    """`finetune models RUN` says what a run's model is made of."""
    done = CliRunner().invoke(cli, ["models", str(small_run.path)])
    assert done.exit_code == 0 and "stem_conv" in done.output


def test_models_cannot_verify_a_run(small_run):
    """Nobody has published what a user's model should give."""
    done = CliRunner().invoke(cli, ["models", "verify", str(small_run.path)])
    assert isinstance(done.exception, ConfigError) and "a model of yours" in str(done.exception)


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    """A folder with one random model as whole file, as weights, and as weights without classifier."""
    folder = tmp_path_factory.mktemp("lite0")
    model = zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), weights=None)
    model.save(folder / "whole.keras")
    model.save_weights(folder / "mine.weights.h5")
    backbone = zoo.backbone("efficientnet_lite0", input_shape=(32, 32, 3), weights=None)
    backbone.save_weights(folder / "bare.weights.h5")
    return folder


def imported(path, cache):
    """Run `finetune models import`."""
    tag = "efficientnet_lite0.timm_tf_in1k"
    return CliRunner().invoke(cli, ["models", "import", str(path), "--name", tag, "--cache-dir", str(cache)])


def test_import_takes_saved_weights(lite0, tmp_path):
    """A .weights.h5 file can stand for a tag."""
    done = imported(lite0 / "mine.weights.h5", tmp_path)
    assert done.exit_code == 0 and "arrays matched" in done.output
    assert [path.suffix for path in sorted((tmp_path / "imported").iterdir())] == [".json", ".safetensors"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("bare.weights.h5", "holds no classifier that fits"), ("whole.keras", "prepares its pictures otherwise")],
)
def test_import_refuses_what_does_not_go_with_the_tag(lite0, tmp_path, name, message):
    """Without classifier nothing can be verified, and a whole model says how its pictures are prepared."""
    done = imported(lite0 / name, tmp_path)
    assert isinstance(done.exception, ModelFileError) and message in str(done.exception)
    assert not (tmp_path / "imported").exists()


def test_a_damaged_run_is_no_backbone(small_run, tmp_path):
    """A run whose model was cut is refused before anything is written."""
    shutil.copytree(small_run.path, tmp_path / "run")
    path = RunDir(tmp_path / "run").model_path
    path.write_bytes(path.read_bytes()[:-100])
    settings = SETTINGS | {"model": str(tmp_path / "run"), "run_dir": tmp_path / "new", "cache_dir": tmp_path / "cache"}
    with pytest.raises(ModelFileError, match=r"model\.keras: "):
        finetune.fit(small_run.config.data, verbose=0, **settings)
    assert not (tmp_path / "new").exists()
