"""A network run by Keras in half precision and by XLA: what it gives, and that its layers stay as they were."""

import keras
import numpy as np
import pytest
from keras import layers

from finetune.transfer.agreement import agreement
from finetune.transfer.keras_runner import KerasRunner
from finetune.transfer.runtime_names import CannotRun

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def model():
    """A small network with what half precision changes: a convolution, normalization, pooling."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, activation="relu")(x))
    network = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    network.trainable = False
    return network


@pytest.fixture(scope="module")
def pictures():
    """Seven pictures of noise, in batches of four and three."""
    pixels = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3)).astype("uint8")
    return [pixels[:4], pixels[4:]]


def run(model, pictures, **how):
    """Return the features of all pictures."""
    return np.concatenate(list(KerasRunner(model, batch_size=4, **how)(pictures)))


@pytest.mark.parametrize("xla", [False, True], ids=["plain", "xla"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_features_are_near_those_of_keras(model, pictures, precision, xla):
    """Float32 to five digits, half precision to two or three, and always given in float32."""
    expected = model.predict(np.concatenate(pictures), verbose=0)
    found = run(model, pictures, precision=precision, xla=xla)
    assert found.dtype == np.float32 and found.shape == (7, 8)
    assert agreement(found, expected, each=True) > (0.99999 if precision == "float32" else 0.999)
    assert np.array_equal(found, run(model, pictures, precision=precision, xla=xla))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_does_compute_in_halves(model, pictures, precision):
    """Its features differ from those in float32, and are numbers of few digits."""
    found = run(model, pictures, precision=precision)
    assert not np.allclose(found, run(model, pictures), rtol=1e-5)
    kept = np.asarray(keras.ops.cast(keras.ops.cast(found, precision.removeprefix("mixed_")), "float32"))
    np.testing.assert_array_equal(found, kept)


def test_network_stays_as_it_was(model, pictures):
    """Layers keep their policy, and the model itself answers in float32 before and after."""
    before = model.predict_on_batch(pictures[0])
    run(model, pictures, precision="mixed_bfloat16")
    np.testing.assert_array_equal(model.predict_on_batch(pictures[0]), before)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_layers_that_cannot_be_compiled_are_a_reason():
    """What the backend refuses comes back as one line, which names no stack."""

    class Refusing(layers.Layer):
        def call(self, x):
            raise NotImplementedError("no kernel\nfor this")

        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((4, 4, 3))
    with pytest.raises(CannotRun, match="no kernel for this"):
        KerasRunner(keras.Model(inputs, Refusing()(inputs)), batch_size=2)
