"""The models of keras.applications against Keras itself: preprocessing, output, names, stages, parameters."""

import re

import keras
import numpy as np
import pytest

import zoo
from zoo.copying import copy_onto
from zoo.errors import ConfigError, ModelFileError
from zoo.families.applications.build import build
from zoo.families.applications.table import VARIANTS, stage_layers
from zoo.preprocessing import normalize
from zoo.spec import Variant

pytestmark = pytest.mark.keras
ROWS = {variant.name: variant for variant in VARIANTS}
MODULES = {
    "mobilenet": keras.applications.mobilenet,
    "mobilenet_v2": keras.applications.mobilenet_v2,
    "vgg16": keras.applications.vgg16,
    "vgg19": keras.applications.vgg19,
    "xception": keras.applications.xception,
    "inception_v3": keras.applications.inception_v3,
    "inception_resnet_v2": keras.applications.inception_resnet_v2,
    **dict.fromkeys(("resnet50_keras", "resnet101_keras", "resnet152_keras"), keras.applications.resnet),
    **dict.fromkeys(("resnet50_v2", "resnet101_v2", "resnet152_v2"), keras.applications.resnet_v2),
    **dict.fromkeys(("nasnet_mobile", "nasnet_large"), keras.applications.nasnet),
}
# One of each way to build, quick ones; the others take 5 to 60 s each and are opted in.
QUICK = ("mobilenet", "mobilenet_v3_small", "efficientnet_b0", "vgg16", "xception", "convnext_tiny")


def rows(names):
    """Return names as parameters, those that are not quick marked as slow."""
    return [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in names]


def side(variant: Variant) -> int:
    """Return the side of a small picture that leaves every stage some places."""
    sides = {"inception": 160, "xception": 96, "convnext": 32}
    return sides.get(variant.name.partition("_")[0], 64)


def new_backbone(variant: Variant, channels: int = 3) -> keras.Model:
    """Return a row's backbone for small pictures, as the factory builds it."""
    inputs = keras.Input((side(variant), side(variant), channels), name="image")
    return keras.Model(inputs, build(normalize(inputs, variant.preprocessing), **variant.arguments))


@pytest.fixture(scope="module", params=rows(ROWS))
def variant(request):
    """Return one row after the other; pytest runs all tests of one before the next."""
    return ROWS[request.param]


@pytest.fixture(scope="module")
def backbone(variant):
    """Return the row's backbone with random weights, which tests may set."""
    return new_backbone(variant)


@pytest.fixture
def keras_model(monkeypatch):
    """Return a function that builds Keras' own model; EfficientNet as it is with the published weights."""
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *args, **kwargs: "")
    monkeypatch.setattr(keras.Model, "load_weights", lambda *args, **kwargs: None)

    def make(variant):
        function = getattr(keras.applications, variant.arguments["function"])
        published = "imagenet" if variant.name.startswith("efficientnet_b") else None
        model = function(include_top=False, weights=published, input_shape=(side(variant), side(variant), 3))
        if published:
            normalization = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
            # the files have standard deviations for variances
            normalization.set_weights(
                [np.array(values) for values in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 0)]
            )
            normalization.finalize_state()
        return model

    return make


def randomize(model: keras.Model) -> list[np.ndarray]:
    """Move biases, scales and statistics off their first values; return all weights but those of preprocessing."""
    rng = np.random.default_rng(0)
    weights = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Normalization):
            values = layer.get_weights()
            values = [v + 0.05 * rng.random(v.shape, "float32") if v.ndim == 1 else v for v in values]
            layer.set_weights(values)
            weights += values
    return weights


@pytest.mark.parametrize("name", MODULES)
def test_pixels_become_what_preprocess_input_makes(name):
    """Mean, standard deviation and channel order of a row are those of its module's `preprocess_input`."""
    variant = ROWS[name]
    inputs = keras.Input((8, 8, 3))
    prepared = keras.Model(inputs, normalize(inputs, variant.preprocessing))
    x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
    expected = MODULES[name].preprocess_input(x.copy())
    ours = np.asarray(prepared(x))[..., :: -1 if variant.arguments.get("channel_order") == "bgr" else 1]
    np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


