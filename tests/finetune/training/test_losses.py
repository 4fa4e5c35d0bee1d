"""Losses against NumPy in double precision, at extremes, with weights; wrong pairs are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_expit, log_softmax

from finetune.config import make_config
from finetune.tasks import SHARES, TASKS
from finetune.training.losses import make_loss
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
CLASSES = TASKS["classification"]
LABELS = TASKS["multi_label"]
NUMBERS = [TASKS["regression"], TASKS["forecasting"]]
CLASS_SETTINGS = [
    {},
    {"loss": "crossentropy"},
    {"label_smoothing": 0.2},
    {"loss": "focal"},
    {"loss": "focal", "focal_gamma": 0},
    {"loss": "focal", "focal_gamma": 0.5, "label_smoothing": 0.1},
]
NUMBER_SETTINGS = [
    {},
    {"loss": "mse"},
    {"loss": "mae"},
    {"loss": "huber", "huber_delta": 0.7},
    {"loss": "quantile", "quantile": 0.9},
]
GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(16, 4), scale=3).astype("float32")
CLASS_NUMBERS = GENERATOR.integers(0, 4, 16)
MIXED = GENERATOR.dirichlet(np.ones(4), 16).astype("float32")
SOME_LABELS = GENERATOR.integers(0, 2, (16, 4))
VALUES = GENERATOR.normal(size=(16, 4)).astype("float32")
WEIGHTS = GENERATOR.uniform(size=16).astype("float32")
# from clear to hopeless, in both directions
EXTREMES = np.array([[1e4, -1e4, 0, 0], [-1e4, 1e4, 1e4, 0], [20, -20, 0, 1], [0, 0, 0, 0]], "float32")


def by_numpy_of_classes(shares, logits, *, loss="crossentropy", label_smoothing=0.0, focal_gamma=2.0):
    """Return the loss of each row for shares of classes."""
    shares = shares * (1 - label_smoothing) + label_smoothing / shares.shape[1]
    logs = log_softmax(logits.astype("float64"), axis=1)
    gamma = focal_gamma if loss == "focal" else 0
    return -(shares * (1 - np.exp(logs)) ** gamma * logs).sum(axis=1)


def by_numpy_of_labels(labels, logits, *, loss="crossentropy", label_smoothing=0.0, focal_gamma=2.0):
    """Return the loss of each row for labels."""
    labels = labels * (1 - label_smoothing) + label_smoothing / 2
    yes, no = log_expit(logits.astype("float64")), log_expit(-logits.astype("float64"))
    gamma = focal_gamma if loss == "focal" else 0
    return -(labels * np.exp(no) ** gamma * yes + (1 - labels) * np.exp(yes) ** gamma * no).mean(axis=1)


def by_numpy_of_numbers(values, outputs, *, loss="mse", huber_delta=1.0, quantile=0.5):
    """Return the loss of each row for numbers."""
    error = values.astype("float64") - outputs
    size = np.abs(error)
    each = {
        "mse": error**2,
        "mae": size,
        "huber": np.where(size <= huber_delta, error**2 / 2, huber_delta * size - huber_delta**2 / 2),
        "quantile": np.where(error >= 0, quantile * error, (quantile - 1) * error),
    }
    return each[loss].mean(axis=1)


CASES = [
    *((CLASSES, s, CLASS_NUMBERS, by_numpy_of_classes(np.eye(4)[CLASS_NUMBERS], LOGITS, **s)) for s in CLASS_SETTINGS),
    *((SHARES, s, MIXED, by_numpy_of_classes(MIXED, LOGITS, **s)) for s in CLASS_SETTINGS),
    *((LABELS, s, SOME_LABELS, by_numpy_of_labels(SOME_LABELS, LOGITS, **s)) for s in CLASS_SETTINGS),
    *((task, s, VALUES, by_numpy_of_numbers(VALUES, LOGITS, **s)) for s in NUMBER_SETTINGS for task in NUMBERS),
]


@pytest.mark.parametrize(("task", "settings", "targets", "expected"), CASES)
def test_losses_are_those_of_numpy(task, settings, targets, expected):
    """Each loss is the mean of its formula over the batch, and with weights the mean of weight times loss."""
    loss = make_loss(make_config(settings), task)
    assert float(loss(targets, LOGITS)) == pytest.approx(expected.mean(), rel=1e-5)
    assert float(loss(targets, LOGITS, sample_weight=WEIGHTS)) == pytest.approx((expected * WEIGHTS).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "settings", "targets"),
    [
        *((CLASSES, s, np.array([1, 0, 1, 2])) for s in CLASS_SETTINGS),
        *((SHARES, s, np.eye(4, dtype="float32")[[1, 0, 1, 2]]) for s in CLASS_SETTINGS),
        *((LABELS, s, np.array([[0, 1, 1, 0]] * 4)) for s in CLASS_SETTINGS),
        *((NUMBERS[0], s, np.zeros((4, 4), "float32")) for s in NUMBER_SETTINGS),
    ],
)
def test_extreme_logits_have_finite_gradients(task, settings, targets):
    """Logits of 10,000 on the wrong side and on the right one give finite losses, and gradients that still point."""
    logits = tf.Variable(EXTREMES)
    with tf.GradientTape() as tape:
        value = make_loss(make_config(settings), task)(targets, logits)
    slope = tape.gradient(value, logits).numpy()
    assert np.isfinite(float(value)) and np.isfinite(slope).all()
    # wrong rows are still pulled at: the focal loss of Keras has no slope there
    assert np.abs(slope[0]).max() > 0.01 and np.abs(slope[2]).max() > 0.01


@pytest.mark.parametrize("gamma", [0.5, 1, 2, 5])
@pytest.mark.parametrize(
    ("task", "targets", "formula"),
    [(CLASSES, CLASS_NUMBERS, by_numpy_of_classes), (LABELS, SOME_LABELS, by_numpy_of_labels)],
)
def test_focal_gradients_are_those_of_differences(gamma, task, targets, formula):
    """The slope along a direction is the difference of the formula over a small step in double precision."""
    logits, along = tf.Variable(LOGITS), np.random.default_rng(3).normal(size=LOGITS.shape)
    with tf.GradientTape() as tape:
        value = make_loss(make_config({"loss": "focal", "focal_gamma": gamma}), task)(targets, logits)
    found = float((tape.gradient(value, logits).numpy() * along).sum())
    shares = np.eye(4)[targets] if task is CLASSES else targets
    up, down = (
        formula(shares, LOGITS + sign * 1e-5 * along, loss="focal", focal_gamma=gamma).mean() for sign in (1, -1)
    )
    assert found == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("task", "settings"), [(case[0], case[1]) for case in CASES[3:6] + CASES[15:18] + CASES[26:27]]
)
def test_losses_survive_saving(task, settings):
    """Serialized by Keras and made again, a loss gives the same value."""
    loss = make_loss(make_config(settings), task)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    targets = {CLASSES.name: CLASS_NUMBERS, LABELS.name: SOME_LABELS}.get(task.name, VALUES)
    assert float(again(targets, LOGITS)) == float(loss(targets, LOGITS))


def test_smoothed_classes_train_a_model():
    """Class numbers with smoothing and weights work in Model.fit, where Keras gives targets a second dimension."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="logits")])
    loss = make_loss(make_config({"label_smoothing": 0.1}), CLASSES)
    model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    history = model.fit(LOGITS, CLASS_NUMBERS, sample_weight=WEIGHTS, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]


def test_default_loss_is_that_of_the_task():
    """Without settings, the losses are those of the tasks' rows."""
    for task in (CLASSES, SHARES, LABELS, *NUMBERS):
        assert make_loss(make_config({}), task).get_config() == task.loss().get_config()


@pytest.mark.parametrize(
    ("settings", "task", "message"),
    [
        ({"loss": "huber"}, CLASSES, "accepts crossentropy, focal and auto"),
        ({"loss": "mse"}, LABELS, "accepts crossentropy, focal and auto"),
        ({"loss": "focal"}, NUMBERS[0], "accepts mse, mae, huber, quantile and auto"),
        ({"loss": "crossentropy"}, NUMBERS[1], "forecasting, which accepts mse"),
        ({"label_smoothing": 0.1}, NUMBERS[0], "label_smoothing=0.1 needs classes or labels"),
    ],
)
def test_wrong_pairs_are_refused(settings, task, message):
    """A loss that the task has no use for is a fault of the config that says what is accepted."""
    with pytest.raises(ConfigError, match=message):
        make_loss(make_config(settings), task)
