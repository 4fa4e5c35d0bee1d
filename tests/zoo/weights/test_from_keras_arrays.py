"""Arrays out of Keras' HDF5 files find their variables, all of them, or the file is refused."""

import re

import keras
import numpy as np
import pytest
from keras_files import hdf5, legacy

from zoo.errors import ModelFileError
from zoo.head import classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing
from zoo.weights.from_keras_arrays import read_arrays
from zoo.weights.named import named_weights

pytestmark = pytest.mark.keras
KL = keras.layers
ROW = Preprocessing(8, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
MEAN, STD = np.divide(ROW.mean, 255).astype("f4"), np.divide(ROW.std, 255).astype("f4")


def make_backbone():
    """Make a small backbone with what networks are made of."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = KL.Conv2D(4, 3, use_bias=False, name="stem_conv")(normalize(inputs, ROW))
    x = KL.BatchNormalization(name="stem_bn")(x)
    return keras.Model(inputs, KL.Dense(6, "relu", name="mix")(x))


def with_classes(model, num_classes):
    """Put the zoo's head on a backbone and give every weight a value of its own."""
    if num_classes:
        model = keras.Model(model.input, classifier(pool(model.output), num_classes, dropout=0.1))
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(weight.shape, "float32") for weight in model.weights])
    return model


def stored(model):
    """Return a model's arrays by layer and name, as Keras wrote them before Keras 3."""
    return {
        layer.name: {
            f"{layer.name}/{weight.name}:0": np.asarray(weight)
            for weight in layer.trainable_weights + layer.non_trainable_weights
        }
        for layer in model.layers
    }


@pytest.fixture
def model():
    """A small model of three classes."""
    return with_classes(make_backbone(), 3)


@pytest.fixture
def read(write):
    """Return the arrays that a file of these bytes holds for the small backbone."""

    def _read(data, **options):
        return read_arrays(write(data, "weights.h5"), make_backbone(), ROW, **options)

    return _read


@pytest.fixture
def refuse(read):
    """Return the message with which a file of these bytes is refused."""

    def _refuse(data, **options):
        with pytest.raises(ModelFileError, match=r"weights\.h5: ") as caught:
            read(data, **options)
        return str(caught.value)

    return _refuse


