"""Contracts over every Sequential factory: saved, trained one step, seeded, initialized, refused."""

import inspect
import re
import warnings

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.families.conv.build import cnn, cnn1d
from zoo.families.dense.build import linear_regression, logistic_regression, mlp, softmax_regression
from zoo.families.recurrent.build import bilstm, cnn_lstm, gru, lstm
from zoo.sequential.layers import MATCHING_INITIALIZER
from zoo.sequential.outputs import check_loss

pytestmark = pytest.mark.keras
# Several layers of one shape in each, so that twins can be told apart.
SMALL = {
    "linear_regression": lambda **options: linear_regression((5,), 2, **options),
    "logistic_regression": lambda **options: logistic_regression((5,), **options),
    "softmax_regression": lambda **options: softmax_regression((5,), 3, **options),
    "mlp": lambda **options: mlp((6,), units=(6, 6, 6), num_classes=3, **options),
    "cnn": lambda **options: cnn((8, 8, 4), filters=(4, 4), dense_units=(16, 16), num_classes=3, **options),
    "cnn1d": lambda **options: cnn1d((12, 4), filters=(4, 4), dense_units=(12, 12), num_classes=3, **options),
    "lstm": lambda **options: lstm((3, 6), units=(6, 6), task="regression", **options),
    "gru": lambda **options: gru((3, 6), units=(6, 6), task="binary", **options),
    "bilstm": lambda **options: bilstm((3, 6), units=(3, 3), num_classes=2, task="multi_label", **options),
    "cnn_lstm": lambda **options: cnn_lstm((8, 4), filters=(4, 4), units=(4, 4), num_classes=3, **options),
}
DEEP = ["mlp", "cnn", "cnn1d", "lstm", "gru", "bilstm", "cnn_lstm"]


def batch(model, count=16):
    """Return normal values that the model takes."""
    return np.random.default_rng(0).normal(size=(count, *model.input_shape[1:])).astype("float32")


def kernels(model):
    """Return every kernel by its path."""
    return {variable.path: variable.numpy() for variable in model.trainable_variables if "kernel" in variable.path}


@pytest.mark.parametrize("name", SMALL)
def test_model_is_a_built_flat_sequential(name):
    """The model has its shapes at once, and no layer of it is a model."""
    model = SMALL[name]()
    assert isinstance(model, keras.Sequential) and model.built and model.name == name
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]


@pytest.mark.parametrize("name", SMALL)
def test_saved_model_answers_the_same(name, tmp_path):
    """A model with everything switched on survives save and load to the bit."""
    options = {"normalization": "batch", "dropout": 0.3, "l2": 0.01} if name in DEEP else {"l2": 0.01}
    model = SMALL[name](**options, seed=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(batch(model)), loaded(batch(model)))
    assert loaded.to_json() == model.to_json()


@pytest.mark.parametrize("name", SMALL)
def test_one_training_step_changes_every_variable(name):
    """Every trainable variable gets a gradient."""
    model = SMALL[name](seed=2)
    model.compile("sgd", "mean_absolute_error", run_eagerly=True)
    before = [variable.numpy() for variable in model.trainable_variables]
    labels = np.random.default_rng(1).normal(size=(16, model.output_shape[-1]))
    model.train_on_batch(batch(model), labels)
    same = [np.array_equal(old, new) for old, new in zip(before, model.trainable_variables, strict=True)]
    assert not any(same)


