"""Half precision while a model learns: which layers, what stays float32, and that nothing of it is left behind."""

import keras
import numpy as np
import pytest

import zoo
from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.augmentation import augmented
from finetune.training.epochs import Progress
from finetune.training.fit import Material, compile_for, fit_phase
from finetune.training.loop import Watch, build_variables
from finetune.training.precision import computing_in, halved_layers
from finetune.training.state import restore, snapshot
from finetune.transfer.methods import phases_of
from finetune.transfer.trunk import new_head
from zoo.preprocessing import normalize
from zoo.spec import Preprocessing
from zoo.weights.keras_model import load_model

pytestmark = pytest.mark.keras
MIXED = ("mixed_bfloat16", "mixed_float16")
GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.random((48, 8, 8, 3), "float32") * 255, GENERATOR.integers(0, 3, 48)


def network(seed=0):
    """Return a small convolutional network with normalization of pixels in front."""
    inputs = keras.Input((8, 8, 3), name="image")
    x = normalize(inputs, Preprocessing(8, (127.5,) * 3, (127.5,) * 3, "bilinear"))
    for layer in zoo.cnn((8, 8, 3), filters=(4,), normalization="batch", num_classes=3, seed=seed, dropout=0.1).layers:
        x = layer(x) if layer.name != "probabilities" else x
    return keras.Model(inputs, x, name="net")


def ready(model, **settings):
    """Return config, phase and material for the model."""
    settings = {"epochs": 2, "patience": 2, "batch_size": 8, "learning_rate": 0.01, "method": "scratch"} | settings
    config = make_config(settings)
    sides = {"train": np.arange(40), "validation": np.arange(40, 48)}
    return Material(X, Y, TASKS["classification"], sides), config, phases_of(config, ("head",))[0]


def test_layers_between_pixels_and_logits_compute_in_half_precision():
    """Pixels and logits stay float32, all variables too, and after the block every layer does."""
    model = network()
    with computing_in(model, "mixed_bfloat16"):
        found = {layer.name: layer.compute_dtype for layer in model.layers}
        assert model(X[:2]).dtype == "float32"
        assert {str(variable.dtype) for variable in model.trainable_variables} == {"float32"}
    exact = {name for name, dtype in found.items() if dtype == "float32"}
    assert exact == {"image", "preprocessing", "logits"} and found["conv1"] == "bfloat16"
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_answers_are_those_of_half_precision_within_and_of_float32_after():
    """What the block changes is the arithmetic: answers differ a little in it, and not at all behind it."""
    model = network()
    before = np.asarray(model(X))
    with computing_in(model, "mixed_bfloat16"):
        within = np.asarray(model(X))
    assert 0 < np.abs(within - before).max() < 0.05 * np.abs(before).max()
    np.testing.assert_array_equal(np.asarray(model(X)), before)


def test_layers_in_models_and_wrappers_are_found():
    """A network behind augmentation, and the cells of recurrent layers; pictures are changed in float32."""
    changed = halved_layers(augmented(network(), "strong", seed=0))
    assert "conv1" in {layer.name for layer in changed}
    assert not [layer.name for layer in changed if layer.name.startswith("augment")]
    cells = halved_layers(zoo.bilstm((5, 2), units=(3,), num_classes=2, seed=0))
    assert sum(type(layer).__name__ == "LSTMCell" for layer in cells) == 2


def test_linear_head_has_nothing_to_halve():
    """Its logits are float32 in any case, and its dropout computes nothing."""
    assert {layer.name for layer in halved_layers(new_head(6, 3, dropout=0.2, seed=0))} == {"dropout"}


