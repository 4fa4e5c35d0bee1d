"""Statistics of batch normalization keep up with what is learned, however few steps there are."""

import keras
import numpy as np
import pytest

from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.training.moving_statistics import following_within
from finetune.transfer.methods import Phase

pytestmark = pytest.mark.keras


def network(**settings):
    """Return a small normalized network, and its normalization."""
    inputs = keras.Input((4,))
    norm = keras.layers.BatchNormalization(**settings)
    return keras.Model(inputs, keras.layers.Dense(2)(norm(inputs))), norm


@pytest.mark.parametrize(("steps", "momentum"), [(1, 0.8), (20, 0.95), (1000, 0.99)])
def test_average_is_no_longer_than_an_epoch(steps, momentum):
    """Keras' hundred steps are the most, five the least; after the block the layer is as it was."""
    model, norm = network()
    with following_within(model, steps):
        assert norm.momentum == pytest.approx(momentum)
    assert norm.momentum == 0.99


def test_shorter_average_of_a_layer_stays():
    """Who gave a layer a momentum of 0.5 has it."""
    model, norm = network(momentum=0.5)
    with following_within(model, 100):
        assert norm.momentum == 0.5


def test_layers_within_models_and_wrappers_are_found():
    """A network as a layer of another is looked into."""
    inner, norm = network()
    outer = keras.Sequential([keras.Input((3, 4)), keras.layers.TimeDistributed(inner)])
    with following_within(outer, 10):
        assert norm.momentum == pytest.approx(0.9)


def test_statistics_of_few_steps_are_those_of_the_data():
    """Twelve steps are enough, where Keras' own momentum leaves nine tenths of what the layer began with."""
    x = np.random.default_rng(0).normal(10, 3, (70, 4)).astype("float32")
    sides = {"train": np.arange(64), "validation": np.arange(64, 70)}
    material = Material(x, (x[:, 0] > 10).astype("int32"), TASKS["classification"], sides)
    config = make_config({"batch_size": 32, "method": "scratch", "precision": "float32", "schedule": "constant"})
    model, norm = network()
    # to the end, so that the model has the statistics of its last epoch
    fit_phase(model, material, config, Phase("head", ("head",), 6, 6, 1e-5, to_the_end=True))
    np.testing.assert_allclose(norm.moving_mean, 10, atol=2)