def check_same(arrays, model):
    """Compare arrays with a model's weights by our names."""
    expected = named_weights(model)
    assert set(arrays) == set(expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("num_classes", [None, 1, 7])
def test_saved_weights_come_back_under_our_names(read, tmp_path, num_classes):
    """What save_weights wrote is found again, with a head of any number of classes and without one."""
    model = with_classes(make_backbone(), num_classes)
    model.save_weights(tmp_path / "good.weights.h5")
    check_same(read((tmp_path / "good.weights.h5").read_bytes()), model)


@pytest.mark.parametrize("num_classes", [None, 1, 7])
def test_older_layout_is_read_by_order(read, num_classes):
    """Files from before Keras 3 come back too, whatever their layers are called."""
    model = with_classes(make_backbone(), num_classes)
    layers = {f"x{number}": weights for number, weights in enumerate(stored(model).values())}
    check_same(read(legacy(layers)), model)


def test_texts_of_one_size_are_read(read, model):
    """Names may be HDF5 texts of one size too, as NumPy has them."""

    def shorten(file):
        for holder, attribute in ((file, "layer_names"), *((file[layer], "weight_names") for layer in stored(model))):
            holder.attrs[attribute] = np.array(list(holder.attrs[attribute]), "S40")

    check_same(read(legacy(stored(model), shorten)), model)


def test_classifier_may_be_a_convolution(read, model):
    """MobileNet's (1, 1, channels, classes) is our (channels, classes)."""
    layers = stored(model)
    layers["logits"]["logits/kernel:0"] = layers["logits"]["logits/kernel:0"][None, None]
    check_same(read(legacy(layers)), model)


def test_one_group_may_hold_two_layers(read, model):
    """A nested model, as in ConvNeXt, is one group whose arrays go to the layers in it, trained ones first."""
    layers = stored(model)
    conv, norm = layers.pop("stem_conv"), list(layers.pop("stem_bn").items())
    check_same(read(legacy({"nested": conv | dict(norm), **layers})), model)


@pytest.mark.parametrize("spread", [STD, STD**2])
def test_statistics_that_agree_are_left_out(read, model, spread):
    """EfficientNet's files begin with mean and variance, which our row says; they keep deviations for variances."""
    statistics = {"norm/mean:0": MEAN, "norm/variance:0": spread, "norm/count:0": np.array(0)}
    check_same(read(legacy({"norm": statistics, **stored(model)})), model)


@pytest.mark.parametrize("mean", [np.zeros(3, "f4"), np.zeros(4, "f4"), np.full(3, np.nan, "f4")])
def test_statistics_that_disagree_are_refused(refuse, model, mean):
    """Another preparation of pictures than the row's is not taken over in silence."""
    statistics = {"norm/mean:0": mean, "norm/variance:0": STD, "norm/count:0": np.array(0)}
    assert "ormalization layer" in refuse(legacy({"norm": statistics, **stored(model)}))


def test_classifier_of_several_layers_is_left_out_where_it_is_known(read, refuse, model):
    """Layers that keras.applications is known to have behind the feature map go, any other number is refused."""
    more = {"last": {"last/kernel:0": np.ones((3, 2), "f4"), "last/bias:0": np.ones(2, "f4")}}
    arrays = read(legacy({**stored(model), **more}), own_head=2)
    check_same(arrays, keras.Model(model.input, model.get_layer("pool").input))
    assert "holds 1 layers behind the last feature map; none or 2 accepted" in refuse(legacy(stored(model)), own_head=2)
    assert "none accepted. Take the file without top" in refuse(legacy(stored(model)), own_head=0)


def test_classifier_of_several_layers_is_refused_elsewhere(refuse, model):
    """A head that is not ours is named."""
    more = {"last": {"last/kernel:0": np.ones((3, 2), "f4"), "last/bias:0": np.ones(2, "f4")}}
    assert "2 layers behind the last feature map ('logits', 'last')" in refuse(legacy({**stored(model), **more}))


def without(layers, name):
    """Return layers without one."""
    return {key: value for key, value in layers.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda layers: {"stem_conv": layers["stem_conv"]}, "has no arrays for 2 layers, the first of them 'stem_bn'"),
        (lambda layers: without(layers, "stem_conv"), "has 4 arrays in 'stem_bn', and"),
        (lambda layers: layers | {"mix": {"k": np.ones((4, 5), "f4"), "b": np.ones(6, "f4")}}, r"mix/k \(4, 5\) for"),
        (lambda layers: layers | {"mix": {"k": np.ones((4, 6), "i4"), "b": np.ones(6, "f4")}}, "of another kind"),
        (lambda layers: layers | {"mix": {"k": np.full((4, 6), np.inf, "f4"), "b": np.ones(6, "f4")}}, "not finite"),
        (lambda layers: layers | {"logits": {"k": np.ones((5, 3), "f4"), "b": np.ones(3, "f4")}}, "of another shape"),
        (lambda layers: layers | {"logits": {"k": np.ones((6, 3), "f4")}}, "1 layers behind .*'logits'"),
    ],
)
def test_what_does_not_fit_is_named(refuse, model, change, message):
    """A missing, misshapen, infinite or foreign array refuses the file."""
    assert re.search(message, refuse(legacy(change(stored(model)))))


def test_arrays_of_no_layer_are_refused(refuse, model):
    """An array that no layer lists is one too many."""
    data = legacy(stored(model), lambda file: file.create_dataset("mix/more", data=np.ones(2)))
    assert "1 not known ('mix/more')" in refuse(data)


def test_array_that_is_listed_twice_is_refused(refuse, model):
    """One array cannot be two weights."""

    def twice(file):
        file["mix"].attrs["weight_names"] = [b"mix/kernel:0", b"mix/kernel:0"]

    assert "lists an array twice" in refuse(legacy(stored(model), twice))


def test_layer_without_group_is_refused(refuse, model):
    """A name that leads nowhere is a damaged file."""
    data = legacy(stored(model), lambda file: file.attrs.__setitem__("layer_names", [b"none"]))
    assert "lists the layer 'none', which has no group in it" in refuse(data)


def test_whole_model_of_older_keras_is_refused_with_a_way_out(refuse, model):
    """Its configuration can hold code; its weights alone are accepted."""
    data = legacy(stored(model), lambda file: file.attrs.__setitem__("model_config", "{}"))
    assert "whole model in the format from before Keras 3" in refuse(data) and "save_weights" in refuse(data)


def test_todays_layout_of_another_model_is_refused(refuse):
    """Missing and unknown arrays are listed by their paths and ours."""
    message = refuse(hdf5({"layers/dense/vars/0": np.ones((4, 6), "f4")}))
    assert "6 missing (" in message and "for stem_bn/gamma" in message
