"""Spaces of keras-tuner's users, as they are, and back."""

import random

import keras_tuner as kt
import pytest

from tuning.keras_space import from_keras, to_keras, with_values
from tuning.space import Space
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras


def every_kind() -> kt.HyperParameters:
    """Return hyperparameters of every kind, two of one name under different conditions."""
    hp = kt.HyperParameters()
    hp.Choice("model", ["mlp", "cnn"])
    hp.Boolean("flag")
    hp.Fixed("epochs", 20)
    hp.Float("dropout", 0, 1, step=0.2)
    hp.Int("odd_steps", 6, 13, step=3)
    hp.Float("reverse", 0.9, 0.999, sampling="reverse_log")
    with hp.conditional_scope("model", ["mlp"]):
        hp.Int("units", 8, 64, sampling="log")
        hp.Choice("depth", [1, 2])
        with hp.conditional_scope("depth", [2]):
            hp.Float("second", 1e-4, 1e-1, sampling="log")
    with hp.conditional_scope("model", ["cnn"]), hp.name_scope("cnn"):
        hp.Int("filters", 8, 64, step=8)
    with hp.conditional_scope("model", ["cnn"]):
        hp.Int("units", 100, 200)
    return hp


def test_every_draw_is_one_that_keras_tuner_would_build():
    """Values drawn from the space are active, complete and in range for keras-tuner, conditions and twins included."""
    hp = every_kind()
    space = from_keras(hp)
    for seed in range(50):
        values = space.draw(random.Random(seed))
        given = with_values(hp, values)
        assert {each.name for each in given.space if given.is_active(each)} == values.keys()
        assert (100 <= values["units"] <= 200) == (values["model"] == "cnn")


def test_a_space_survives_the_way_through_keras_tuner():
    """Ours to theirs and back is the same space."""
    space = from_keras(every_kind())
    assert from_keras(to_keras(space)) == space


def test_steps_beyond_the_end_stop_before_it():
    """6 to 13 in steps of 3 is 6, 9, 12, as keras-tuner's documentation says."""
    assert {from_keras(every_kind()).draw(random.Random(seed))["odd_steps"] for seed in range(40)} == {6, 9, 12}


def test_a_build_function_sees_a_trials_values():
    """The user's own hyperparameters carry the values to the build function, which asks for them as ever."""
    hp = with_values(every_kind(), {"model": "mlp", "flag": True, "dropout": 0.4})
    assert hp.Choice("model", ["mlp", "cnn"]) == "mlp" and hp.get("dropout") == 0.4


def test_what_keras_tuner_cannot_hold_is_refused():
    """Nothing is no value there."""
    with pytest.raises(ConfigError, match="keras-tuner cannot hold"):
        to_keras(Space.from_mapping({"space": {"dropout": [None, 0.5]}}))


def test_no_hyperparameters_are_refused():
    """A build function that asks for none cannot be searched."""
    with pytest.raises(ConfigError, match="on each line"):
        from_keras(kt.HyperParameters())
