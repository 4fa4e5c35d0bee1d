"""Adam in few passes gives the very numbers that Keras' operations give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.config import make_config
from finetune.training.optimizers import OPTIMIZERS
from finetune.training.quick_adam import QuickAdam, QuickAdamW

pytestmark = pytest.mark.keras
KINDS = [(QuickAdam, keras.optimizers.Adam), (QuickAdamW, keras.optimizers.AdamW)]
SETTINGS = {"weight_decay": 0.01, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3}


def learned(optimizer, **settings):
    """Return the weights of a network and the optimizer's variables after twenty steps of `Model.fit`."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(5, activation="tanh")(inputs)))
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **settings)
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(80, 4)).astype("float32"), generator.integers(0, 3, 80)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return [*model.get_weights(), *(variable.numpy() for variable in model.optimizer.variables)]


def moved(optimizer, gradients, rate=None):
    """Return a variable of ones after steps by some gradients, and the moments."""
    variable = keras.Variable(np.ones(gradients[0].shape, "float32"))
    optimizer.build([variable])
    for gradient in gradients:
        if rate is None:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        else:
            optimizer.update_step(keras.ops.convert_to_tensor(gradient), variable, rate)
            optimizer.iterations.assign_add(1)
    return [variable.numpy(), *(one.numpy() for one in optimizer.variables)]


def gradients(*shape, count=20):
    """Return gradients of all sizes, some of them 0."""
    generator = np.random.default_rng(2)
    found = generator.normal(size=(count, *shape)) * 10.0 ** generator.uniform(-6, 1, (count, *shape))
    return np.where(generator.random(found.shape) < 0.2, 0, found).astype("float32")


@pytest.mark.parametrize("settings", [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}], ids=str)
@pytest.mark.parametrize(("quick", "plain"), KINDS)
def test_steps_of_fit_end_where_those_of_keras_end(quick, plain, settings):
    """Weights, both moments and the count of steps are Keras', with weight decay and every number its own."""
    found, expected = learned(quick(0.01, **SETTINGS), **settings), learned(plain(0.01, **SETTINGS), **settings)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 5), (400, 300)])
def test_numbers_are_those_of_keras_to_the_bit(shape):
    """Gradients of all sizes, in a variable that one thread changes and in one that several do."""
    each = gradients(*shape)
    for ours, theirs in zip(*(moved(kind(0.01), each) for kind in KINDS[0]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("amsgrad", [False, True])
def test_every_sort_of_number_learns(dtype, amsgrad):
    """Layers of somebody's file may have weights of any precision; theirs change as Keras changes them."""
    ends = []
    for kind in KINDS[0]:
        variable = keras.Variable(np.ones((2, 3)), dtype=dtype)
        optimizer = kind(0.01, amsgrad=amsgrad)
        optimizer.build([variable])
        step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))  # noqa: B023 - traced at once
        for gradient in gradients(2, 3):
            step(keras.ops.cast(gradient, dtype))
        values = (variable, *optimizer.variables)
        ends.append([keras.ops.convert_to_numpy(keras.ops.cast(one, "float64")) for one in values])
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert ends[0][3].any()  # the first moment; in bfloat16, 1 - beta_2 is 0, so that weights stay with Keras as well


def test_built_once_like_any_other():
    """A second call changes nothing, whatever it names."""
    optimizer, one = QuickAdam(0.1), keras.Variable(np.ones(3, "float32"))
    optimizer.build([one])
    count = len(optimizer.variables)
    optimizer.build([one, keras.Variable(np.ones(4, "float32"))])
    assert len(optimizer.variables) == count


def test_parts_may_have_rates_of_their_own():
    """Heads that learn as one lie in one variable, each with its rate."""
    rates, each = keras.ops.convert_to_tensor([[0.1], [0.2]]), gradients(2, 3)
    found, expected = (moved(kind(0.1), each, rates) for kind in KINDS[0])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    alone = moved(QuickAdam(0.1), each[:, :1], keras.ops.convert_to_tensor(0.1))
    np.testing.assert_allclose(found[0][:1], alone[0], rtol=1e-6)


def test_step_stays_out_where_a_scaled_loss_overflows():
    """Keras then takes none, in a branch of the graph."""
    ends = []
    for kind in KINDS[0]:
        optimizer = keras.optimizers.LossScaleOptimizer(kind(0.1))
        endless = np.full((2, 3), np.inf, "float32")
        assert (moved(optimizer, [endless])[0] == 1).all()
        ends.append(moved(keras.optimizers.LossScaleOptimizer(kind(0.1)), [endless, *gradients(2, 3)])[0])
    np.testing.assert_array_equal(*ends)
    assert (ends[0] != 1).any()


@pytest.mark.parametrize(("name", "kind"), [("adam", QuickAdam), ("adamw", QuickAdamW)])
def test_runs_take_it(name, kind):
    """The optimizer of that name, on TensorFlow, writes its weights in one operation."""
    optimizer = OPTIMIZERS[name](make_config({"optimizer": name}), 0.1)
    assert type(optimizer) is kind
    variable = keras.Variable(np.ones((2, 3), "float32"))
    optimizer.build([variable])
    update = tf.function(lambda gradient: optimizer.update_step(gradient, variable, 0.1))
    types = [one.type for one in update.get_concrete_function(tf.TensorSpec((2, 3), "float32")).graph.get_operations()]
    assert types.count("ResourceApplyAdagradV2") == 1 and not {"AssignSubVariableOp", "AssignVariableOp"} & set(types)
