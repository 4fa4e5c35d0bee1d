"""A .keras file gives its weights to the variant that it is, and to no other."""

import dataclasses

import keras
import numpy as np
import pytest

from zoo.errors import ModelFileError
from zoo.families.efficientnet_lite.build import build
from zoo.head import activate, classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing, Variant, Weights
from zoo.weights.from_keras_model import read_keras_model
from zoo.weights.load import read_weights
from zoo.weights.named import named_weights

pytestmark = pytest.mark.keras
PIXELS = Preprocessing(64, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
HALF = dataclasses.replace(PIXELS, mean=(127.5,) * 3, std=(127.5,) * 3, crop_fraction=0.875)
ARGUMENTS = {"width": 0.1, "depth": 0.1}
EXACT = {"epsilon": 1e-5}


def row(preprocessing=HALF, arguments=EXACT):
    """Make a row of weights whose model differs from its variant's."""
    return Weights("tiny.other", "", "", 3, preprocessing, arguments=arguments)


TINY = Variant("tiny", "efficientnet_lite", 0, PIXELS, ARGUMENTS)
WITH_ROW = dataclasses.replace(TINY, weights=(row(),))


def saved(path, preprocessing=PIXELS, num_classes=3, side=32, channels=3, **arguments):
    """Save a narrow model with random weights at a path, and return it."""
    inputs = keras.Input((side, side, channels), name="image")
    x = build(normalize(inputs, preprocessing), **{**ARGUMENTS, **arguments})
    if num_classes:
        x = activate(classifier(pool(x), num_classes, dropout=0.4), "softmax")
    model = keras.Model(inputs, x)
    model.save(path)
    return model


@pytest.fixture
def path(tmp_path):
    """Where the model is."""
    return tmp_path / "model.keras"


@pytest.mark.parametrize("num_classes", [None, 3])
def test_weights_of_a_saved_model_are_taken_out(path, num_classes):
    """All arrays come by our names, the head's too, with the file's own size of pictures."""
    model = saved(path, num_classes=num_classes)
    found = read_weights(TINY, path, None)
    assert set(found.arrays) == set(named_weights(model)) and found.num_classes == num_classes
    for name, variable in named_weights(model).items():
        np.testing.assert_array_equal(found.arrays[name], variable)
    assert found.preprocessing == dataclasses.replace(PIXELS, image_size=32) and found.arguments == ARGUMENTS


def test_what_tells_rows_apart_is_taken_from_the_file(path):
    """A model with another row's epsilon and normalization is read as that row."""
    saved(path, HALF, **EXACT)
    found = read_keras_model(WITH_ROW, None, path)
    assert found.arguments == ARGUMENTS | EXACT
    assert found.preprocessing == dataclasses.replace(HALF, image_size=32)


def test_another_normalization_is_taken_over(path):
    """Weights bring the mean and standard deviation that stand in their file, not the row's."""
    other = dataclasses.replace(PIXELS, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    saved(path, other)
    found = read_keras_model(TINY, None, path).preprocessing
    np.testing.assert_allclose((*found.mean, *found.std), (1, 2, 3, 4, 5, 6), rtol=1e-6)
    assert found.crop_fraction == PIXELS.crop_fraction


@pytest.mark.parametrize(
    ("preprocessing", "arguments", "message"),
    [(PIXELS, EXACT, "prepares its pictures otherwise"), (HALF, {}, "is another model than tiny.other.*epsilon")],
)
def test_file_that_does_not_go_with_a_tag_is_refused(path, preprocessing, arguments, message):
    """A file that stands for a tag must compute and prepare its pictures as the tag says."""
    saved(path, preprocessing, **arguments)
    with pytest.raises(ModelFileError, match=message):
        read_keras_model(WITH_ROW, row(), path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (EXACT, "has epsilon = '1e-05' instead of '0.001'"),
        ({"width": 0.5}, "has filters = "),
        ({"depth": 1.0}, "layer 'stage.*' is not known"),
    ],
)
def test_another_model_is_refused_with_the_difference(path, arguments, message):
    """A model with other layers or settings is named, even where all shapes fit."""
    saved(path, **arguments)
    with pytest.raises(ModelFileError, match=f"model.keras: is another model than tiny: .*({message}).*--model"):
        read_keras_model(TINY, None, path)


def test_other_wiring_is_refused(path):
    """The same layers in another order are another model."""
    inputs = keras.Input((32, 32, 3), name="image")
    model = keras.Model(inputs, build(normalize(inputs, PIXELS), **ARGUMENTS))
    x = keras.layers.Add(name="more")([model.output, model.output])
    keras.Model(inputs, x).save(path)
    with pytest.raises(ModelFileError, match="layer 'more' is not known"):
        read_keras_model(TINY, None, path)


def test_model_of_somebody_else_is_refused_with_a_way(path):
    """A model without our normalization is no variant; it can be a backbone of its own."""
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3)]).save(path)
    with pytest.raises(ModelFileError, match="is no model of the zoo: .*--model"):
        read_keras_model(TINY, None, path)


def test_grey_model_comes_back_for_grey_pictures(path):
    """A model of one channel has the average of the row's means, and its stem is taken as it is."""
    saved(path, channels=1)
    found = read_keras_model(TINY, None, path)
    assert found.preprocessing.mean == PIXELS.mean and found.arrays["stem_conv/kernel"].shape[2] == 1


def test_grey_model_with_another_normalization_is_refused(path):
    """One mean cannot be taken over as those of red, green and blue."""
    saved(path, HALF, channels=1)
    with pytest.raises(ModelFileError, match="prepares its pictures otherwise"):
        read_keras_model(TINY, None, path)
