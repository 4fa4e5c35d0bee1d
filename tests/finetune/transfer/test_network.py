"""One network, cut anywhere between stages: views compute the same, share weights, and keep frozen what is frozen."""

import keras
import numpy as np
import pytest

import zoo
from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.transfer.freeze import FreezeAudit, count_parameters, reinitialize, set_trainable
from finetune.transfer.methods import METHODS, phases_of
from finetune.transfer.network import make_network
from finetune.transfer.trunk import new_head
from zoo.errors import ConfigError, RunStateError
from zoo.head import pool

pytestmark = pytest.mark.keras
SHAPE, COUNT = (32, 32, 3), 12
X = np.random.default_rng(0).uniform(0, 255, (COUNT, *SHAPE)).astype("float32")
Y = np.arange(COUNT) % 3


def make():
    """Return a network with a new head on a small trunk of random weights, its layers named as the zoo names them."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input(SHAPE, name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1, name="rescale")(x)
    for stage in ("stem", "stage1", "stage2", "stage3", "top"):
        x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name=f"{stage}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"{stage}_bn")(x)
        x = keras.layers.ReLU(name=f"{stage}_relu")(x)
    return on_trunk(keras.Model(inputs, pool(x), name="small"))


def on_trunk(trunk):
    """Return a network with a new head."""
    return make_network(trunk, new_head(trunk.output_shape[1], 3, dropout=0.1, seed=0), staged=True)


def weights(network):
    """Return copies of all weights by layer and name."""
    return {
        f"{layer.name}/{variable.name}": keras.ops.convert_to_numpy(variable).copy()
        for layer in network.model.layers
        for variable in layer.weights
    }


def train(network, phase, cut=None, **settings):
    """Train one phase for one epoch at a cut."""
    config = make_config({"method": "head", "batch_size": 4, "seed": 1} | settings)
    cut = cut or network.cut_below(phase.stages[0])
    x = network.below(cut).predict(X, verbose=0) if cut != "inputs" else X
    sides = {"train": np.arange(8), "validation": np.arange(8, 12)}
    return fit_phase(network.above(cut), Material(x, Y, TASKS["classification"], sides), config, phase)


def phase_of(network, method, **settings):
    """Return the last phase of a method, one epoch long."""
    settings = {"epochs": 1, "fine_tune_epochs": 1, "patience": 9, "learning_rate": 0.01} | settings
    return phases_of(make_config({"method": method} | settings), tuple(network.stages))[-1]


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "mobilenet_v2"])
def test_every_cut_gives_the_whole(name):
    """What is below a cut followed by what is above it is the network."""
    backbone = zoo.backbone(name, input_shape=SHAPE, weights=None)
    network = on_trunk(keras.Model(backbone.input, pool(backbone.output), name=name))
    whole = network.model.predict(X[:2], verbose=0)
    assert len(network.stages) > 4
    for stage in list(network.stages)[1::2]:
        cut = network.cut_below(stage)
        x = network.below(cut).predict(X[:2], verbose=0) if cut != "inputs" else X[:2]
        np.testing.assert_allclose(network.above(cut).predict(x, verbose=0), whole, rtol=1e-4, atol=1e-5)


def test_every_layer_with_weights_is_in_one_stage():
    """Stages are a partition of the layers, the head last."""
    network = make()
    found = [layer.name for layers in network.stages.values() for layer in layers]
    assert sorted(found) == sorted(layer.name for layer in network.model.layers if layer.weights)
    assert list(network.stages)[-1] == "head" and network.stages["head"][0].name == "logits"


@pytest.mark.parametrize("method", METHODS)
def test_frozen_variables_stay_bit_equal(method):
    """After an epoch exactly the variables of stages that learn differ, moving statistics included."""
    network = make()
    phase = phase_of(network, method)
    set_trainable(network, phase.stages, bn="train")
    before = weights(network)
    train(network, phase, cut="inputs")
    after = weights(network)
    frozen = {layer.name for stage, layers in network.stages.items() if stage not in phase.stages for layer in layers}
    changed = {name.partition("/")[0] for name in before if not np.array_equal(before[name], after[name])}
    learning = {layer.name for stage in phase.stages for layer in network.stages[stage]}
    assert not changed & frozen and changed == learning


@pytest.mark.parametrize(
    ("bn", "changed"),
    [
        ("frozen", set()),
        ("statistics", {"moving_mean", "moving_variance"}),
        ("train", {"gamma", "beta", "moving_mean", "moving_variance"}),
    ],
)
def test_batch_normalization_of_learning_stages(bn, changed):
    """Frozen keeps all of it, statistics lets them follow the data, train lets the weights learn too."""
    network = make()
    phase = phase_of(network, "two_phase", unfreeze=1)
    set_trainable(network, phase.stages, bn=bn)
    before = weights(network)
    train(network, phase, cut="inputs")
    after = weights(network)
    norms = {layer.name for layer in network.model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    found = {
        name.split("/")[1]
        for name in before
        if name.split("/")[0] in norms and not np.array_equal(before[name], after[name])
    }
    assert found == changed


def test_cached_phase_is_the_uncached_one():
    """A phase on features cached below its lowest stage ends with the weights of one that runs the whole network."""
    cached, whole = make(), make()
    phase = phase_of(cached, "two_phase", unfreeze=2)
    for network in (cached, whole):
        set_trainable(network, phase.stages)
    train(cached, phase)
    train(whole, phase, cut="inputs")
    for name, array in weights(cached).items():
        np.testing.assert_allclose(array, weights(whole)[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_layers_are_frozen_by_pattern():
    """A pattern freezes layers of stages that learn; one that matches nothing is refused with the nearest name."""
    network = make()
    set_trainable(network, tuple(network.stages), bn="train", freeze=["stem.*", "stage1_.*"])
    counts = {count.stage: count.trainable for count in count_parameters(network)}
    assert counts["stem"] == counts["stage1"] == 0 < counts["stage2"]
    with pytest.raises(ConfigError, match="no layer with weights is called 'stem_conf'.*stem_conv"):
        set_trainable(network, ("head",), freeze=["stem_conf"])


def test_stages_are_drawn_anew_by_the_seed():
    """Only the stages that are named change; the same seed draws the same, by each layer's own initializer."""
    first, second, other = make(), make(), make()
    before = weights(first)
    reinitialize(first, ("stage3", "top"), seed=4)
    reinitialize(second, ("stage3", "top"), seed=4)
    reinitialize(other, ("stage3", "top"), seed=5)
    kernels = [name for name in before if "kernel" in name and name.startswith(("stage3", "top"))]
    assert all(not np.array_equal(before[name], weights(first)[name]) for name in kernels)
    assert all(np.array_equal(weights(second)[name], weights(first)[name]) for name in before)
    assert not np.array_equal(weights(other)[kernels[0]], weights(first)[kernels[0]])
    assert all(
        np.array_equal(weights(first)[name], before[name]) for name in before if not name.startswith(("stage3", "top"))
    )


