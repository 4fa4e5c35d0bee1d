"""Schedules against their formulas in NumPy, inside compiled functions, and through their configs."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.config import FIELDS, make_config
from finetune.training.schedules import Plateau, learning_rate_schedule

pytestmark = pytest.mark.keras
PEAK, STEPS_PER_EPOCH, EPOCHS = 0.1, 10, 9
TOTAL = STEPS_PER_EPOCH * EPOCHS
NAMES = FIELDS["schedule"].annotation.__args__


def schedule(name, **settings):
    """Return the schedule of a phase of 90 steps."""
    config = make_config({"schedule": name} | settings)
    return learning_rate_schedule(config, learning_rate=PEAK, steps_per_epoch=STEPS_PER_EPOCH, epochs=EPOCHS)


def rates(name, **settings):
    """Return its rates at all steps."""
    return of_steps(schedule(name, **settings), TOTAL)


def of_steps(made, count):
    """Return the rates of a schedule's first steps, from one compiled function."""
    compiled = tf.function(made)
    return np.array([float(compiled(tf.constant(step, "int64"))) for step in range(count)])


def half_cosine(first, last, share):
    """Return what lies between two rates along half a cosine."""
    return last + (first - last) * (1 + np.cos(np.pi * share)) / 2


def expected(name, step):
    """Return the rates of the defaults, by their formulas: decay_factor 0.1, a decay of 30 steps, down to 0."""
    up = half_cosine(PEAK / 25, PEAK, step / 27)
    restarts = np.where(step < 30, half_cosine(PEAK, 0, step / 30), half_cosine(PEAK, 0, (step - 30) / 60))
    return {
        "constant": np.full(TOTAL, PEAK),
        "auto": np.full(TOTAL, PEAK),
        "plateau": np.full(TOTAL, PEAK),
        "step": PEAK * 0.1 ** (step // 30),
        "exponential": PEAK * 0.1 ** (step / 30),
        "inverse_time": PEAK / (1 + 0.1 * step / 30),
        "polynomial": PEAK * (1 - step / TOTAL),
        "cosine": half_cosine(PEAK, 0, step / TOTAL),
        "cosine_restarts": restarts,
        "one_cycle": np.where(step < 27, up, half_cosine(PEAK, PEAK * 1e-5, (step - 27) / 63)),
    }[name]


@pytest.mark.parametrize("name", NAMES)
def test_rates_follow_their_formula(name):
    """Every schedule that the config accepts gives the rates of its formula at each of 90 steps."""
    np.testing.assert_allclose(rates(name), expected(name, np.arange(TOTAL)), rtol=2e-5, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_comes_before_any_schedule(name):
    """Over two epochs the rate grows in a line to the schedule's first rate, then the schedule begins."""
    config = make_config({"schedule": name})
    plain = learning_rate_schedule(config, learning_rate=PEAK, steps_per_epoch=STEPS_PER_EPOCH, epochs=EPOCHS - 2)
    found = rates(name, warmup_epochs=2)
    np.testing.assert_allclose(found[:20], float(plain(0)) * np.arange(1, 21) / 20, rtol=1e-6)
    np.testing.assert_allclose(found[20:], of_steps(plain, 70), rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_schedules_are_compiled_and_saved(name):
    """Within a compiled function, and after serialization by Keras, a schedule gives the same rates as before."""
    made = schedule(name, warmup_epochs=0.5)
    again = keras.optimizers.schedules.deserialize(json.loads(json.dumps(keras.optimizers.schedules.serialize(made))))
    assert again.get_config() == made.get_config()
    compiled = tf.function(made)
    for step in (0, 3, 5, 40, TOTAL - 1):
        value = keras.ops.convert_to_tensor(step, dtype="int64")
        assert float(again(value)) == float(made(value))
        assert float(compiled(value)) == pytest.approx(float(made(value)), rel=1e-6, abs=1e-7 * PEAK)


@pytest.mark.parametrize("name", ["polynomial", "cosine", "cosine_restarts"])
def test_end_factor_is_where_a_decay_ends(name):
    """The last rates approach that share of the learning rate and never pass it."""
    found = rates(name, end_factor=0.2)
    assert 0.2 * PEAK <= found.min() == pytest.approx(0.2 * PEAK, rel=0.06)


def test_decay_epochs_says_how_often_a_step_comes():
    """With decay_epochs=2 and factor 0.5 the rate is halved at steps 20, 40, 60 and 80, a thousand of them alike."""
    found = rates("step", decay_epochs=2, decay_factor=0.5)
    np.testing.assert_allclose(found, PEAK * 0.5 ** (np.arange(TOTAL) // 20), rtol=1e-6)
    config = make_config({"schedule": "step", "decay_epochs": 1, "decay_factor": 0.99})
    long = learning_rate_schedule(config, learning_rate=PEAK, steps_per_epoch=3, epochs=1000)
    assert [float(long(s)) for s in (299, 300)] == pytest.approx([PEAK * 0.99**99, PEAK * 0.99**100], rel=1e-4)


def test_a_phase_of_one_step_has_a_rate():
    """The shortest phase, a warm-up that is longer than the phase, and fractions of steps give finite rates."""
    for name in NAMES:
        for warm_up in (0, 5):
            config = make_config({"schedule": name, "warmup_epochs": warm_up})
            made = learning_rate_schedule(config, learning_rate=PEAK, steps_per_epoch=0.25, epochs=1)
            assert all(0 <= float(made(step)) <= PEAK * 1.0001 for step in range(4))


def test_plateau_waits_and_lowers():
    """The factor comes after `patience` epochs without a relative fall of 1e-4, then the count begins anew."""
    plateau = Plateau(factor=0.5, patience=2)
    losses = [1.0, 0.99995, 0.99, 0.99, math.nan, 1.0, 2.0, 0.5]
    assert [plateau.after_epoch(loss) for loss in losses] == [1, 1, 1, 1, 0.5, 1, 0.5, 1]


def test_plateau_goes_on_from_its_state():
    """A plateau that is restored from JSON after any epoch answers as the unbroken one does."""
    losses = [2.0, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9]
    whole = Plateau(factor=0.1, patience=2)
    answers = [whole.after_epoch(loss) for loss in losses]
    for cut in range(len(losses)):
        first, second = Plateau(factor=0.1, patience=2), Plateau(factor=0.1, patience=2)
        found = [first.after_epoch(loss) for loss in losses[:cut]]
        second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert found + [second.after_epoch(loss) for loss in losses[cut:]] == answers


@pytest.mark.parametrize(("settings", "patience"), [({"patience": 8}, 3), ({"patience": 8, "decay_epochs": 4.5}, 5)])
def test_plateau_takes_its_patience_from_the_config(settings, patience):
    """It is decay_epochs, or a third of patience, rounded up."""
    plateau = Plateau.of(make_config(settings))
    answers = [plateau.after_epoch(1.0) for _ in range(patience + 1)]
    assert answers == [1.0] * patience + [pytest.approx(0.1)]