def test_policy_of_its_own_is_kept():
    """A layer that was made in another precision stays there."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="float64", name="own")])
    with computing_in(model, "mixed_bfloat16"):
        assert model.get_layer("own").compute_dtype == "float64"


@pytest.mark.parametrize("precision", MIXED)
def test_trained_model_is_saved_as_float32(tmp_path, precision):
    """It learned in half precision, and is a float32 model that the safe loader opens and that answers the same."""
    model, seen = network(), []
    watch = Watch(on_epoch=lambda row: seen.append(model.get_layer("conv1").compute_dtype))
    (row,) = fit_phase(model, *ready(model, precision=precision, epochs=1), watch=watch).rows
    assert seen == [precision.removeprefix("mixed_")]
    assert np.isfinite(row["loss"]) and not np.array_equal(network().get_weights()[0], model.get_weights()[0])
    keras.Model(model.inputs, model.outputs).save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert {layer.dtype_policy.name for layer in again.layers} == {"float32"}
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-5)


def test_predictions_of_a_callback_leave_no_half_precision_behind():
    """A callback that asks the model while it learns compiles that in half precision; it is compiled anew after."""
    model = network()
    with computing_in(model, "mixed_bfloat16"):
        within = model.predict(X, verbose=0)
    after = model.predict(X, verbose=0)
    np.testing.assert_allclose(after, np.asarray(model(X)), atol=1e-5)
    assert np.abs(after - within).max() > 1e-4


def compiled(precision="mixed_float16", **settings):
    """Return a network that is compiled for float16, with what it learns from."""
    model = network()
    lessons = compile_for(model, *ready(model, precision=precision, **settings))
    build_variables(model, lessons)
    return model


def test_float16_scales_its_loss_and_leaves_out_a_step_that_overflows():
    """Gradients that are not finite change no weight and halve the scale; finite ones are divided by it."""
    model = compiled(optimizer="sgd", learning_rate=1.0)
    variables, before = model.trainable_variables, model.get_weights()
    scale = float(model.optimizer.dynamic_scale)
    assert float(model.optimizer.scale_loss(1.0)) == scale
    model.optimizer.apply([keras.ops.full(v.shape, np.inf) for v in variables], variables)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert float(model.optimizer.dynamic_scale) == scale / 2
    kernel = np.asarray(variables[0])
    model.optimizer.apply([keras.ops.full(v.shape, scale / 2) for v in variables], variables)
    np.testing.assert_allclose(np.asarray(variables[0]), kernel - 1.0, rtol=1e-5)


def test_float16_moves_rates_and_averages_as_other_precisions_do():
    """The loop reaches through loss scaling to what it uses of the grouped optimizer."""
    model = compiled(ema=0.9)
    variables = model.trainable_variables
    model.optimizer.scale_learning_rate(0.5)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.005)
    model.optimizer.apply([keras.ops.full(v.shape, 32768.0) for v in variables], variables)
    assert {found["updates"] for found in model.optimizer.read_norms().values()} == {1}
    now = np.asarray(variables[0])
    model.optimizer.swap_averages()
    assert not np.array_equal(np.asarray(variables[0]), now)


def test_scale_of_the_loss_is_in_checkpoints():
    """A phase in float16 goes on with the scale that it had found."""
    model, other = compiled(), compiled()
    model.optimizer.dynamic_scale.assign(64.0)
    restore(other, snapshot(model, Progress()))
    assert float(other.optimizer.dynamic_scale) == 64.0


def test_half_precision_without_loss_scaling_is_for_bfloat16():
    """Its range is that of float32, so nothing is scaled."""
    assert not hasattr(compiled("mixed_bfloat16").optimizer, "dynamic_scale")


def test_recurrent_networks_learn_in_half_precision():
    """Cells inside recurrent layers follow, and their variables stay float32."""
    model = zoo.lstm((5, 2), units=(3,), num_classes=3, output_activation=None, seed=0)
    x = GENERATOR.normal(size=(48, 5, 2)).astype("float32")
    material, config, phase = ready(model, precision="mixed_bfloat16", batch_size=16)
    rows = fit_phase(model, Material(x, *[Y, material.task, material.sides]), config, phase).rows
    assert len(rows) == 2 and {str(v.dtype) for v in model.weights} == {"float32"}
