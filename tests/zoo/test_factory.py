"""Contracts over every model of the zoo, built small: counted, staged, saved, loaded, exported, trained one step."""

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError
from zoo.factory import stage_outputs
from zoo.weights.keras_model import load_model

pytestmark = pytest.mark.keras
SHAPE = (64, 64, 3)
# Families whose layers carry the zoo's names; the others keep those of their library.
OWN = ("resnet", "densenet", "efficientnet_lite")
ROWS = [zoo.find(name) for name in zoo.list_models()]
# The first row of each family is built in every test run, the others (minutes together) with -m slow.
FIRST = {row.family: row.name for row in reversed(ROWS)}.values()
MARKED = [pytest.param(row, id=row.name, marks=[] if row.name in FIRST else pytest.mark.slow) for row in ROWS]


@pytest.fixture(scope="module", params=MARKED)
def built(request):
    """A row and its model with 1000 classes and random weights."""
    side = 96 if "min_image_size" in request.param.arguments else SHAPE[0]
    return request.param, zoo.create(request.param.name, input_shape=(side, side, 3), num_classes=1000, weights=None)


def noise(shape):
    """Return four noisy pictures, uint8."""
    return np.random.default_rng(0).integers(0, 256, (4, *shape), dtype="uint8")


@pytest.fixture
def pictures():
    """Four noisy pictures of the common shape."""
    return noise(SHAPE)


def test_parameters_are_those_of_the_row(built):
    """With 1000 classes a model has exactly the trainable parameters that its row states."""
    row, model = built
    assert sum(variable.shape.num_elements() for variable in model.trainable_variables) == row.parameters


def test_model_is_one_flat_graph(built):
    """No layer is a model of its own, so layer names, export and heat maps just work."""
    assert not [layer.name for layer in built[1].layers if isinstance(layer, keras.Model)]


def test_every_layer_belongs_to_a_stage(built):
    """In the zoo's own families every layer between preprocessing and head is named by its stage, in order."""
    row, model = built
    if row.family not in OWN:
        pytest.skip("layers keep the names that Keras gave them")
    prefixes = list(dict.fromkeys(layer.name.partition("_")[0] for layer in model.layers))
    assert prefixes[:2] == ["image", "preprocessing"]
    assert prefixes[2:] == [*stage_outputs(model), "pool", "dropout", "logits", "probabilities"]


def test_stages_halve_the_picture_down_to_a_thirty_second(built):
    """No stage is larger than the one before, and the last feature map is a thirty-second, or less where borders go."""
    sides, full = [tensor.shape[1] for tensor in stage_outputs(built[1]).values()], built[1].input_shape[1]
    assert sides == sorted(sides, reverse=True) and len(sides) >= 4
    assert sides[-1] == full // 32 or built[0].family not in OWN and full // 64 <= sides[-1] < full // 32


def test_saved_model_predicts_the_same(built, tmp_path):
    """A model survives save and load to the bit, through the reader that trusts nothing."""
    model, pictures = built[1], noise(built[1].input_shape[1:])
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(pictures), loaded(pictures))


@pytest.mark.slow
def test_exported_model_predicts_the_same(built, tmp_path):
    """A SavedModel of the model gives its outputs."""
    model, pictures = built[1], noise(built[1].input_shape[1:])
    model.export(tmp_path / "saved_model", verbose=False)
    served = keras.layers.TFSMLayer(tmp_path / "saved_model", call_endpoint="serve")
    # graph against graph: in deep networks of random weights, sums in another order change the answer
    expected = model.predict(pictures, verbose=0)
    np.testing.assert_allclose(served(pictures.astype("float32")), expected, atol=1e-5)


