"""What learns and what does not: set layer by layer, counted, and proven by hashes of everything frozen."""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import keras

from finetune.transfer.network import Network
from zoo.errors import ConfigError, RunStateError, nearest

NORMS = (keras.layers.BatchNormalization,)


@dataclass(frozen=True)
class Count:
    """Parameters of one stage.

    Attributes:
        stage: its name.
        parameters: in all, moving statistics included.
        trainable: those that learn.
    """

    stage: str
    parameters: int
    trainable: int


def set_trainable(
    network: Network,
    stages: Sequence[str],
    *,
    bn: str = "frozen",
    freeze: Iterable[str] = (),
    fresh: Sequence[str] = ("head",),
) -> None:
    """Let the layers of some stages learn, and no others.

    Args:
        network: the whole network.
        stages: that learn.
        bn: what becomes of batch normalization there, outside the head: "frozen" keeps weights and moving statistics,
            "statistics" lets the statistics follow the data and keeps the weights, "train" lets both go. Frozen stages
            always keep all of it.
        freeze: names of layers, or patterns that match whole names, that never learn.
        fresh: stages that began from random weights, whose normalization has to learn with them.

    Raises:
        ConfigError: a pattern matches no layer or is no pattern.
    """
    frozen = _matching(network, freeze)
    for stage, layers in network.stages.items():
        for layer in layers:
            norm = isinstance(layer, NORMS) and stage not in fresh
            layer.trainable = stage in stages and layer.name not in frozen and not (norm and bn == "frozen")
            if norm and layer.trainable:
                for variable in (layer.gamma, layer.beta):
                    if variable is not None:
                        variable.trainable = bn == "train"


def count_parameters(network: Network) -> list[Count]:
    """Return parameters by stage, as they are set to learn now."""
    return [
        Count(stage, _size(layer.weights for layer in layers), _size(layer.trainable_weights for layer in layers))
        for stage, layers in network.stages.items()
    ]


def reinitialize(network: Network, stages: Sequence[str], *, seed: int) -> None:
    """Give the layers of some stages new weights, drawn by each layer's own initializers with a seed.

    Moving statistics begin anew too.
    """
    for number, layer in enumerate(layer for stage in stages for layer in network.stages[stage]):
        # Keras draws what has no seed of its own from its global generator
        keras.utils.set_random_seed((seed + number) % 2**32)
        fresh = type(layer).from_config(layer.get_config())
        fresh.build(**_build_arguments(layer))
        layer.set_weights(fresh.get_weights())


class FreezeAudit:
    """Remembers every frozen variable, and finds out whether one of them changed after all.

    Args:
        network: with its layers set to learn or not.
    """

    def __init__(self, network: Network):
        self._network = network
        self._learning = [variable.path for variable in network.model.trainable_variables]
        self._before = self._hashes()

    def check(self) -> None:
        """Compare everything frozen with what it was.

        Raises:
            RunStateError: a frozen variable changed, or which ones learn.
        """
        if self._learning != [variable.path for variable in self._network.model.trainable_variables]:
            raise RunStateError(
                "`trainable` of a layer was changed while the network learned, which went on as it was compiled. "
                "Set it before training, or begin a phase of its own"
            )
        after = self._hashes()
        drifted = [path for path, digest in self._before.items() if after[path] != digest]
        if drifted:
            raise RunStateError(
                f"{len(drifted)} frozen variables changed in training, {drifted[0]} first: a layer changes its own "
                f"state though it is frozen. Leave that layer out, or let its stage learn"
            )

    def _hashes(self) -> Mapping[str, bytes]:
        return {
            f"{layer.name}/{variable.name}": hashlib.sha256(keras.ops.convert_to_numpy(variable).tobytes()).digest()
            for layers in self._network.stages.values()
            for layer in layers
            for variable in _frozen(layer)
        }


def _frozen(layer: keras.Layer) -> list[keras.Variable]:
    if not layer.trainable:
        return layer.weights
    # of a layer that learns, what is held still by name; moving statistics are meant to move
    held = [getattr(layer, name, None) for name in ("gamma", "beta")] if isinstance(layer, NORMS) else []
    return [variable for variable in held if variable is not None and not variable.trainable]


def _matching(network: Network, patterns: Iterable[str]) -> set[str]:
    names = [layer.name for layers in network.stages.values() for layer in layers]
    found: set[str] = set()
    for pattern in patterns:
        try:
            hits = {name for name in names if re.fullmatch(pattern, name)}
        except re.error as error:
            raise ConfigError(f"freeze: {pattern!r} is no pattern ({error})") from error
        if not hits:
            raise ConfigError(
                f"freeze: no layer with weights is called {pattern!r}; a pattern such as stage1.* matches whole names."
                f"{nearest(pattern, names)}"
            )
        found |= hits
    return found


def _size(weights: Iterable[Iterable[keras.Variable]]) -> int:
    return sum(math.prod(variable.shape) for variables in weights for variable in variables)


def _build_arguments(layer: keras.Layer) -> dict[str, object]:
    config = layer.get_build_config() or {}
    return {"input_shape": config["input_shape"]} if "input_shape" in config else config.get("shapes_dict", config)
