"""Models out of .keras files, without trusting them; takes the place of keras.saving.load_model."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras

from zoo.errors import ModelFileError
from zoo.families.hub.table import PREFIX
from zoo.weights.hdf5_file import Hdf5Tree, read_tree
from zoo.weights.hdf5_header import Window
from zoo.weights.keras_config import Network, read_config
from zoo.weights.keras_file import check_values, opened_archive
from zoo.weights.keras_graph import blaming, build
from zoo.weights.keras_limits import DEFAULT_KERAS_LIMITS, KerasLimits
from zoo.weights.keras_variables import check_fit, holders, read_array
from zoo.weights.reference import weightless
from zoo.weights.weight_file import Refused, shown


def load_model(path: str | Path, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS) -> keras.Model:
    """Return the model of a .keras file, with its weights and uncompiled.

    The file is data throughout: its layers, initializers and activations must be on our list, its arrays must have the
    model's names, shapes and dtypes, and both are checked before memory is taken or an array is read. There is no
    second, laxer attempt.

    Args:
        path: what model.save wrote.
        limits: how much the file may ask for.

    Raises:
        ModelFileError: the file is missing, damaged, of another kind, over a limit, of a newer Keras, asks for anything
            that is not listed, or its arrays do not fit or are not finite.

    Example:
        >>> load_model("model.keras").output_shape
        (None, 10)
    """
    with opened_archive(path, limits, keras.__version__) as archive:
        network = read_config(archive.config, limits)
        tree = read_tree(archive.weights, limits, skip=("optimizer",))
        # Keras keeps variables that still lack memory in a list of the thread, and gives them memory at the next
        # opportunity, wanted or not. On a thread of its own, a refused model's list ends with it.
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(_loaded, network, tree, archive.weights).result()


def _loaded(network: Network, tree: Hdf5Tree, weights: Window) -> keras.Model:
    with keras.StatelessScope(initialize_variables=False):
        model = build(network)
        found = holders(model)
        check_fit(tree.datasets, {path: v for holder in found for path, v in holder.variables.items()}, exact=True)
    with blaming(f"model {shown(network.name)}"):
        with keras.StatelessScope():
            pass  # at its end, the variables get memory and their initial values
        for holder in found:
            arrays = {
                path.rpartition("/")[2]: read_array(weights, path, tree.datasets[path], variable)
                for path, variable in holder.variables.items()
            }
            holder.layer.load_own_variables(arrays)
    return model


def load_graph(path: str | Path, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS) -> keras.Model:
    """Return the model of a .keras file without its weights: its variables have shapes but take no memory.

    Args and errors are those of `load_model`; the arrays are not looked at.
    """
    with opened_archive(path, limits, keras.__version__) as archive:
        network = read_config(archive.config, limits)
        return weightless(lambda: build(network))


def check_loadable(model: keras.Model, what: str, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS) -> None:
    """Refuse a model that `load_model` would refuse once it is saved.

    Args:
        model: a built model.
        what: whose it is, for the message.
        limits: of the later load.

    Raises:
        ModelFileError: it holds a layer or a setting that is not listed.
    """
    try:
        config = json.loads(model.to_json())
        check_values(config, "config.json", limits)
        read_config(config, limits)
    except Refused as error:
        text = f"{what}: a model with it could be saved, but not opened again: {error.found}"
        if what.startswith(PREFIX):
            text += f". Take a backbone of Keras' own layers: {PREFIX} with a ResNet, DenseNet, VGG or Xception"
        raise ModelFileError(text) from error