@pytest.mark.slow
def test_every_row_trains_a_step(built):
    """One step changes every trainable variable."""
    model, pictures = keras.models.clone_model(built[1]), noise(built[1].input_shape[1:])
    # ConvNeXt scales its blocks by 1e-6 at first: a plain step there is less than float32 can add to a weight
    model.compile(keras.optimizers.Adam(0.01, epsilon=1e-30), "sparse_categorical_crossentropy")
    assert unchanged_by_a_step(model, pictures) == []


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_one_step_trains_every_variable(name, pictures):
    """Every trainable variable of a family's smallest model gets a gradient, on a plain, uncompiled step."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=3, weights=None, dropout=0.0)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    assert unchanged_by_a_step(model, pictures) == []


def unchanged_by_a_step(model, pictures):
    """Train one step; return the names of trainable variables that stayed as they were."""
    before = [variable.numpy().copy() for variable in model.trainable_variables]
    model.train_on_batch(pictures, np.array([0, 1, 2, 0]))
    pairs = zip(model.trainable_variables, before, strict=True)
    return [variable.path for variable, old in pairs if np.array_equal(variable.numpy(), old)]


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_lite0"])
def test_small_stem_keeps_the_size_of_the_picture(name):
    """With the small stem a picture of 32 pixels is halved later, and leaves a larger feature map."""
    small, standard = (
        zoo.backbone(name, input_shape=(32, 32, 3), weights=None, stem=stem) for stem in ("small", "standard")
    )
    assert stage_outputs(small)["stem"].shape[1:3] == (32, 32)
    assert small.output_shape[1] > standard.output_shape[1] == 1


def test_sides_that_32_does_not_divide_are_rounded_up():
    """The feature map of 96 x 70 pixels is 3 x 3 cells."""
    model = zoo.backbone("efficientnet_lite0", input_shape=(96, 70, 3), weights=None)
    assert model.output_shape == (None, 3, 3, 1280)


def test_layers_of_one_shape_start_apart():
    """Random weights differ between layers of the same shape."""
    model = zoo.backbone("efficientnet_lite0", input_shape=SHAPE, weights=None)
    twins = [model.get_layer(f"stage6_block{block}_expand_conv").get_weights()[0] for block in (2, 3)]
    assert twins[0].shape == twins[1].shape and not np.array_equal(*twins)


def test_uint8_and_float_pictures_are_the_same(pictures):
    """The model takes pixels in [0, 255] of either type and prepares them itself."""
    model = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=3, weights=None)
    np.testing.assert_array_equal(model(pictures), model(pictures.astype("float32")))


def test_logits_and_probabilities_agree(pictures):
    """classifier_activation=None gives the logits whose softmax the default model gives."""
    probabilities = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=3)
    logits = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=3, classifier_activation=None)
    logits.get_layer("logits").set_weights(probabilities.get_layer("logits").get_weights())
    np.testing.assert_allclose(probabilities(pictures), keras.ops.softmax(logits(pictures)), atol=1e-6)


def test_another_number_of_classes_keeps_the_backbone_only():
    """With other classes than the weights' the trunk is pretrained and the head is new."""
    pretrained = zoo.create("efficientnet_lite0", input_shape=SHAPE)
    grafted = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=5)
    stem = [model.get_layer("stem_conv").get_weights()[0] for model in (pretrained, grafted)]
    np.testing.assert_array_equal(*stem)
    assert grafted.get_layer("logits").get_weights()[0].shape == (1280, 5)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 0), (16, 64, 3), 64, "64", (None, None, 3), (64.0, 64, 3)])
def test_impossible_input_shape_is_refused(shape):
    """A shape without channels or under 32 pixels is named with what is accepted."""
    with pytest.raises(ConfigError, match=r"input_shape must be \(height, width, channels\)"):
        zoo.create("efficientnet_lite0", input_shape=shape, num_classes=3, weights=None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 2.5}, "num_classes must be a whole number of at least 1; received 2.5"),
        ({"num_classes": "10"}, "num_classes must be a whole number"),
        ({"num_classes": 1}, "num_classes must be at least 2 for .*'softmax', which over one class is always 1"),
        ({"dropout": 1.0}, r"dropout must be a number in \[0, 1\)"),
        (
            {"classifier_activation": "softmx"},
            "classifier_activation must be one of softmax, sigmoid.* Nearest: softmax",
        ),
        ({"weights": 5}, "weights must be a tag, the path of a file, or what read_weights gave; received 5"),
        ({"name": 5}, "a model's name must be a text or a path; received 5"),
    ],
)
def test_impossible_argument_is_refused(arguments, message):
    """An argument that no model can be built with is named with what is accepted."""
    with pytest.raises(ConfigError, match=message):
        zoo.create(**{"name": "resnet18", "input_shape": SHAPE, "num_classes": 3, "weights": None} | arguments)


def test_counts_of_numpy_are_counts():
    """`num_classes=len(np.unique(y))` and its like are whole numbers."""
    model = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=np.int64(4), weights=None)
    assert model.output_shape == (None, 4)


def test_small_stem_has_no_pretrained_weights():
    """Asking for both is refused with the reason."""
    with pytest.raises(ConfigError, match="small.*no pretrained weights"):
        zoo.create("efficientnet_lite0", stem="small")


def test_models_that_tell_no_stages_have_one_a_halving():
    """Where layers are not named by stage, the last map of each size ends one."""
    x = inputs = keras.Input((32, 32, 3))
    for block in range(3):
        x = keras.layers.Conv2D(4, 3, strides=2, padding="same")(x)
        x = keras.layers.ReLU(name=f"end{block}")(x)
    model = keras.Model(inputs, x)
    stages = stage_outputs(model)
    assert {name: tensor.shape[1] for name, tensor in stages.items()} == {"stage1": 16, "stage2": 8, "stage3": 4}
    assert stages["stage2"] is model.get_layer("end1").output
