"""Contracts over every model of the zoo: built small, counted, saved, loaded, trained one step."""

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError
from zoo.factory import stage_outputs

pytestmark = pytest.mark.keras
NAMES = zoo.list_models()
SHAPE = (64, 64, 3)


@pytest.fixture
def pictures():
    """Four noisy pictures, uint8."""
    return np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype="uint8")


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_row(name):
    """With 1000 classes a model has exactly the trainable parameters that its row states."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=1000, weights=None)
    assert sum(variable.shape.num_elements() for variable in model.trainable_variables) == zoo.find(name).parameters


@pytest.mark.parametrize("name", NAMES)
def test_backbone_divides_the_picture_by_32(name):
    """The last feature map is a thirty-second of the picture, rounded up, with the top's filters."""
    model = zoo.backbone(name, input_shape=(96, 70, 3), weights=None)
    assert model.output_shape == (None, 3, 3, 1280)


@pytest.mark.parametrize("name", NAMES)
def test_model_is_one_flat_graph(name):
    """No layer is a model of its own, so layer names, export and heat maps just work."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=3, weights=None)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


@pytest.mark.parametrize("name", NAMES)
def test_saved_model_predicts_the_same(name, pictures, tmp_path):
    """A model survives save and load to the bit."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=3, weights=None)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(pictures), loaded(pictures))


@pytest.mark.parametrize("name", NAMES[:1])
def test_one_step_of_training_lowers_the_loss(name, pictures):
    """Every trainable variable gets a gradient, and the loss on the same batch falls."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=3, weights=None, dropout=0.0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    labels = np.array([0, 1, 2, 0])
    before = [variable.numpy().copy() for variable in model.trainable_variables]
    first = model.train_on_batch(pictures, labels)
    after = [variable.numpy() for variable in model.trainable_variables]
    assert not [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if np.array_equal(a, b)]
    assert model.train_on_batch(pictures, labels) < first


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
    probabilities = zoo.create("efficientnet_lite0", input_shape=SHAPE, num_classes=3, weights="imagenet")
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


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 0), (16, 64, 3)])
def test_impossible_input_shape_is_refused(shape):
    """A shape without channels or under 32 pixels is named with what is accepted."""
    with pytest.raises(ConfigError, match=r"input_shape must be \(height, width, channels\)"):
        zoo.create("efficientnet_lite0", input_shape=shape, num_classes=3, weights=None)


@pytest.mark.parametrize("name", NAMES)
def test_small_stem_keeps_the_size_of_the_picture(name):
    """With the small stem a picture of 32 pixels leaves a larger feature map than with the standard one."""
    small, standard = (
        zoo.backbone(name, input_shape=(32, 32, 3), weights=None, stem=stem) for stem in ("small", "standard")
    )
    assert stage_outputs(small)["stem"].shape[1:3] == (32, 32)
    assert small.output_shape[1] > standard.output_shape[1] == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_belongs_to_a_stage(name):
    """Every layer between preprocessing and head is named by its stage, and stages come in order."""
    model = zoo.create(name, input_shape=SHAPE, num_classes=3, weights=None)
    prefixes = list(dict.fromkeys(layer.name.partition("_")[0] for layer in model.layers))
    assert prefixes[:2] == ["image", "preprocessing"] and prefixes[-4:] == [
        "pool",
        "dropout",
        "logits",
        "probabilities",
    ]
    assert prefixes[2:-4] == list(stage_outputs(model))


def test_small_stem_has_no_pretrained_weights():
    """Asking for both is refused with the reason."""
    with pytest.raises(ConfigError, match="small.*no pretrained weights"):
        zoo.create("efficientnet_lite0", stem="small")