def test_backbone_computes_what_keras_computes(variant, backbone, keras_model):
    """With the same weights the row's model gives on pixels what Keras' gives on what it calls preprocessed."""
    theirs = keras_model(variant)
    backbone.set_weights(randomize(theirs))
    x = np.random.default_rng(0).uniform(0, 255, (2, *backbone.input_shape[1:])).astype("float32")
    prepared = MODULES[variant.name].preprocess_input(x.copy()) if variant.name in MODULES else x
    expected = np.asarray(theirs(prepared))
    assert expected.std() > 0
    np.testing.assert_allclose(backbone(x), expected, atol=1e-4 * np.abs(expected).max())


def test_automatic_names_are_those_of_a_fresh_process(backbone):
    """Names that Keras numbers through the process count from nothing in every model, without gaps."""
    names = [layer.name for layer in backbone.layers]
    for prefix in ("activation", "add", "batch_normalization", "conv2d", "max_pooling2d", "multiply", "re_lu"):
        numbers = [name.removeprefix(prefix) for name in names if re.fullmatch(rf"{prefix}(_\d+)?", name)]
        assert set(numbers) == {f"_{number}" if number else "" for number in range(len(numbers))}, prefix
    assert len(set(names)) == len(names)


def test_graph_is_flat_and_made_of_layers(variant, backbone):
    """No model in the model, and nothing that `get_layer` does not find but the turned channels."""
    assert not [layer.name for layer in backbone.layers if isinstance(layer, keras.Model)]
    others = [operation.name for operation in backbone.operations if not isinstance(operation, keras.Layer)]
    assert others == (["flip"] if "channel_order" in variant.arguments else [])


def test_parameters_are_those_of_the_row(variant, backbone):
    """Backbone and a Dense layer of 1000 outputs have exactly the trainable parameters that the row states."""
    trained = sum(variable.shape.num_elements() for variable in backbone.trainable_variables)
    assert trained + (backbone.output_shape[-1] + 1) * 1000 == variant.parameters


def test_stages_halve_the_picture(variant, backbone):
    """Stage n ends with a 2**n-th of the picture, less what unpadded convolutions cut off; the last is the output."""
    stages = stage_layers(variant.arguments["function"])
    for stage, layer in stages.items():
        full = backbone.input_shape[1] / 2 ** int(stage.removeprefix("stage"))
        assert full / 2 < backbone.get_layer(layer).output.shape[1] <= full, stage
    order = [layer.name for layer in backbone.layers]
    assert [layer for layer in order if layer in stages.values()] == list(stages.values())
    assert backbone.get_layer(stages["stage5"]).output is backbone.output


def test_stages_end_behind_their_last_sum(variant, backbone):
    """No residual block of a stage lies behind the layer that ends it."""
    for name in stage_layers(variant.arguments["function"]).values():
        end = backbone.get_layer(name)
        behind = backbone.layers[backbone.layers.index(end) + 1 :]
        sums = [layer.name for layer in behind if isinstance(layer, keras.layers.Add)]
        assert not [name for name in sums if backbone.get_layer(name).output.shape[1] == end.output.shape[1]]