@pytest.mark.parametrize("name", SMALL)
def test_seed_decides_the_initial_weights(name):
    """The same seed, 0 included, gives the same weights, another seed others."""
    first, again, other = (list(kernels(SMALL[name](seed=seed)).values()) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("name", DEEP)
def test_kernels_of_one_shape_start_apart(name, seed):
    """No two kernels share their values, seeded or not, nor do the two directions of one layer."""
    found = list(kernels(SMALL[name](seed=seed)).values())
    twins = [(a, b) for i, a in enumerate(found) for b in found[:i] if a.shape == b.shape]
    assert twins and not [1 for a, b in twins if np.array_equal(a, b)]


@pytest.mark.parametrize("name", DEEP)
def test_dropout_leaves_initial_weights_alone(name):
    """Models that differ in dropout only start from the same weights."""
    with_dropout, without = (kernels(SMALL[name](seed=3, dropout=rate)) for rate in (0.5, 0.0))
    assert all(np.array_equal(a, b) for a, b in zip(with_dropout.values(), without.values(), strict=True))


@pytest.mark.parametrize("name", DEEP)
def test_dropout_works_in_training_only(name):
    """Inference is the same each time, training is not, and it repeats by seed."""
    model, again = (SMALL[name](seed=4, dropout=0.5) for _ in range(2))
    x = batch(model)
    np.testing.assert_array_equal(model(x), model(x))
    first = keras.ops.convert_to_numpy(model(x, training=True))
    assert not np.array_equal(first, model(x, training=True))
    np.testing.assert_array_equal(first, again(x, training=True))


@pytest.mark.parametrize("name", DEEP)
def test_answers_are_float32_under_mixed_precision(name):
    """Hidden layers compute in bfloat16, the answer comes in float32."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = SMALL[name]()
    finally:
        keras.config.set_dtype_policy("float32")
    answer = model(batch(model))
    assert model.layers[0].compute_dtype == "bfloat16" and keras.backend.standardize_dtype(answer.dtype) == "float32"
    if model.layers[-1].name == "probabilities" and model.output_shape == (None, 3):
        np.testing.assert_allclose(np.sum(answer, axis=-1), 1.0, atol=1e-6)


@pytest.mark.parametrize(
    ("task", "counts", "last", "outputs"),
    [
        ("binary", {}, "sigmoid", 1),
        ("classification", {"num_classes": 4}, "softmax", 4),
        ("multi_label", {"num_classes": 4}, "sigmoid", 4),
        ("regression", {"num_outputs": 2}, "linear", 2),
        ("regression", {}, "linear", 1),
    ],
)
def test_task_decides_the_output(task, counts, last, outputs):
    """Each task has its number of outputs and its activation, as a layer of its own behind the logits."""
    model = mlp((3,), units=(4,), task=task, **counts)
    names = [layer.name for layer in model.layers[-2:]]
    assert model.output_shape == (None, outputs) and model.layers[-1].activation.__name__ == last
    assert names == (["dense1_relu", "logits"] if last == "linear" else ["logits", "probabilities"])


@pytest.mark.parametrize("options", [{"task": "binary"}, {"num_classes": 3}, {"task": "multi_label", "num_classes": 3}])
def test_logits_are_what_the_probabilities_are_made_of(options):
    """output_activation=None gives the same model without its last layer."""
    probabilities = mlp((3,), seed=5, **options)
    logits = mlp((3,), seed=5, output_activation=None, **options)
    activation = probabilities.layers[-1].activation
    assert logits.layers[-1].name == "logits"
    np.testing.assert_array_equal(probabilities(batch(logits)), activation(logits(batch(logits))))


@pytest.mark.parametrize("activation", MATCHING_INITIALIZER)
def test_initial_variance_matches_the_activation(activation):
    """Kernels have variance 2 / fan_in (He), 2 / (fan_in + fan_out) (Glorot) or 1 / fan_in (LeCun)."""
    fan_in, fan_out = 5 * 5 * 16, 5 * 5 * 60
    model = cnn((2, 2, 16), filters=60, kernel_size=5, activation=activation, num_classes=2, seed=6)
    glorot = 2 / (fan_in + fan_out)
    formula = {"selu": 1 / fan_in, "tanh": glorot, "sigmoid": glorot, "linear": glorot}
    # 24,000 draws: the sample variance of a normal is off by 1 % (one standard deviation)
    assert np.var(model.layers[0].kernel) == pytest.approx(formula.get(activation, 2 / fan_in), rel=0.04)


@pytest.mark.parametrize("name", ["he_uniform", "glorot_normal", "lecun_uniform"])
def test_initializer_can_be_chosen(name):
    """A named initializer replaces the matching one."""
    kernel = mlp((400,), units=(100,), initializer=name, task="binary", seed=0).layers[0].kernel
    formula = {"he_uniform": 2 / 400, "glorot_normal": 2 / 500, "lecun_uniform": 1 / 400}
    assert np.var(kernel) == pytest.approx(formula[name], rel=0.04)
    assert (np.abs(kernel).max() <= np.sqrt(3 * formula[name])) == name.endswith("uniform")


@pytest.mark.parametrize("name", DEEP)
def test_l2_counts_every_kernel_and_no_bias(name):
    """The penalty is the factor times the sum of all squared kernel weights."""
    model = SMALL[name](l2=0.5)
    for variable in model.trainable_variables:
        if "bias" in variable.path:
            variable.assign(keras.ops.ones_like(variable))
    expected = 0.5 * sum(np.sum(kernel**2) for kernel in kernels(model).values())
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["mse", "MeanSquaredError", keras.losses.MeanSquaredError()])
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "model"])
def test_squared_error_on_probabilities_warns(output, loss):
    """However loss and output are given, the warning says why and what to use."""
    output = logistic_regression((2,)) if output == "model" else output
    with pytest.warns(UserWarning, match=r"vanishes near 0 and 1.* Use (binary|categorical)_crossentropy"):
        check_loss(output, loss)


@pytest.mark.parametrize(
    ("output", "loss"), [("sigmoid", "binary_crossentropy"), (None, "mse"), ("linear", keras.losses.mean_squared_error)]
)
def test_fitting_loss_is_silent(output, loss):
    """Cross-entropy on probabilities and squared error on numbers are as they should be."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_loss(output, loss)
        check_loss(linear_regression((2,)), "mse")


@pytest.mark.parametrize("output, loss", [("sigmoid", "msee"), ("auto", "mse"), ("sigmiod", "mse")])
def test_unknown_loss_or_output_is_refused(output, loss):
    """A name that nobody knows is not taken for a good one."""
    with pytest.raises(ConfigError, match="must be"):
        check_loss(output, loss)


@pytest.mark.parametrize(
    "build",
    [
        lambda: mlp((2,), activation="linear", task="binary"),
        lambda: mlp((2,), activation="linear", normalization="batch", task="binary"),
        lambda: cnn((8, 8, 1), activation="linear", pooling="average", task="binary"),
        lambda: cnn1d((8, 1), activation="linear", pooling="none", task="binary"),
        lambda: lstm((4, 1), dense_units=(3,), dense_activation="linear", task="binary"),
    ],
)
def test_linear_hidden_layers_warn_at_the_users_line(build):
    """The warning says that the layers collapse and what to use, and points outside the zoo."""
    with pytest.warns(UserWarning, match="no more than one linear layer can.* Use a non-linear") as caught:
        build()
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "build",
    [
        lambda: mlp((2,), activation="linear", normalization="layer", task="binary"),
        lambda: cnn((8, 8, 1), activation="linear", pooling="max", task="binary"),
        lambda: lstm((4, 1), activation="linear", task="binary"),
        lambda: lstm((4, 1), dense_activation="linear", task="binary"),
    ],
)
def test_linear_layers_with_something_between_are_silent(build):
    """Layer normalization, max pooling and gates are not linear, and one linear layer collapses into nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": (8, 0)}, "units must be positive whole numbers, one a layer, such as (64, 32); received (8, 0)."),
        ({"units": ()}, "units must be positive whole numbers"),
        ({"units": (8.0,)}, "units must be positive whole numbers"),
        ({"activation": "rleu"}, "received 'rleu'. Nearest: relu"),
        ({"activation": None}, "activation must be one of relu, leaky_relu"),
        ({"normalization": "bacth"}, "received 'bacth'. Nearest: batch."),
        ({"initializer": "he_norml"}, "received 'he_norml'. Nearest: he_normal"),
        ({"dropout": 1.0}, "dropout must be a number in [0, 1); received 1.0."),
        ({"dropout": -0.1}, "dropout must be a number in [0, 1)"),
        ({"dropout": float("nan")}, "dropout must be a number in [0, 1)"),
        ({"l2": -1e-4}, "l2 must be a finite number of at least 0; received -0.0001."),
        ({"l2": float("inf")}, "l2 must be a finite number"),
        ({"seed": 1.5}, "seed must be a whole number or None; received 1.5."),
        ({"task": "regresion"}, "received 'regresion'. Nearest: regression"),
        ({"num_classes": None}, "num_classes must be a whole number of at least 2 for task='classification'"),
        ({"num_classes": 1}, "received 1. Softmax over one class is always 1: for yes or no use task='binary'."),
        ({"num_classes": True}, "num_classes must be a whole number"),
        ({"num_outputs": 2}, "num_outputs must be left out for task='classification', which is counted by num_classes"),
        ({"task": "binary"}, "num_classes must be left out for task='binary', which has one output; received 3."),
        ({"task": "regression", "num_classes": None, "num_outputs": 0}, "num_outputs must be a whole number"),
        ({"output_activation": "relu"}, "'softmax' or None (logits) for task='classification'; received 'relu'. Where"),
        ({"output_activation": "sigmoid"}, "must be 'auto', 'softmax' or None"),
        ({"input_shape": 4}, "input_shape must be (features,) or longer in positive whole numbers; received 4."),
        ({"input_shape": ()}, "input_shape must be (features,) or longer"),
        ({"input_shape": (0,)}, "input_shape must be (features,) or longer"),
        ({"input_shape": (None, 4)}, "received (None, 4). Leave the batch axis out."),
    ],
)
def test_impossible_argument_is_named(options, message):
    """The message names the argument, what came and what is accepted."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        mlp(**{"input_shape": (4,), "num_classes": 3, **options})


def test_relu_on_a_regression_is_refused():
    """A rectified output could get stuck at 0, and not predict a negative number."""
    with pytest.raises(ConfigError, match="Where relu gives 0 it has no gradient"):
        mlp((4,), task="regression", output_activation="relu")


def test_numbers_from_numpy_are_taken(tmp_path):
    """Values that a search draws with NumPy build a model that can be saved."""
    model = mlp((np.int64(4),), units=[np.int64(8)], dropout=np.float32(0.5), num_classes=np.int64(3), seed=np.int64(1))
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").output_shape == (None, 3)


@pytest.mark.parametrize("factory", [mlp, cnn, cnn1d, lstm, gru, bilstm, cnn_lstm], ids=lambda one: one.__name__)
def test_hyperparameters_are_keywords_with_defaults(factory):
    """Only input_shape is positional, and help shows each keyword with its default."""
    first, *rest = inspect.signature(factory).parameters.values()
    assert first.name == "input_shape" and {"dropout", "l2", "seed", "task"} <= {one.name for one in rest}
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in rest)
