"""The range test: rates that grow, losses that are measured, and a model that is as it was, to the last bit."""

import keras
import numpy as np
import pytest

from finetune.config import make_config
from finetune.training import lr_finder
from finetune.training.epochs import Course, Progress
from finetune.training.groups import Group
from finetune.training.lessons import Lessons, order_of
from finetune.training.loop import build_variables, train_phase
from finetune.training.lr_finder import HIGHEST, LOWEST, num_updates, range_test
from finetune.training.optimizers import make_optimizer
from finetune.training.schedules import learning_rate_schedule
from finetune.training.state import snapshot
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
WIDTH, COUNT = 6, 60
COURSE = Course(batch_size=16, epochs=2, patience=9, seed=3, first_epoch=2)


def lessons(**changes):
    """Return points around three centres, two thirds of them to learn from."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, COUNT)
    x = generator.normal(size=(3, WIDTH))[labels] + generator.normal(scale=0.7, size=(COUNT, WIDTH))
    sides = {"train": np.arange(40), "validation": np.arange(40, COUNT)}
    return Lessons(**{"x": x.astype("float32"), "y": labels, **sides} | changes)


def network(**settings):
    """Return a network with everything that has a state: normalization, dropout, momentum, averages, groups."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((WIDTH,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(8)(inputs))
    x = keras.layers.Dropout(0.3, seed=2)(keras.layers.ReLU()(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    values = {"optimizer": "momentum", "ema": 0.9, "schedule": "constant", "patience": 9} | settings
    config = make_config(values)
    schedule = learning_rate_schedule(config, learning_rate=0.02, steps_per_epoch=3, epochs=2)
    below, above = model.trainable_variables[:4], model.trainable_variables[4:]
    groups = [Group("below", tuple(below), 0.5), Group("above", tuple(above))]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(make_optimizer(config, groups, schedule), loss, metrics=["accuracy"], jit_compile=False)
    return model


def state(model):
    """Return every variable of model, optimizer and metrics."""
    return snapshot(model, Progress()).arrays


def require_same(one, other):
    """Compare two states variable by variable, to the bit."""
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture
def tried(monkeypatch):
    """Return a function that runs a test whose losses are given, and returns its curve and what was learned from."""

    def run(losses, data=None, **settings):
        seen, coming = [], iter(losses)

        class Steps:
            def train(self, arrays):
                seen.append(arrays[0])
                return {"loss": next(coming)}

        monkeypatch.setattr(lr_finder, "steps_for", lambda model, batch_size: Steps())
        return range_test(network(), data or lessons(), COURSE, **settings), seen

    return run


def test_everything_is_put_back():
    """Weights, statistics, averages, momentum, iterations, seeds and metrics are those from before, to the bit."""
    model, moved = network(), []
    train_phase(model, lessons(), COURSE)
    before = state(model)
    range_test(model, lessons(), COURSE, advance=lambda updates: moved or moved.append(state(model)))
    require_same(before, state(model))
    # it is more than the weights that a test moves
    changed = {name for name in before if not np.array_equal(before[name], moved[0][name])}
    assert {"model", "optimizer", "metrics"} == {name.split("/")[0] for name in changed} and len(changed) > 20


def test_everything_is_put_back_after_an_error():
    """What ends the test in its middle, such as Ctrl-C, leaves the model as it was."""
    model, done = network(), []
    build_variables(model, lessons())
    before = state(model)

    def advance(updates):
        done.append(updates)
        if len(done) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        range_test(model, lessons(), COURSE, advance=advance)
    require_same(before, state(model))


def test_training_after_the_test_is_as_without():
    """A new model that was tested learns what one learns that was not, to the bit."""
    plain, tested = network(), network()
    range_test(tested, lessons(), COURSE)
    for model in (plain, tested):
        train_phase(model, lessons(), COURSE)
    require_same(state(plain), state(tested))


def test_rates_grow_by_a_factor():
    """From the lowest to the highest, or to where the loss exploded; the optimizer learns at them."""
    model, used = network(), []
    curve = range_test(model, lessons(), COURSE, advance=lambda _: used.append(float(model.optimizer.learning_rate)))
    assert used == pytest.approx(curve.rates) and curve.rates[0] == pytest.approx(LOWEST)
    np.testing.assert_allclose(np.diff(np.log(curve.rates)), np.log(HIGHEST / LOWEST) / 99)
    # at first nothing is learned, later something is
    assert min(curve.smoothed) < 0.8 * np.mean(curve.losses[:20])


@pytest.mark.parametrize("accumulation_steps", [1, 2])
def test_examples_come_in_the_order_of_training(accumulation_steps, tried):
    """Batches are those of the epochs that follow, however often the examples have to be repeated."""
    data = lessons()
    curve, seen = tried([1.0] * 100 * accumulation_steps, data, accumulation_steps=accumulation_steps)
    assert len(curve.rates) == 100 and len(seen) == accumulation_steps * 100
    orders = [data.train[order_of(40, seed=3, epoch=epoch)] for epoch in range(2, 2 + len(seen))]
    batches = [order[start : start + 16] for order in orders for start in (0, 16, 32)]
    for rows, batch in zip(seen, batches, strict=False):
        np.testing.assert_array_equal(rows, data.x[batch])


def test_loss_is_smoothed_with_correction(tried):
    """Each smoothed loss is the mean of those so far, with weights that fall by 0.9 into the past."""
    losses = np.random.default_rng(0).uniform(1, 2, 100).tolist()
    curve, _ = tried(losses)
    assert curve.losses == tuple(losses) and not curve.diverged
    for count in (1, 2, 50):
        weights = 0.9 ** np.arange(count)[::-1]
        assert curve.smoothed[count - 1] == pytest.approx(np.average(losses[:count], weights=weights))


@pytest.mark.parametrize("last", [float("nan"), float("inf"), 1000.0])
def test_test_ends_where_the_loss_explodes(last, tried):
    """A loss that is not finite, or far above all before, is the end; what is not finite is no point of the curve."""
    curve, _ = tried([2.0] * 20 + [1.0] * 20 + [last] * 60)
    assert curve.diverged and len(curve.losses) == (41 if last == 1000.0 else 40)


def test_loss_of_examples_known_by_heart_ends_nothing(tried):
    """Many times almost nothing is no explosion while it is less than at the start."""
    curve, _ = tried([2.0] * 20 + [0.001] * 60 + [1.0] * 20)
    assert not curve.diverged and curve.smoothed[-1] > 4 * min(curve.smoothed)


def test_loss_that_is_never_finite_is_refused(tried):
    """A loss that is NaN before anything was learned is no matter of the rate."""
    with pytest.raises(ConfigError, match="the loss is nan before anything was learned"):
        tried([float("nan")])


@pytest.mark.parametrize(("examples", "steps", "updates"), [(40, 1, 100), (2400, 1, 150), (9600, 2, 200)])
def test_updates_grow_with_the_data(examples, steps, updates):
    """Two passes over the examples, between 100 and 200 updates."""
    assert num_updates(examples, 32, steps) == updates