def test_layer_that_changes_though_frozen_is_caught():
    """The audit names a frozen variable that moved."""
    network = make()
    set_trainable(network, ("head",))
    audit = FreezeAudit(network)
    audit.check()
    layer = network.model.get_layer("stem_bn")
    layer.moving_mean.assign(layer.moving_mean + 1e-6)
    with pytest.raises(RunStateError, match="1 frozen variables changed in training, stem_bn/moving_mean first"):
        audit.check()


def test_trainable_changed_after_compile_is_caught():
    """Keras goes on with what it compiled; here it is an error."""
    network = make()
    set_trainable(network, ("head",))
    audit = FreezeAudit(network)
    network.model.get_layer("stem_conv").trainable = True
    with pytest.raises(RunStateError, match="`trainable` of a layer was changed"):
        audit.check()


def test_lower_stages_learn_more_slowly():
    """With layer_decay and plain SGD each stage moves as its multiplier says."""
    moved = {}
    for decay in (1.0, 0.1):
        network = make()
        phase = phase_of(network, "two_phase", unfreeze=1, learning_rate=5.0)
        set_trainable(network, phase.stages)
        before = weights(network)
        stage = phase.stages[0]
        rates = {
            s: ([v for layer in network.stages[s] for v in layer.trainable_weights], 1.0 if s == "head" else decay)
            for s in phase.stages
        }
        config = make_config({"method": "head", "batch_size": 8, "optimizer": "sgd"})
        sides = {"train": np.arange(8), "validation": np.arange(8, 12)}
        fit_phase(network.model, Material(X, Y, TASKS["classification"], sides), config, phase, rates=rates)
        name = next(name for name in before if name.startswith(network.stages[stage][0].name) and "kernel" in name)
        moved[decay] = weights(network)[name] - before[name]
    np.testing.assert_allclose(moved[0.1], 0.1 * moved[1.0], rtol=1e-3, atol=1e-6)
