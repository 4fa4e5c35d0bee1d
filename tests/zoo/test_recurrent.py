"""Recurrent networks: what they are made of, and how sequences pass between layers."""

import inspect

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.families.recurrent.build import bilstm, cnn_lstm, gru, lstm, recurrent

pytestmark = pytest.mark.keras


def lstm_parameters(features, units):
    """Four blocks, each with weights from the input and the state, and a bias."""
    return 4 * (features + units + 1) * units


def gru_parameters(features, units):
    """Three blocks, each with weights from the input and the state, and a bias for either."""
    return 3 * (features + units + 2) * units


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: lstm((3, 1), units=(50,), activation="relu", task="regression"), lstm_parameters(1, 50) + 51),
        (
            lambda: lstm((9, 3), units=(8, 4), dense_units=(5,), num_classes=2),
            lstm_parameters(3, 8) + lstm_parameters(8, 4) + 5 * 5 + 6 * 2,
        ),
        (lambda: gru((9, 3), units=(8, 4), task="binary"), gru_parameters(3, 8) + gru_parameters(8, 4) + 5),
        (
            lambda: bilstm((9, 3), units=(8, 4), task="binary"),
            2 * lstm_parameters(3, 8) + 2 * lstm_parameters(16, 4) + 9,
        ),
        (
            lambda: cnn_lstm((9, 3), filters=(6,), kernel_size=2, units=(4,), num_classes=3),
            (2 * 3 + 1) * 6 + lstm_parameters(6, 4) + 5 * 3,
        ),
    ],
)
def test_parameters_are_those_of_the_formula(model, expected):
    """LSTM has four blocks of weights, GRU three, both directions twice as many."""
    assert model().count_params() == expected


def test_classic_forecast_is_one_call():
    """LSTM(50, relu) and Dense(1) compute the same as the two layers written out with the same weights."""
    model = lstm((5, 2), units=(50,), activation="relu", task="regression")
    classic = keras.Sequential([keras.Input((5, 2)), keras.layers.LSTM(50, activation="relu"), keras.layers.Dense(1)])
    classic.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    np.testing.assert_allclose(model(x), classic(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factory", [lstm, gru, bilstm])
def test_sequences_pass_between_layers_only(factory):
    """All recurrent layers but the last give a value for each step."""
    model = factory((7, 2), units=(4, 4, 4), num_classes=3)
    ranks = [len(layer.output.shape) for layer in model.layers]
    assert ranks == [3, 3, 2, 2, 2]


def test_layers_stand_in_order():
    """Recurrence, normalization, dropout; then the dense layers with theirs."""
    model = gru((7, 2), units=(4,), dense_units=(3,), normalization="layer", dropout=0.1, num_classes=3)
    dense = ["dense1", "dense1_norm", "dense1_relu", "dense1_dropout", "logits", "probabilities"]
    assert [layer.name for layer in model.layers] == ["gru1", "gru1_norm", "gru1_dropout", *dense]


def test_both_directions_are_read():
    """The first half of the state depends on the first step of a long series least, the second half most."""
    model = bilstm((30, 1), units=(4,), task="binary", seed=0)
    state = keras.Model(model.inputs[0], model.get_layer("bilstm1").output)
    x = np.zeros((2, 30, 1), "float32")
    x[1, 0] = 5.0
    change = np.abs(np.diff(state(x), axis=0))[0]
    assert change[:4].max() < 0.01 < change[4:].min()


@pytest.mark.parametrize("factory", [lstm, gru, bilstm])
def test_recurrent_dropout_works_in_training_only(factory):
    """The state is dropped while training, repeatably by seed, and never in inference."""
    models = [factory((3, 3), units=(8,), recurrent_dropout=0.5, task="regression", seed=1) for _ in range(2)]
    x = np.random.default_rng(0).normal(size=(4, 3, 3)).astype("float32")
    first, again = (keras.ops.convert_to_numpy(model(x, training=True)) for model in models)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(models[0](x), models[0](x))
    assert not np.array_equal(first, models[0](x))


def test_inputs_are_never_dropped():
    """Dropout acts on what the layers give: a series of one feature keeps all its values."""
    model = lstm((6, 1), units=(4,), dropout=0.5, task="binary")
    assert model.get_layer("lstm1").dropout == 0.0 and model.get_layer("lstm1_dropout").rate == 0.5


def test_series_of_any_length_are_taken():
    """With None for steps one model reads short and long series."""
    model = gru((None, 2), units=(4,), task="regression")
    assert [model(np.ones((1, steps, 2), "float32")).shape for steps in (3, 11)] == [(1, 1)] * 2


def test_initial_kernels_follow_their_formulas():
    """From input to gates: Glorot's variance 2 / (features + 4 units); from state to gates: orthogonal."""
    layer = lstm((3, 200), units=(100,), activation="relu", task="binary", seed=0).get_layer("lstm1")
    assert np.var(layer.cell.kernel) == pytest.approx(2 / (200 + 400), rel=0.04)
    recurrent_kernel = layer.cell.recurrent_kernel.numpy()
    np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, np.eye(100), atol=1e-4)


def test_options_shown_are_options_taken():
    """The signature that help shows lists what `recurrent` takes, without what the function fixes."""
    shown = inspect.signature(lstm).parameters
    assert set(inspect.signature(recurrent).parameters) - set(shown) == {"cell", "bidirectional"}
    with pytest.raises(TypeError, match="unexpected keyword argument 'unit'"):
        lstm((3, 1), unit=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "ltsm"}, "cell must be one of lstm, gru; received 'ltsm'. Nearest: lstm."),
        ({"bidirectional": None}, "bidirectional must be True or False; received None."),
        ({"units": 0}, "units must be positive whole numbers"),
        ({"activation": "tahn"}, "^activation must be one of .* received 'tahn'. Nearest: tanh."),
        ({"dense_activation": "tahn"}, "^dense_activation must be one of .* received 'tahn'. Nearest: tanh."),
        ({"recurrent_dropout": 1}, r"^recurrent_dropout must be a number in \[0, 1\); received 1."),
        ({"input_shape": (4,)}, r"steps may be None; received \(4,\). With one of features: \(4, 1\)."),
        ({"input_shape": (None, None)}, r"steps may be None; received \(None, None\).$"),
        ({"input_shape": (8, 4, 2)}, "Leave the batch axis out."),
        ({"dense_units": None}, r"dense_units must be \(\) or positive whole numbers; received None."),
    ],
)
def test_impossible_argument_is_named(options, message):
    """The message names the argument, what came and what is accepted."""
    with pytest.raises(ConfigError, match=message):
        recurrent(**{"input_shape": (4, 2), "num_classes": 3, **options})


def test_unknown_lstm_activation_is_named():
    """In cnn_lstm the two activations have different names."""
    with pytest.raises(ConfigError, match="^lstm_activation must be one of"):
        cnn_lstm((8, 2), lstm_activation="tahn", num_classes=3)
