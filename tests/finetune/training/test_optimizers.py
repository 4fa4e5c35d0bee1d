"""Groups of variables: each behaves as a Keras optimizer of its own, and clipping, sums and averages see all."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.config import FIELDS, make_config
from finetune.training.head_fit import CompiledSteps
from finetune.training.optimizers import OPTIMIZERS, Group, decays, make_optimizer
from finetune.training.schedules import learning_rate_schedule

pytestmark = pytest.mark.keras
NAMES = FIELDS["optimizer"].annotation.__args__
RATE = 0.01
EVERYTHING = {"accumulation_steps": 2, "ema": 0.9, "global_clip_norm": 0.5, "weight_decay": 0.01, "schedule": "cosine"}


def network(seed=0):
    """Return a small network of two layers and no compiled parts, its variables drawn anew."""
    generator = np.random.default_rng(seed)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(5, activation="tanh", name="trunk")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x))
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape, scale=0.5))
    return model


def groups_of(model, trunk=1.0, head=1.0):
    """Return trunk and head as groups."""
    first, last = model.trainable_variables[:2], model.trainable_variables[2:]
    return [Group("trunk", tuple(first), trunk), Group("head", tuple(last), head)]


def optimizer_of(model, multipliers=(1.0, 1.0), **settings):
    """Return our optimizer for a model, built, for a phase of 20 updates."""
    config = make_config(settings)
    schedule = learning_rate_schedule(config, learning_rate=RATE, steps_per_epoch=10, epochs=2)
    optimizer = make_optimizer(config, groups_of(model, *multipliers), schedule)
    optimizer.build(model.trainable_variables)
    return optimizer


def gradients(model, count, seed=1, scale=1.0):
    """Return a number of gradients for all variables."""
    generator = np.random.default_rng(seed)
    return [
        [
            keras.ops.convert_to_tensor(scale * generator.normal(size=v.shape), "float32")
            for v in model.trainable_variables
        ]
        for _ in range(count)
    ]


def applied(model, optimizer, grads):
    """Apply gradients one after another; return the weights."""
    for each in grads:
        optimizer.apply(each, model.trainable_variables)
    return [np.array(weight) for weight in model.get_weights()]


def values(optimizer):
    """Return copies of all variables of an optimizer."""
    return [np.array(variable.numpy()) for variable in optimizer.variables]


def plain(name, rate=RATE, **settings):
    """Return Keras' optimizer of a name, as the table makes it."""
    return OPTIMIZERS[name](make_config({"optimizer": name} | settings), rate)


def data(rows=32):
    """Return rows and their classes."""
    generator = np.random.default_rng(2)
    return generator.normal(size=(rows, 4)).astype("float32"), generator.integers(0, 3, rows)


def compiled(model, optimizer, **settings):
    """Return the model compiled for classes."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=False, **settings)
    return model


def assert_close(found, expected, **tolerance):
    """Compare lists of arrays."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **({"rtol": 1e-6, "atol": 1e-6} | tolerance))


