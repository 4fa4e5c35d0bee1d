"""Setting `activation`: the hidden layers of networks for tables, series and small pictures have it."""

import numpy as np
import pytest

from finetune.config import make_config
from finetune.data.targets import Target
from finetune.kinds import scratch, table

pytestmark = pytest.mark.keras


def target() -> Target:
    """Return three classes."""
    return Target("classification", np.zeros(4, int), ("a", "b", "c"))


def activations(network) -> list[str]:
    """Return the names of the activations in a network's configuration, dense and recurrent alike."""
    return [layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")]


@pytest.mark.parametrize(("model", "shape"), [("mlp", (5,)), ("lstm", (6, 2)), ("cnn1d", (16, 2))])
def test_hidden_layers_take_the_activation(model, shape):
    """Another activation than the usual one is in each hidden layer; auto is that of the zoo."""
    configs = [make_config({"model": model, "units": (4,), "dropout": 0.0, "activation": a}) for a in ("auto", "elu")]
    usual, other = (activations(table.new_network(config, shape, target())) for config in configs)
    assert "elu" in other and "elu" not in usual


def test_plain_convolutions_take_the_activation():
    """A network for pictures from scratch has it too."""
    config = make_config({"model": "cnn", "units": (4,), "dropout": 0.0, "activation": "tanh"})
    network = scratch.new_head(config, (16, 16, 3), target())
    assert any("tanh" in str(layer.get_config()) for layer in network.layers)
