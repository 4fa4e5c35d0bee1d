"""Models out of checked descriptions, by Keras' public functions: each layer by its class, then called as described.

Keras' own Model.from_config would do, but it tries calls again and again until they fit, and looks classes up by name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import keras

from zoo.blocks import GroupedConv2D
from zoo.filling import FillMissing
from zoo.scaling import Standardize, Unstandardize
from zoo.weights.keras_calls import Output
from zoo.weights.keras_config import SEQUENTIAL, Layer, Network
from zoo.weights.keras_lookup import LOOKUP
from zoo.weights.keras_names import LAYERS
from zoo.weights.weight_file import Refused, shown

_CLASSES: Mapping[str, type[keras.Layer]] = {
    **{name: getattr(keras.layers, name) for name in LAYERS},
    LOOKUP: keras.layers.StringLookup,
    "GroupedConv2D": GroupedConv2D,
    "FillMissing": FillMissing,
    "Standardize": Standardize,
    "Unstandardize": Unstandardize,
}
# Functions of the modules in which Keras keeps classes that it does not publish.
_BESIDE: Mapping[str, Callable] = {
    "LayerScale": keras.applications.ConvNeXtTiny,
    "StochasticDepth": keras.applications.ConvNeXtTiny,
    "CustomScaleLayer": keras.applications.InceptionResNetV2,
}


def build(network: Network) -> keras.Model:
    """Return the model that a checked description stands for.

    Inside a `keras.StatelessScope` its variables have shapes but take no memory.

    Args:
        network: what `read_config` gave.

    Raises:
        Refused: Keras cannot build a layer as described, or layers do not fit together.
    """
    if network.kind == SEQUENTIAL:
        layers = [_layer(layer) for layer in network.layers]
        with blaming(f"model {shown(network.name)}"):
            return keras.Sequential(layers, name=network.name)
    layers = {layer.name: _layer(layer) for layer in network.layers}
    made = {
        Output(layer.name, 0, 0): layers[layer.name].output for layer in network.layers if layer.kind == "InputLayer"
    }
    for at, which in network.order:
        layer = network.layers[at]
        call = layer.calls[which]
        with blaming(f"layer {shown(layer.name)} ({layer.kind})"):
            args = [_resolved(value, made) for value in call.args]
            kwargs = {key: _resolved(value, made) for key, value in call.kwargs.items()}
            for index, tensor in enumerate(keras.tree.flatten(layers[layer.name](*args, **kwargs))):
                made[Output(layer.name, which, index)] = tensor
    with blaming(f"model {shown(network.name)}"):
        inputs, outputs = _resolved(network.inputs, made), _resolved(network.outputs, made)
        return keras.Model(inputs, outputs, name=network.name, trainable=network.trainable)


def _layer(layer: Layer | Network) -> keras.Layer | keras.Operation:
    if isinstance(layer, Network):
        return build(layer)
    inner = {key: _layer(value) for key, value in layer.inner.items()}
    with blaming(f"layer {shown(layer.name)} ({layer.kind})"):
        if layer.kind in _BESIDE:
            return _unpublished(layer.kind, _BESIDE[layer.kind], layer.config)
        if layer.kind.startswith("ops."):
            return _unpublished(layer.kind.removeprefix("ops."), keras.ops.add, layer.config)
        cls = _CLASSES[layer.kind]
        made = cls(**inner, **layer.config) if inner else cls.from_config(dict(layer.config))
        if layer.build_shape is not None:
            made.build(layer.build_shape)
        return made


def _unpublished(name: str, beside: Callable, config: Mapping[str, object]) -> keras.Layer | keras.Operation:
    """Return an object of a class that Keras can only be asked for by its module; name and module are ours."""
    entry = {"module": beside.__module__, "class_name": name, "config": dict(config), "registered_name": name}
    return keras.saving.deserialize_keras_object(entry)


def _resolved(value: object, made: Mapping[Output, keras.KerasTensor]) -> object:
    if isinstance(value, Output):
        if value not in made:
            raise Refused(f"refers to output {value.index} of the layer {shown(value.layer)}, which does not exist")
        return made[value]
    if isinstance(value, dict):
        return {key: _resolved(item, made) for key, item in value.items()}
    return [_resolved(item, made) for item in value] if isinstance(value, list) else value


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """Turn whatever Keras raises in the block into a Refused that names the layer or model.

    Every exception is caught: Keras answers settings that make no sense with whatever its code runs into, errors of
    the backend included, and the settings come from the file.
    """
    try:
        yield
    except Refused as error:
        raise Refused(f"{what}: {error.found}", error.remedy) from error
    except RecursionError as error:
        raise Refused(f"{what}: its calls come after one another more often than Keras can handle") from error
    except Exception as error:
        text = re.sub(r"\x1b\[\d+m", "", " ".join(str(error).split()))[:200] or type(error).__name__
        raise Refused(f"{what} cannot be built as its config.json describes it: {shown(text, 200)}") from error