def test_every_name_of_the_config_has_an_optimizer():
    """The table has the names that the config accepts, and no other."""
    assert set(OPTIMIZERS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_groups_of_one_rate_are_the_plain_optimizer(name):
    """With multiplier 1 everywhere, Model.fit ends where Keras' optimizer of that name ends."""
    x, y = data()
    ends = []
    for grouped in (True, False):
        model = network()
        optimizer = optimizer_of(model, optimizer=name) if grouped else plain(name)
        compiled(model, optimizer, run_eagerly=True).fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    assert_close(*ends)


def test_model_fit_compiled_is_the_plain_optimizer():
    """The same in a compiled step, for Adam."""
    x, y = data()
    ends = []
    for grouped in (True, False):
        model = network()
        optimizer = optimizer_of(model) if grouped else plain("adam")
        compiled(model, optimizer).fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    assert_close(*ends)


@pytest.mark.parametrize("name", NAMES)
def test_two_rates_are_two_optimizers(name):
    """Groups of 0.1 and 1 change as two Keras optimizers at a tenth of the rate and at the rate do, to the bit."""
    model, same = network(), network()
    grads = gradients(model, 5)
    found = applied(model, optimizer_of(model, (0.1, 1.0), optimizer=name), grads)
    rate = keras.ops.convert_to_tensor(RATE, "float32")
    tenth, whole = plain(name, lambda: rate * 0.1), plain(name, lambda: rate)
    for each in grads:
        tenth.apply(each[:2], same.trainable_variables[:2])
        whole.apply(each[2:], same.trainable_variables[2:])
    for one, other in zip(found, same.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def cut(settings, each):
    """Return gradients clipped by NumPy."""
    each = [np.array(g, "float64") for g in each]
    (kind, limit), *_ = settings.items()
    if kind == "clip_value":
        return [np.clip(g, -limit, limit) for g in each]
    everything = np.linalg.norm(np.concatenate([g.ravel() for g in each]))
    norms = [everything if kind == "global_clip_norm" else np.linalg.norm(g) for g in each]
    return [g * min(1, limit / norm) for g, norm in zip(each, norms, strict=True)]


@pytest.mark.parametrize("settings", [{"clip_value": 0.5}, {"clip_norm": 1.0}, {"global_clip_norm": 1.5}])
def test_clipping_is_that_of_the_whole_gradient(settings):
    """Elements, norms of variables, and the norm over both groups are limited as NumPy does with all gradients."""
    model = network()
    before = model.get_weights()
    grads = gradients(model, 1) + gradients(model, 1, scale=0.01)
    expected = before
    for each in grads:
        expected = [weight - RATE * g for weight, g in zip(expected, cut(settings, each), strict=True)]
    assert_close(applied(model, optimizer_of(model, optimizer="sgd", **settings), grads), expected)


def test_several_batches_make_one():
    """Two accumulated batches of 8 are one batch of 16 for SGD, and one update."""
    x, y = data(64)
    ends, updates = [], []
    for batch_size, steps in ((8, 2), (16, 1)):
        model = network()
        optimizer = optimizer_of(model, optimizer="momentum", accumulation_steps=steps, global_clip_norm=0.3)
        compiled(model, optimizer).fit(x, y, batch_size=batch_size, epochs=1, shuffle=False, verbose=0)
        ends.append(model.get_weights())
        updates.append(int(optimizer.iterations))
    assert updates == [4, 4]
    assert_close(*ends)


def test_nothing_changes_between_two_updates():
    """Batches that only add to the sum leave weights, averages, norms and rate alone."""
    model = network()
    optimizer = optimizer_of(model, **EVERYTHING | {"accumulation_steps": 3})
    before = model.get_weights()
    after = applied(model, optimizer, gradients(model, 2))
    assert_close(after, before, rtol=0, atol=0)
    assert int(optimizer.iterations) == 0 and float(optimizer.learning_rate) == pytest.approx(RATE)
    assert optimizer.read_norms()["head"]["updates"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_restored_variables_continue_to_the_bit(name):
    """Ten batches in a go are five, all variables read and written into a new optimizer, and five; cut in a sum."""
    whole, first, second = network(), network(), network(seed=3)
    grads = gradients(whole, 10)
    optimizer, half = (optimizer_of(model, optimizer=name, **EVERYTHING) for model in (whole, first))
    for one in (optimizer, half):
        one.scale_learning_rate(0.5)
    expected = applied(whole, optimizer, grads)
    applied(first, half, grads[:5])
    kept = values(half)
    second.set_weights(first.get_weights())
    again = optimizer_of(second, optimizer=name, **EVERYTHING)
    for variable, value in zip(again.variables, kept, strict=True):
        variable.assign(value)
    assert_close(applied(second, again, grads[5:]), expected, rtol=0, atol=0)
    assert_close(values(again), values(optimizer), rtol=0, atol=0)


def test_variables_are_each_kept_once():
    """The list that a checkpoint saves has no variable twice, and none of the model's."""
    model = network()
    variables = [id(v) for v in optimizer_of(model, **EVERYTHING).variables]
    assert len(set(variables)) == len(variables)
    assert not set(variables) & {id(v) for v in model.variables}


def test_steps_in_a_compiled_loop_are_those_of_fit():
    """With everything on, train_step in a loop of the graph does what train_on_batch does."""
    x, y = data(48)
    looped, single = network(), network()
    optimizers = [optimizer_of(model, (0.3, 1.0), **EVERYTHING) for model in (looped, single)]
    compiled(looped, optimizers[0])(x[:1])
    step = tf.autograph.experimental.do_not_convert(looped.train_step)

    @tf.function
    def loop(x, y):
        for first in tf.range(0, 48, 8):
            step((x[first : first + 8], y[first : first + 8]))

    looped.compute_loss(x[:1], y[:1], looped(x[:1]))
    loop(tf.constant(x), tf.constant(y))
    compiled(single, optimizers[1])
    for first in range(0, 48, 8):
        single.train_on_batch(x[first : first + 8], y[first : first + 8])
    assert_close(looped.get_weights(), single.get_weights())
    assert int(optimizers[0].iterations) == 3
    assert_close(*map(values, optimizers), rtol=1e-5)


STEPPED = [name for name in NAMES if name not in ("muon", "nadam")]


@pytest.mark.parametrize("settings", [*({"optimizer": name} for name in STEPPED), EVERYTHING])
def test_compiled_steps_leave_no_graph_behind(settings):
    """A process in which many networks learn does not grow; Keras' own `apply` on TensorFlow leaves 4 MB of each."""

    def graphs():
        model = network()
        compiled(model, optimizer_of(model, **settings))
        x, y = data(8)
        model.compute_loss(x, y, model(x))
        steps = CompiledSteps(model, batch_size=4)
        steps.train((x, y)), steps.test((x, y))
        del model, steps
        gc.collect()
        return sum(isinstance(one, tf.Graph) for one in gc.get_objects())

    assert graphs() == graphs()


@pytest.mark.parametrize("name", STEPPED)
def test_step_of_keras_is_weight_decay_and_a_step_for_each_variable(name):
    """Nothing else is written for this optimizer by Keras, so that ours may take its steps one by one."""
    kinds = [kind for kind in type(plain(name)).__mro__ if kind.__module__.startswith("keras.src.optimizers.")]
    own = {method for kind in kinds if "base_optimizer" not in kind.__module__ for method in vars(kind)}
    assert "update_step" in own and not own & {"apply", "_backend_update_step", "_apply_weight_decay"}


def test_loss_that_reaches_no_variable_is_refused():
    """Nothing would be learned, and nobody told."""
    model = network()
    with pytest.raises(ValueError, match="No gradients"):
        optimizer_of(model).apply([None] * 4, model.trainable_variables)


def test_constraints_hold_after_each_step():
    """A layer's constraint is applied to its weights as Keras' optimizers do it."""
    inputs = keras.Input((4,))
    layer = keras.layers.Dense(3, kernel_constraint=keras.constraints.UnitNorm())
    model = keras.Model(inputs, layer(inputs))
    groups = [Group("head", tuple(model.trainable_variables))]
    optimizer = make_optimizer(make_config({}), groups, lambda step: keras.ops.convert_to_tensor(RATE))
    optimizer.build(model.trainable_variables)
    applied(model, optimizer, gradients(model, 2))
    np.testing.assert_allclose(np.linalg.norm(layer.kernel, axis=0), 1, rtol=1e-5)


def test_weight_decay_spares_what_is_no_kernel():
    """Without gradients, kernels shrink by rate times decay; biases, norms, PReLU and recurrent biases stay."""
    layers = [
        keras.layers.Conv1D(3, 2),
        keras.layers.BatchNormalization(),
        keras.layers.PReLU(),
        keras.layers.GRU(2),
        keras.layers.Dense(2),
    ]
    model = keras.Sequential([keras.Input((6, 2)), *layers])
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    config = make_config({"weight_decay": 0.1, "optimizer": "sgd"})
    optimizer = make_optimizer(config, [Group("all", tuple(model.trainable_variables))], lambda step: RATE)
    optimizer.apply([keras.ops.zeros(v.shape) for v in model.trainable_variables], model.trainable_variables)
    for variable in model.trainable_variables:
        kernel = variable.name in ("kernel", "recurrent_kernel")
        assert decays(variable) == kernel
        np.testing.assert_allclose(variable, 1 - RATE * 0.1 if kernel else 1, rtol=1e-7)


def test_averages_follow_their_formula():
    """Averages start from the first weights and keep min(ema, (1 + t) / (10 + t)) of themselves at update t."""
    model = network()
    optimizer = optimizer_of(model, ema=0.3)
    average = [np.array(weight, "float64") for weight in model.get_weights()]
    for update, each in enumerate(gradients(model, 6), start=1):
        weights = applied(model, optimizer, [each])
        kept = min(0.3, (1 + update) / (10 + update))
        average = [kept * a + (1 - kept) * w for a, w in zip(average, weights, strict=True)]
    optimizer.swap_averages()
    assert_close(model.get_weights(), average)


def test_swapping_averages_twice_changes_nothing():
    """Model and averages are exchanged, and back again bit for bit; without averages nothing happens."""
    model = network()
    optimizer = optimizer_of(model, ema=0.99)
    weights = applied(model, optimizer, gradients(model, 3))
    kept = values(optimizer)
    optimizer.swap_averages()
    assert not np.array_equal(model.get_weights()[0], weights[0])
    optimizer.swap_averages()
    assert_close([*model.get_weights(), *values(optimizer)], [*weights, *kept], rtol=0, atol=0)
    optimizer_of(model).swap_averages()
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_norms_are_those_of_numpy():
    """Last, largest and sum of each group's norms before clipping; what is not finite is counted, not summed."""
    model = network()
    optimizer = optimizer_of(model, clip_value=0.01, optimizer="sgd")
    grads = gradients(model, 4)
    grads[2][3] = keras.ops.full((3,), np.inf)
    applied(model, optimizer, grads)
    found = optimizer.read_norms()
    for name, part in (("trunk", slice(0, 2)), ("head", slice(2, 4))):
        norms = np.array([np.linalg.norm(np.concatenate([np.ravel(g) for g in each[part]])) for each in grads])
        known = norms[np.isfinite(norms)]
        expected = {"last": norms[-1], "max": known.max(), "sum": known.sum(), "updates": 4}
        assert found[name] == pytest.approx(expected | {"non_finite": 4 - len(known)}, rel=1e-6)
    optimizer.reset_norms()
    assert not any(optimizer.read_norms()["head"].values())


def test_learning_rate_can_be_moved():
    """Setting the rate or multiplying it moves what all later steps of the schedule give, and every group."""
    model = network()
    optimizer = optimizer_of(model, (0.1, 1.0), optimizer="sgd", schedule="cosine")
    optimizer.learning_rate = RATE / 2
    optimizer.scale_learning_rate(0.5)
    assert float(optimizer.learning_rate) == pytest.approx(RATE / 4)
    before, grads = model.get_weights(), gradients(model, 1)
    after = applied(model, optimizer, grads)
    shares = (0.1, 0.1, 1, 1)
    assert_close(after, [w - RATE / 4 * s * g for w, s, g in zip(before, shares, grads[0], strict=True)])
    assert float(optimizer.learning_rate) == pytest.approx(RATE / 4 * (1 + np.cos(np.pi / 20)) / 2)


def test_callbacks_of_keras_move_the_rate():
    """ReduceLROnPlateau lowers the one rate, not that of each group."""
    x, y = data()
    model = network()
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1, min_delta=100)
    compiled(model, optimizer_of(model)).fit(x, y, batch_size=16, epochs=3, verbose=0, callbacks=[callback])
    assert float(model.optimizer.learning_rate) == pytest.approx(RATE / 100)


def test_model_with_our_optimizer_can_be_saved(tmp_path):
    """Saving a model while it trains works, and without its compiled parts it is read again."""
    model = network()
    compiled(model, optimizer_of(model, **EVERYTHING)).save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert_close(again.get_weights(), model.get_weights(), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_warm_up_suits_every_optimizer(name):
    """The first steps of a warm-up leave finite weights, also where the rate is divided by."""
    model = network()
    optimizer = optimizer_of(model, optimizer=name, warmup_epochs=1)
    assert all(np.isfinite(weight).all() for weight in applied(model, optimizer, gradients(model, 3)))


def test_gradients_of_embeddings_are_taken():
    """Rows of an embedding, some of them twice, are measured and applied as the dense gradient."""
    model = keras.Sequential([keras.Input((4,), dtype="int32"), keras.layers.Embedding(6, 2), keras.layers.Flatten()])
    start, config = model.get_weights()[0], make_config({"optimizer": "sgd", "accumulation_steps": 2})
    optimizer = make_optimizer(config, [Group("all", tuple(model.trainable_variables))], lambda step: 1.0)
    model.compile(optimizer, "mae")
    rows = np.array([[1, 1, 2, 5]])
    for _ in range(2):
        model.train_on_batch(rows, np.full((1, 8), 10.0))
    expected = np.zeros((6, 2))
    np.add.at(expected, rows[0], 1 / 8)
    assert_close([model.get_weights()[0] - start], [expected])
    assert optimizer.read_norms()["all"]["last"] == pytest.approx(np.linalg.norm(expected))


def test_half_precision_with_a_scaled_loss_works():
    """Under mixed_float16 Keras wraps our optimizer to scale the loss; the steps are those of float32, nearly."""
    x, y = data(64)
    ends = []
    for policy in ("mixed_float16", "float32"):
        keras.config.set_dtype_policy(policy)
        try:
            model = network()
            compiled(model, optimizer_of(model, **EVERYTHING)).fit(x, y, batch_size=8, shuffle=False, verbose=0)
        finally:
            keras.config.set_dtype_policy("float32")
        ends.append(model.get_weights())
    assert_close(*ends, rtol=0, atol=2e-3)


def test_variables_without_a_single_group_are_refused():
    """A variable in two groups, or in none, is a mistake that is named."""
    model = network()
    trunk, head = groups_of(model)
    with pytest.raises(ValueError, match="two groups"):
        make_optimizer(make_config({}), [trunk, trunk], lambda step: RATE)
    with pytest.raises(ValueError, match="logits/kernel"):
        make_optimizer(make_config({}), [trunk], lambda step: RATE).build(model.trainable_variables)
