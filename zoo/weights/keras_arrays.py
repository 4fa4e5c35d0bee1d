"""Weights alone out of HDF5 files of Keras, by our names: of today's layout, and of the one before Keras 3."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from zoo.weights.hdf5_file import Hdf5Tree, read_tree
from zoo.weights.hdf5_texts import TextReader
from zoo.weights.keras_file import opened_hdf5
from zoo.weights.keras_limits import DEFAULT_KERAS_LIMITS, KerasLimits
from zoo.weights.keras_variables import check_fit, holders, read_array
from zoo.weights.weight_file import Refused, shown

_REMEDY = "Get the file again, or save the weights again with Keras: model.save_weights('new.weights.h5')."
_WHOLE_MODEL = (
    "Its weights alone are accepted: where you trust the file, load it with Keras and call "
    "model.save_weights('new.weights.h5')."
)


def read_keras_arrays(
    path: str | Path, model: keras.Model, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS
) -> dict[str, np.ndarray]:
    """Return the weights that a file holds for a model; the model is not changed.

    Args:
        path: what `model.save_weights` wrote, with Keras 3 (.weights.h5) or before (.h5, which keras.applications
            publishes).
        model: a built model of the architecture that was saved. In files from before Keras 3, layers are paired by
            name, or by order where the names differ.
        limits: how much the file may ask for.

    Returns:
        "layer/variable" to an array of the variable's shape and dtype (float32 for bfloat16). A variable whose name its
        layer has twice, as in Bidirectional, is called "layer/path/of/variable".

    Raises:
        ModelFileError: the file is missing, damaged, a whole model, over a limit, holds links or other than plain
            arrays, or its arrays do not fit the model one to one, or are not finite.

    Example:
        >>> arrays = read_keras_arrays("model.weights.h5", model)
        >>> arrays["stem_conv/kernel"].shape
        (3, 3, 3, 32)
    """
    with opened_hdf5(path, limits, _REMEDY) as window:
        tree = read_tree(window, limits, skip=("optimizer", "optimizer_weights"))
        root = tree.attributes.get("", {})
        if "model_config" in root:
            raise Refused("is a whole model in the format from before Keras 3, which can hold code", _WHOLE_MODEL)
        legacy = any(name.startswith("layer_names") for name in root)
        variables = _legacy_variables(tree, TextReader(window, limits), model) if legacy else _variables(model)
        check_fit(tree.datasets, variables, exact=False)
        names = _names(model)
        return {
            names[id(variable)]: read_array(window, place, tree.datasets[place], variable)
            for place, variable in variables.items()
        }


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return a model's variables by path in the layout of Keras 3."""
    return {path: variable for holder in holders(model) for path, variable in holder.variables.items()}


def _names(model: keras.Model) -> dict[int, str]:
    """Return the name of each variable of a model."""
    names = {}
    for layer in model.layers:
        count = Counter(variable.name for variable in layer.weights)
        for variable in layer.weights:
            below = variable.path.partition(f"{layer.name}/")[2] or variable.path
            names[id(variable)] = f"{layer.name}/{variable.name if count[variable.name] == 1 else below}"
    return names


def _legacy_variables(tree: Hdf5Tree, reader: TextReader, model: keras.Model) -> dict[str, keras.Variable]:
    """Return a model's variables by path in the layout from before Keras 3.

    There, every layer has a group, its attribute weight_names lists the arrays below, and layer_names lists the layers.
    """
    stored = {}
    for name in _texts(reader, tree.attributes[""], "layer_names"):
        if name not in tree.attributes:
            raise Refused(f"lists the layer {shown(name)}, which has no group in it")
        weights = _texts(reader, tree.attributes[name], "weight_names")
        if weights:
            stored[name] = [f"{name}/{weight}" for weight in weights]
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    if len(stored) != len(layers):
        raise Refused(f"holds {len(stored)} layers with weights, and the model has {len(layers)}")
    pairs = [(name, name) for name in layers] if set(stored) == set(layers) else list(zip(stored, layers, strict=True))
    variables: dict[str, keras.Variable] = {}
    for name, own in pairs:
        # the order that Keras wrote them in
        needed = layers[own].trainable_weights + layers[own].non_trainable_weights
        if len(stored[name]) != len(needed):
            raise Refused(
                f"holds {len(stored[name])} arrays of the layer {shown(name)}, and the model's layer {shown(own)} has "
                f"{len(needed)}"
            )
        variables |= dict(zip(stored[name], needed, strict=True))
    if len(variables) != sum(len(weights) for weights in stored.values()):
        raise Refused("lists an array twice")
    return variables


def _texts(reader: TextReader, attributes: Mapping[str, bytes], name: str) -> list[str]:
    """Return a list of texts, which Keras cuts into name0, name1, ... where it is longer than HDF5 allows."""
    if name in attributes:
        return list(reader.texts(name, attributes[name]))
    found: list[str] = []
    part = 0
    while f"{name}{part}" in attributes:
        found += reader.texts(name, attributes[f"{name}{part}"])
        part += 1
    return found
