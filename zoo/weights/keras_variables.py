"""Which array of an HDF5 file in Keras' layout belongs to which variable, compared before anything is read."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from zoo.weights.elements import Element, decoded
from zoo.weights.hdf5_header import Dataset, Window
from zoo.weights.weight_file import Refused, shown

# Attributes in which Keras' wrappers and recurrent layers keep the layers that hold their variables.
_INNER = ("backward_layer", "cell", "forward_layer", "layer")
_FLOATS = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_MOST_LISTED = 5


@dataclass(frozen=True)
class Holder:
    """A layer with variables of its own.

    Attributes:
        path: of its group in the file.
        layer: the layer; a cell or a wrapped layer too.
        variables: by path of their array in the file.
    """

    path: str
    layer: keras.Layer
    variables: Mapping[str, keras.Variable]


def holders(model: keras.Model) -> list[Holder]:
    """Return the layers of a model that hold variables, with the places that Keras' layout gives them.

    The layout names a layer after its class and counts equal names: layers/conv2d, layers/conv2d_1, ...
    """
    return [holder for holder in _walk(model, "", set()) if holder.variables]


def _walk(layer: keras.Layer, path: str, seen: set[int]) -> Iterator[Holder]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    store: dict[str, keras.Variable] = {}
    layer.save_own_variables(store)
    group = f"{path}vars"
    yield Holder(group, layer, {f"{group}/{key}": variable for key, variable in store.items()})
    if isinstance(layer, keras.Model):
        used: dict[str, int] = {}
        for inner in layer.layers:
            name = _snake_case(type(inner).__name__)
            count = used[name] = used.get(name, -1) + 1
            yield from _walk(inner, f"{path}layers/{name}{f'_{count}' if count else ''}/", seen)
        return
    for attribute in _INNER:
        inner = getattr(layer, attribute, None)
        if isinstance(inner, keras.Layer):
            yield from _walk(inner, f"{path}{attribute}/", seen)


def _snake_case(name: str) -> str:
    """Return a class name as Keras spells it in paths: BatchNormalization is batch_normalization, ReLU is re_lu."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def check_fit(datasets: Mapping[str, Dataset], variables: Mapping[str, keras.Variable], *, exact: bool) -> None:
    """Compare what a file promises with what a model needs.

    Args:
        datasets: of the file.
        variables: of the model, by path in the file.
        exact: whether each array must have its variable's dtype; else any float does for a float.

    Raises:
        Refused: arrays are missing, unknown, or of another shape or kind of number.
    """
    faults = {
        "missing": [f"{path} for {variable.path}" for path, variable in variables.items() if path not in datasets],
        "not known": [path for path in datasets if path not in variables],
        "of another shape": [],
        "of another kind": [],
    }
    for path, variable in variables.items():
        if path in datasets:
            found, needed = datasets[path], tuple(variable.shape)
            if found.shape != needed:
                faults["of another shape"].append(f"{path} {found.shape} for {variable.path} {needed}")
            elif not _suits(found.element, variable.dtype, exact):
                faults["of another kind"].append(f"{path} {found.element.name} for {variable.path} {variable.dtype}")
    if any(faults.values()):
        listings = [f"{len(found)} {what} ({_listed(found)})" for what, found in faults.items() if found]
        raise Refused(f"its arrays do not fit the model: {'; '.join(listings)}")


def _suits(element: Element, dtype: str, exact: bool) -> bool:
    stored = _FLOATS.get(element.name) or np.dtype(element.stored).name
    return stored == dtype or (not exact and element.name in _FLOATS and dtype in _FLOATS.values())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(shown(name, 200) for name in names[:_MOST_LISTED]) + more


def read_array(window: Window, path: str, dataset: Dataset, variable: keras.Variable) -> np.ndarray:
    """Return a variable's numbers, after a comparison by `check_fit`.

    Args:
        window: the HDF5 file.
        path: of the array in it, for the message.
        dataset: where the numbers lie.
        variable: what they are for.

    Returns:
        Array of the variable's shape and dtype; float32 for bfloat16, which NumPy lacks.

    Raises:
        Refused: a number is infinite, or becomes so in the variable's dtype, or is none.
    """
    raw = window.file.array_at(window.start + dataset.offset, math.prod(dataset.shape), dataset.element.stored)
    with np.errstate(over="ignore"):  # found below, as infinite
        wanted = "float32" if variable.dtype == "bfloat16" else variable.dtype
        array = decoded(raw, dataset.element).reshape(dataset.shape).astype(wanted, copy=False)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        odd = np.argwhere(~np.isfinite(array))
        raise Refused(
            f"variable {shown(variable.path, 200)} ({shown(path, 200)}) holds {len(odd)} numbers that are not finite, "
            f"the first of them {array[tuple(odd[0])]} at {odd[0].tolist()}",
            "Training went wrong, or the file is damaged: take an earlier checkpoint.",
        )
    return array