@pytest.mark.parametrize("name", rows(("mobilenet", "efficientnet_b0", "vgg16", "nasnet_mobile")))
def test_published_weights_come_with_their_classifier(name, monkeypatch):
    """What Keras fetches gives, from pixels to probabilities, what Keras gives; where no head fits, the feature map."""
    make, made = getattr(keras.applications, ROWS[name].arguments["function"]), []

    def fetched(**options):
        model = make(**{**options, "weights": None})
        if options["weights"] == "imagenet":
            randomize(model)
            made.append(model)
        return model

    monkeypatch.setattr(keras.applications, make.__name__, fetched)
    ours = (zoo.backbone if name == "vgg16" else zoo.create)(name, cache_dir=None)
    x = np.random.default_rng(0).uniform(0, 255, (1, *ours.input_shape[1:])).astype("float32")
    # a new EfficientNet divides by 255 and no more: its Normalization gets its numbers from the published file
    standard = 255 * (x / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    prepared = MODULES[name].preprocess_input(x.copy()) if name in MODULES else standard
    expected = np.asarray(made[0](prepared))
    assert expected.std() > 0
    np.testing.assert_allclose(ours(x), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_weights_without_a_fitting_classifier_ask_for_the_classes(monkeypatch):
    """A head of random weights under the name of ImageNet would be silently wrong."""
    make = keras.applications.VGG16
    monkeypatch.setattr(keras.applications, "VGG16", lambda **options: make(**{**options, "weights": None}))
    with pytest.raises(ConfigError, match="vgg16 hold no classifier that fits; say how many classes"):
        zoo.create("vgg16", input_shape=(32, 32, 3), cache_dir=None)


def test_unreachable_weights_are_one_line_with_the_remedy(monkeypatch):
    """Without a network the message says which weights, what Keras said, and how to bring them."""

    def fail(**options):
        raise Exception("URL fetch failure on https://example.org/x.h5: None -- offline\nmore")

    monkeypatch.setattr(keras.applications, "MobileNet", fail)
    with pytest.raises(ModelFileError, match=r"mobilenet\.keras are not on.*offline\)\. Where.*copy") as caught:
        zoo.backbone("mobilenet", cache_dir=None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", rows(ROWS))
def test_files_in_the_cache_of_keras_are_recognized(name, monkeypatch):
    """A row knows how the file is called that Keras would fetch."""
    asked = []

    def get_file(fname, *args, **kwargs):
        asked.append(fname)
        raise OSError("offline")

    function = getattr(keras.applications, ROWS[name].arguments["function"])
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(OSError, match="offline"):
        size = ROWS[name].preprocessing.image_size
        function(weights="imagenet", include_top=False, input_shape=(size, size, 3))
    assert asked[0].startswith(ROWS[name].weights[0].source.cached) and asked[0].endswith(".h5")


@pytest.mark.parametrize("name", rows(("mobilenet_v3_small", "inception_v3")))
def test_names_do_not_depend_on_what_was_built_before(name):
    """Two builds in one process give the same names in the same order."""
    first, second = ([layer.name for layer in new_backbone(ROWS[name]).layers] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", rows(("vgg16", "convnext_small", "inception_resnet_v2")))
def test_saved_backbone_computes_the_same(name, tmp_path):
    """Layers of Keras' applications and turned channels survive save and load to the bit."""
    model = new_backbone(ROWS[name])
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    np.testing.assert_array_equal(model(x), keras.saving.load_model(tmp_path / "model.keras")(x))


@pytest.mark.parametrize("name", rows(("vgg16", "convnext_tiny", "efficientnet_v2_b0")))
def test_grey_pictures_are_taken_and_not_turned(name):
    """A row takes pictures of one channel, and has no channels of theirs to turn."""
    model = new_backbone(ROWS[name], channels=1)
    kernel = next(weight for weight in model.weights if weight.name == "kernel")
    assert kernel.shape[2] == 1
    assert "flip" not in [operation.name for operation in model.operations]


def test_small_stem_is_refused():
    """Keras' models have one stem; the message says so."""
    with pytest.raises(ConfigError, match="stem='small' is not to be had with MobileNet"):
        build(keras.Input((64, 64, 3)), function="MobileNet", stem="small")


@pytest.mark.parametrize("shape", [(74, 96, 3), (96, 74, 3)])
def test_too_small_pictures_are_refused(shape):
    """A picture that would leave no places is named with the smallest that is taken."""
    with pytest.raises(ConfigError, match="InceptionV3 needs pictures of at least 75 x 75 pixels; received"):
        build(keras.Input(shape), **ROWS["inception_v3"].arguments)


def test_copies_of_nested_models_keep_their_weights():
    """A model in a model is taken apart, `a + b` and `2 * a` become layers, and the output stays the same."""
    inputs = keras.Input((4, 4, 3))
    inner = keras.Sequential([keras.layers.Conv2D(3, 1, name="inner"), keras.layers.ReLU()])
    nested = keras.Model(inputs, 2.0 * (inputs + inner(inputs)) + 1.0)
    x = keras.Input((4, 4, 3))
    flat = keras.Model(x, copy_onto(keras.layers.Rescaling(0.5)(x), nested, weights=True))
    assert all(type(layer).__module__.startswith("keras.") and hasattr(layer, "weights") for layer in flat.operations)
    assert not [layer for layer in flat.layers if isinstance(layer, keras.Model)]
    values = np.random.default_rng(0).random((2, 4, 4, 3), "float32")
    np.testing.assert_allclose(flat(values), nested(0.5 * values), rtol=1e-6)
