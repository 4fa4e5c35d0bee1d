"""Weights for a variant out of HDF5 files: what model.save_weights writes, and what keras.applications publishes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from zoo.families.applications import table as applications
from zoo.head import LOGITS_LAYER
from zoo.spec import Preprocessing, Variant, Weights
from zoo.weights.from_keras_model import KerasWeights
from zoo.weights.hdf5_header import Dataset, Window
from zoo.weights.keras_arrays import Group, StoredArrays, read_stored
from zoo.weights.keras_file import opened_hdf5
from zoo.weights.keras_limits import DEFAULT_KERAS_LIMITS, KerasLimits
from zoo.weights.keras_variables import check_fit, holders, read_array
from zoo.weights.named import named_weights
from zoo.weights.reference import reference_backbone, with_head
from zoo.weights.weight_file import Refused, shown

_REMEDY = "Get the file again, or save the weights again with Keras: model.save_weights('new.weights.h5')."
# What a Normalization layer of Keras' own holds once it has seen data; its pixels are in [0, 1].
_STATISTICS = ("mean", "variance", "count")
_MOST_CLASSES = 2**24


@dataclass(frozen=True)
class _Pairs:
    """Which array of a file belongs to which variable.

    Attributes:
        model: the model without memory that has the variables.
        datasets: arrays of the file that count, with shapes as the variables have them.
        variables: by path in the file.
    """

    model: keras.Model
    datasets: Mapping[str, Dataset]
    variables: Mapping[str, keras.Variable]


def read_hdf5_weights(
    variant: Variant, row: Weights | None, path: Path, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS
) -> KerasWeights:
    """Return the weights that an HDF5 file holds for a variant.

    Such a file does not say what it was trained with: the row's word is taken, or the variant's.

    Args:
        variant: whose weights they must be.
        row: weights that the file stands for; None for a file of the user's.
        path: what `model.save_weights` wrote for a model of the zoo, with or without a head of any number of classes;
            or what keras.applications publishes, whose arrays go to our layers by order.
        limits: how much the file may ask for.

    Raises:
        ModelFileError: the file is damaged, a whole model, over a limit, or its arrays do not fit one to one.
    """
    preprocessing = row.preprocessing if row else variant.preprocessing
    arguments = {**variant.arguments, **(row.arguments if row else {})}
    size = preprocessing.image_size
    backbone = reference_backbone(variant, preprocessing, arguments, (size, size, 3))
    own_head = applications.own_head(arguments["function"]) if variant.family == "applications" else None
    arrays = read_arrays(path, backbone, preprocessing, own_head=own_head, limits=limits)
    return KerasWeights(arrays, preprocessing, arguments)


def read_arrays(
    path: Path,
    backbone: keras.Model,
    preprocessing: Preprocessing,
    *,
    own_head: int | None = None,
    limits: KerasLimits = DEFAULT_KERAS_LIMITS,
) -> dict[str, np.ndarray]:
    """Return the weights that a file holds for a backbone and the zoo's head; the backbone is not changed.

    Args:
        path: the file.
        backbone: up to the feature map; its variables need no memory.
        preprocessing: what a Normalization layer in the file must agree with.
        own_head: layers with weights behind the backbone in its publisher's files, where these are no head of ours;
            their arrays are left out. 0 where a file with them cannot be told from one without.
        limits: how much the file may ask for.

    Returns:
        "layer/variable" to float32 arrays, the head's among them where the file has a plain one.

    Raises:
        ModelFileError: the file is damaged, a whole model, over a limit, holds links or other than plain arrays, or its
            arrays do not fit one to one, or are not finite.
    """
    with opened_hdf5(path, limits, _REMEDY) as window:
        stored = read_stored(window, limits)
        if stored.groups is None:
            pairs = _pairs(stored, backbone)
        else:
            groups, datasets = _without_statistics(window, stored, preprocessing)
            pairs = _legacy_pairs(groups, datasets, backbone, own_head)
        check_fit(pairs.datasets, pairs.variables, exact=False)
        names = {id(variable): name for name, variable in named_weights(pairs.model).items()}
        return {
            names[id(variable)]: read_array(window, place, pairs.datasets[place], variable).astype(
                "float32", copy=False
            )
            for place, variable in pairs.variables.items()
        }


def _pairs(stored: StoredArrays, backbone: keras.Model) -> _Pairs:
    """Pair by the paths of today's layout; the classifier's array says how many classes there are."""
    whole = with_head(backbone, 1)
    kernel = whole.get_layer(LOGITS_LAYER).kernel
    place = next(path for path, variable in _variables(whole).items() if variable is kernel)
    model = with_head(backbone, _num_classes(stored.datasets[place])) if place in stored.datasets else backbone
    return _Pairs(model, stored.datasets, _variables(model))


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    return {path: variable for holder in holders(model) for path, variable in holder.variables.items()}


def _num_classes(kernel: Dataset) -> int:
    """Return the outputs of a classifier; shapes that are none of one are left to the comparison."""
    return min(max(1, kernel.shape[-1] if kernel.shape else 1), _MOST_CLASSES)


def _without_statistics(
    window: Window, stored: StoredArrays, preprocessing: Preprocessing
) -> tuple[list[Group], dict[str, Dataset]]:
    """Return groups and arrays without those of a Normalization layer, which must say what the row says.

    EfficientNetB0 to B7 begin with one, and keep standard deviations where variances belong, as the table of the family
    explains.
    """
    groups, datasets = list(stored.groups), dict(stored.datasets)
    if not groups or tuple(path.rpartition("/")[2].partition(":")[0] for path in groups[0].paths) != _STATISTICS:
        return groups, datasets
    found = [datasets.pop(path, None) for path in groups.pop(0).paths]
    if any(array is None or array.shape not in ((), (3,)) for array in found) or found[0].shape != (3,):
        raise Refused("has a Normalization layer whose mean and variance are not of red, green and blue")
    mean, spread = (_numbers(window, array) for array in found[:2])
    agrees = np.allclose(255 * mean, preprocessing.mean, atol=0.1)
    if not agrees or not any(np.allclose(255 * std, preprocessing.std, atol=0.1) for std in (spread, np.sqrt(spread))):
        raise Refused(
            f"prepares its pictures otherwise: its Normalization layer has mean {mean.tolist()} and variance "
            f"{spread.tolist()}, which are not those of {np.divide(preprocessing.mean, 255).round(3).tolist()} and "
            f"{np.divide(preprocessing.std, 255).round(3).tolist()}"
        )
    return groups, datasets


def _numbers(window: Window, dataset: Dataset) -> np.ndarray:
    raw = window.file.array_at(window.start + dataset.offset, 3, dataset.element.stored)
    return np.abs(raw.astype("float64"))


def _legacy_pairs(
    groups: list[Group], datasets: dict[str, Dataset], backbone: keras.Model, own_head: int | None
) -> _Pairs:
    """Pair by order, as Keras does it for files from before Keras 3: names there depend on what else was built."""
    layers = [layer for layer in backbone.layers if layer.weights]
    variables: dict[str, keras.Variable] = {}
    waiting = list(groups)
    while layers:
        if not waiting:
            raise Refused(f"has no arrays for {len(layers)} layers, the first of them {shown(layers[0].name)}")
        variables |= _next_pairs(waiting.pop(0), layers)
    if own_head is not None:
        return _Pairs(backbone, _without_own_head(waiting, datasets, own_head), variables)
    if not waiting:
        return _Pairs(backbone, datasets, variables)
    head = waiting[0].paths
    if len(waiting) > 1 or len(head) != 2 or head[0] not in datasets:
        names = ", ".join(shown(group.name) for group in waiting[:5])
        raise Refused(
            f"holds {len(waiting)} layers behind the last feature map ({names}); one with a kernel and a bias accepted",
            "Take the file without top.",
        )
    kernel = datasets[head[0]]
    if kernel.shape[:2] == (1, 1) and len(kernel.shape) == 4:  # MobileNet's classifier is a convolution
        datasets = datasets | {head[0]: replace(kernel, shape=kernel.shape[2:])}
    model = with_head(backbone, _num_classes(datasets[head[0]]))
    return _Pairs(model, datasets, variables | dict(zip(head, model.get_layer(LOGITS_LAYER).weights, strict=True)))


def _next_pairs(group: Group, layers: list[keras.Layer]) -> dict[str, keras.Variable]:
    """Take as many layers as a group's arrays need: ConvNeXt's files have one group for a nested model of two."""
    taken: list[keras.Layer] = []
    while layers and sum(len(layer.weights) for layer in taken) < len(group.paths):
        taken.append(layers.pop(0))
    needed = [weight for layer in taken for weight in layer.trainable_weights]
    needed += [weight for layer in taken for weight in layer.non_trainable_weights]
    if len(needed) != len(group.paths):
        names = ", ".join(shown(layer.name) for layer in taken[-2:])
        raise Refused(f"has {len(group.paths)} arrays in {shown(group.name)}, and {names} have {len(needed)}")
    return dict(zip(group.paths, needed, strict=True))


def _without_own_head(waiting: list[Group], datasets: dict[str, Dataset], own_head: int) -> dict[str, Dataset]:
    if len(waiting) not in (0, own_head):
        raise Refused(
            f"holds {len(waiting)} layers behind the last feature map; none"
            f"{f' or {own_head}' if own_head else ''} accepted",
            "Take the file without top.",
        )
    left_out = {path for group in waiting for path in group.paths}
    return {path: dataset for path, dataset in datasets.items() if path not in left_out}
