"""Convolutional networks: what they are made of, and when the input is too small."""

import re

import keras
import pytest

from zoo.errors import ConfigError
from zoo.families.conv.build import cnn, cnn1d
from zoo.families.recurrent.build import cnn_lstm

pytestmark = pytest.mark.keras


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # 28 to 14 to 7 cells a side; dense layer on 7 x 7 x 64
        (
            lambda: cnn((28, 28, 1), num_classes=10),
            (9 * 1 + 1) * 32 + (9 * 32 + 1) * 64 + (7 * 7 * 64 + 1) * 64 + 65 * 10,
        ),
        # valid: 28 to 24, pooled 12, to 8, pooled 4
        (
            lambda: cnn((28, 28, 3), filters=(6, 16), kernel_size=5, padding="valid", dense_units=(), num_classes=4),
            (25 * 3 + 1) * 6 + (25 * 6 + 1) * 16 + (4 * 4 * 16 + 1) * 4,
        ),
        # means over space, no bias before batch normalization with its four numbers a filter
        (
            lambda: cnn((9, 7, 2), filters=8, normalization="batch", flatten=False, dense_units=(), task="binary"),
            9 * 2 * 8 + 4 * 8 + 8 + 1,
        ),
        # 5 x 3 kernel, stride 2: 10 x 9 to 5 x 5 cells
        (
            lambda: cnn((10, 9, 1), filters=4, kernel_size=(5, 3), strides=2, pooling="none", task="binary"),
            (15 + 1) * 4 + (25 * 4 + 1) * 64 + 65,
        ),
        # 24 to 8 to 2 steps
        (
            lambda: cnn1d((24, 3), filters=(5, 6), kernel_size=2, pool_size=3, dense_units=(7,), task="regression"),
            (2 * 3 + 1) * 5 + (2 * 5 + 1) * 6 + (2 * 6 + 1) * 7 + 8,
        ),
    ],
)
def test_parameters_are_those_of_the_formula(model, expected):
    """A convolution has (kernel cells x channels + 1) x filters parameters."""
    assert model().count_params() == expected


def test_layers_stand_in_order():
    """Convolution, normalization, activation, pooling, dropout."""
    model = cnn((8, 8, 1), filters=(4,), normalization="layer", dropout=0.2, dense_units=(3,), num_classes=3)
    block = ["conv1", "conv1_norm", "conv1_relu", "conv1_pool", "conv1_dropout", "flatten"]
    dense = ["dense1", "dense1_norm", "dense1_relu", "dense1_dropout", "logits", "probabilities"]
    assert [layer.name for layer in model.layers] == block + dense


@pytest.mark.parametrize(("pooling", "layer"), [("max", "MaxPooling2D"), ("average", "AveragePooling2D")])
def test_pooling_is_the_one_asked_for(pooling, layer):
    """The pool takes the maximum or the mean of a rectangle, and steps by it."""
    model = cnn((8, 9, 1), filters=(4,), pooling=pooling, pool_size=(2, 3), num_classes=2)
    pool = model.get_layer("conv1_pool")
    assert type(pool).__name__ == layer and pool.output.shape == (None, 4, 3, 4)


def test_mean_over_steps_replaces_flatten():
    """flatten=False leaves one value for each filter."""
    model = cnn1d((12, 2), filters=(4,), flatten=False, dense_units=(), num_classes=2)
    assert isinstance(model.get_layer("pool"), keras.layers.GlobalAveragePooling1D)
    assert model.get_layer("logits").kernel.shape == (4, 2)


@pytest.mark.parametrize("side", range(1, 13))
@pytest.mark.parametrize(
    "options",
    [
        {"filters": (2, 2), "padding": "valid"},
        {"filters": (2, 2), "padding": "valid", "strides": 2, "pooling": "none"},
        {"filters": (2, 2), "kernel_size": 5, "pool_size": 3, "pooling": "average"},
        {"filters": (2, 2), "strides": 3},
    ],
)
def test_refuses_exactly_what_keras_cannot_build(side, options, monkeypatch):
    """Without the check Keras fails, or leaves no cell, for the same lengths that the check refuses."""
    build = {"input_shape": (side, 1), "dense_units": (), "task": "binary", **options}
    try:
        cnn1d(**build)
        accepted = True
    except ConfigError:
        accepted = False
    monkeypatch.setattr("zoo.sequential.convolutions._check_size", lambda *_: None)
    try:
        possible = all(size != 0 for layer in cnn1d(**build).layers for size in layer.output.shape)
    except ValueError:
        possible = False
    assert accepted == possible


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"input_shape": (9, 5, 1), "filters": (1, 1, 1), "padding": "valid", "pooling": "none"},
            "of 9 x 5 cells 5 x 1 are left before conv3, whose kernel_size is 3 x 3. Use a larger input, fewer entries "
            "in filters, padding='same'",
        ),
        (
            {"input_shape": (5, 5, 1), "filters": (1, 1, 1)},
            "of 5 x 5 cells 1 x 1 are left before conv3_pool, whose pool_size is 2 x 2. Use a larger input, fewer "
            "entries in filters, pooling='none'",
        ),
        ({"input_shape": (28, 28)}, "must be (height, width, channels) in positive whole numbers; received (28, 28)."),
        ({"input_shape": (28, 28)}, "With one of channels: (28, 28, 1)."),
        ({"input_shape": (4, 28, 28, 1)}, "Leave the batch axis out."),
        ({"input_shape": (None, 28, 1)}, "input_shape must be (height, width, channels)"),
        ({"filters": (0,)}, "filters must be positive whole numbers"),
        ({"filters": ()}, "filters must be positive whole numbers"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size must be a positive whole number, or 2 of them (height, width)"),
        ({"strides": 0}, "strides must be a positive whole number"),
        ({"pool_size": 2.5}, "pool_size must be a positive whole number"),
        ({"padding": "vaild"}, "padding must be one of same, valid; received 'vaild'. Nearest: valid."),
        ({"pooling": "avg"}, "pooling must be one of max, average, none; received 'avg'."),
        ({"flatten": 1}, "flatten must be True or False; received 1."),
        ({"dense_units": (-3,)}, "dense_units must be () or positive whole numbers; received (-3,)."),
    ],
)
def test_impossible_argument_is_named(options, message):
    """The message names the argument, what came, what is accepted and what would help."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        cnn(**{"input_shape": (28, 28, 1), "num_classes": 3, **options})


def test_unknown_length_skips_the_check():
    """A series of any length is not refused for its length, but a short known one is."""
    assert cnn_lstm((None, 2), filters=(4, 4), units=(3,), task="binary").output_shape == (None, 1)
    with pytest.raises(ConfigError, match="of 3 cells 1 are left before conv2_pool"):
        cnn_lstm((3, 2), filters=(4, 4), units=(3,), task="binary")
