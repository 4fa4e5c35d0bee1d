"""What an HDF5 file of Keras' weights holds: in today's layout, or by layers in the one from before Keras 3."""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.weights.hdf5_file import Hdf5Tree, read_tree
from zoo.weights.hdf5_header import Dataset, Window
from zoo.weights.hdf5_texts import TextReader
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.weight_file import Refused, shown

_WHOLE_MODEL = (
    "Its weights alone are accepted: where you trust the file, load it with Keras and call "
    "model.save_weights('new.weights.h5')."
)


@dataclass(frozen=True)
class Group:
    """A layer in the layout from before Keras 3.

    Attributes:
        name: of the layer.
        paths: of its arrays, in Keras' order: trained ones first.
    """

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class StoredArrays:
    """What an HDF5 file of weights holds.

    Attributes:
        datasets: its arrays by path.
        groups: its layers with arrays, in the layout from before Keras 3; None in today's.
    """

    datasets: Mapping[str, Dataset]
    groups: tuple[Group, ...] | None


def read_stored(window: Window, limits: KerasLimits) -> StoredArrays:
    """Return what an HDF5 file of weights holds, without reading an array.

    Args:
        window: the file.
        limits: how much it may ask for.

    Raises:
        Refused: it is damaged, over a limit, a whole model, or holds links or other than plain arrays.
    """
    tree = read_tree(window, limits, skip=("optimizer", "optimizer_weights"))
    root = tree.attributes.get("", {})
    if "model_config" in root:
        raise Refused("is a whole model in the format from before Keras 3, which can hold code", _WHOLE_MODEL)
    legacy = any(name.startswith("layer_names") for name in root)
    return StoredArrays(tree.datasets, _groups(tree, TextReader(window, limits)) if legacy else None)


def _groups(tree: Hdf5Tree, reader: TextReader) -> tuple[Group, ...]:
    """Return the layers with arrays; layer_names lists the layers, and weight_names of each the arrays below it."""
    groups = []
    for name in _texts(reader, tree.attributes[""], "layer_names"):
        if name not in tree.attributes:
            raise Refused(f"lists the layer {shown(name)}, which has no group in it")
        weights = _texts(reader, tree.attributes[name], "weight_names")
        if weights:
            groups.append(Group(name, tuple(f"{name}/{weight}" for weight in weights)))
    paths = [path for group in groups for path in group.paths]
    if len(set(paths)) != len(paths):
        raise Refused("lists an array twice")
    return tuple(groups)


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
