"""Dense networks: what they are made of, and what they can learn."""

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.families.dense.build import linear_regression, logistic_regression, mlp, softmax_regression

pytestmark = pytest.mark.keras
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32"), np.array([[0], [1], [1], [0]], "float32")


def best_xor_accuracy(model):
    """Train on the four rows and return the best accuracy after any of the epochs."""
    x, y = XOR
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    best = 0.0
    for _ in range(4):
        model.fit(np.tile(x, (50, 1)), np.tile(y, (50, 1)), batch_size=4, shuffle=False, verbose=0)
        best = max(best, np.mean((model(x).numpy() > 0.5) == y))
    return best


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: linear_regression((8,)), 8 + 1),
        (lambda: linear_regression((8,), 3), 8 * 3 + 3),
        (lambda: logistic_regression((30,)), 30 + 1),
        (lambda: softmax_regression((28, 28), 10), 784 * 10 + 10),
        (lambda: mlp((4,), num_classes=3), (4 + 1) * 64 + (64 + 1) * 32 + (32 + 1) * 3),
        (lambda: mlp((28, 28), units=(256, 128, 100), num_classes=10), 785 * 256 + 257 * 128 + 129 * 100 + 101 * 10),
        # batch normalization: no bias, but gamma, beta and two moving statistics
        (lambda: mlp((4,), units=(8,), normalization="batch", task="binary"), 4 * 8 + 4 * 8 + 8 + 1),
        # layer normalization: bias, gamma and beta
        (lambda: mlp((4,), units=8, normalization="layer", task="binary"), 5 * 8 + 2 * 8 + 8 + 1),
    ],
)
def test_parameters_are_those_of_the_formula(model, expected):
    """A dense layer has (inputs + 1) x outputs parameters."""
    assert model().count_params() == expected


def test_layers_stand_in_order():
    """Linear part, normalization, activation, dropout; the output has none of the last three."""
    model = mlp((2, 3), units=(4, 4), normalization="batch", dropout=0.2, activation="gelu", num_classes=3)
    block = ["dense{}", "dense{}_norm", "dense{}_gelu", "dense{}_dropout"]
    expected = ["flatten", *[name.format(number) for number in (1, 2) for name in block], "logits", "probabilities"]
    assert [layer.name for layer in model.layers] == expected


def test_selu_comes_with_alpha_dropout():
    """Plain dropout would shift the mean and variance that selu keeps."""
    model = mlp((4,), activation="selu", dropout=0.1, task="binary")
    assert isinstance(model.get_layer("dense1_dropout"), keras.layers.AlphaDropout)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "selu", "gelu", "tanh", "sigmoid"])
def test_activation_is_the_one_asked_for(activation):
    """The hidden layer computes Keras' function of that name."""
    model = mlp((3,), units=(5,), activation=activation, task="regression", seed=0)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    hidden = keras.activations.get(activation)(x @ model.layers[0].kernel.numpy())
    expected = hidden @ model.get_layer("logits").kernel.numpy()
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-6)


def test_one_hidden_layer_solves_xor():
    """Eight units and tanh separate what no line can."""
    assert best_xor_accuracy(mlp((2,), units=(8,), activation="tanh", task="binary", seed=0)) == 1.0


def test_linear_layers_cannot_solve_xor():
    """However wide, layers without an activation are one line, which gets three of the four at most."""
    with pytest.warns(UserWarning, match="no more than one linear layer"):
        model = mlp((2,), units=(8, 8), activation="linear", task="binary", seed=0)
    assert best_xor_accuracy(model) <= 0.75


@pytest.mark.parametrize(
    "build",
    [
        lambda: linear_regression((4,), 0),
        lambda: linear_regression((4,), None),
        lambda: softmax_regression((4,), 1),
        lambda: logistic_regression((4,), output_activation="relu"),
        lambda: linear_regression((4, -1)),
    ],
)
def test_regressions_refuse_the_impossible(build):
    """Counts, shapes and outputs are checked in the small ones too."""
    with pytest.raises(ConfigError, match=r"(num_outputs|num_classes|output_activation|input_shape) must be"):
        build()


def test_impossible_axis_brings_no_hint_about_the_batch():
    """A shape that is not the batch's, only wrong, is not mistaken for one."""
    with pytest.raises(ConfigError, match=r"received \(4, 0\)\.$"):
        mlp((4, 0), num_classes=3)
