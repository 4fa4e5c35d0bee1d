"""Weights for a variant: read, convert once, check every name and shape, and only then assign."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from zoo.atomic import atomic_path
from zoo.errors import ConfigError, ModelFileError
from zoo.head import LOGITS_LAYER
from zoo.spec import FromLibrary, Naming, Preprocessing, SavedModel, Variant, Weights
from zoo.weights import sources
from zoo.weights.convert import Conversion, convert, is_counter, listings
from zoo.weights.from_keras_arrays import read_hdf5_weights
from zoo.weights.from_keras_model import read_keras_model
from zoo.weights.keras_file import is_hdf5
from zoo.weights.keras_limits import DEFAULT_KERAS_LIMITS, KerasLimits
from zoo.weights.named import arrays_sha256
from zoo.weights.safetensors_file import INDEX_SUFFIX, read_safetensors
from zoo.weights.torch_file import read_torch_file
from zoo.weights.weight_file import ReadLimits

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
# Part of the name of a converted copy: raised when the conversion changes.
_CONVERSION = 2


@dataclass(frozen=True)
class Pretrained:
    """Weights that were read, and what goes with them.

    Attributes:
        arrays: "layer/variable" in our names to float32 arrays in Keras' order of axes, the head included.
        path: file they came from.
        sha256: of that file; of the arrays where a library or several files have them.
        preprocessing: what they were trained with.
        arguments: the variant's builder arguments, with what these weights need otherwise.
        tag: of their row; None for a file that no row pins.
        variant: name of the model that they were read for.
        assumed: for a file that no row pins, the row whose preprocessing it is given, because the file itself does not
            say; None where nothing is assumed.
    """

    arrays: Mapping[str, np.ndarray]
    path: Path
    sha256: str
    preprocessing: Preprocessing
    arguments: Mapping[str, object]
    tag: str | None
    variant: str
    assumed: str | None = None

    @property
    def num_classes(self) -> int | None:
        """Outputs of the head that they hold; None when they hold none."""
        kernel = self.arrays.get(f"{LOGITS_LAYER}/kernel")
        return None if kernel is None else kernel.shape[-1]


def all_limits(limits: ReadLimits | KerasLimits | None) -> KerasLimits:
    """Return limits for files of every kind, the defaults where nothing is said.

    Raises:
        ConfigError: they are neither ReadLimits nor KerasLimits.
    """
    if limits is None or isinstance(limits, KerasLimits):
        return limits or DEFAULT_KERAS_LIMITS
    if not isinstance(limits, ReadLimits):
        raise ConfigError(f"limits must be zoo.ReadLimits(...) or zoo.KerasLimits(...); received {limits!r}")
    return replace(DEFAULT_KERAS_LIMITS, reading=limits)


def read_weights(
    variant: Variant,
    weights: str | Path | Weights,
    cache_dir: Path | None,
    *,
    path: Path | None = None,
    limits: KerasLimits = DEFAULT_KERAS_LIMITS,
) -> Pretrained:
    """Read the weights that a user names.

    Args:
        variant: row of the model.
        weights: "imagenet", a full tag, or the path of a file: `.pth`, `.pt`, `.safetensors` or the index of several
            of these, with the names of one of the family's namings, or with ours; `.keras` or `.weights.h5` of this
            model; or `.h5` weights in Keras' older layout, as keras.applications publishes them. A row is taken as it
            is.
        cache_dir: keeps downloads and converted copies, named by the source's SHA-256; None keeps nothing.
        path: the row's file, where it is known.
        limits: how much a file may ask for.

    Raises:
        ConfigError: `weights` is neither a tag nor a file.
        ModelFileError: the file is not at hand, damaged, not the one that is pinned, or holds another model.
    """
    chosen = weights if isinstance(weights, Weights) else sources.choose(variant, weights, cache_dir)
    row = chosen if isinstance(chosen, Weights) else None
    if row and path is None and isinstance(row.source, FromLibrary) and not sources.imported(row, cache_dir):
        return _from_library(variant, row)
    path = path or (sources.locate(row, cache_dir) if row else chosen)
    sha256 = sources.file_sha256(path)
    if row and isinstance(row.source, SavedModel):
        return replace(_from_library(variant, row), path=path, sha256=sha256)
    if path.suffix.lower() in KERAS_SUFFIXES or is_hdf5(path):
        read = read_keras_model if path.suffix.lower() == ".keras" else read_hdf5_weights
        found = read(variant, row, path, limits=limits)
        tag = row.tag if row else None
        return Pretrained(found.arrays, path, sha256, found.preprocessing, found.arguments, tag, variant.name)
    copy = cache_dir / "weights" / f"{variant.name}-{sha256}-{_CONVERSION}.safetensors" if cache_dir and row else None
    if copy and copy.is_file():
        arrays = read_safetensors(copy, limits=limits.reading)
    else:
        state = _read_state(path, limits.reading)
        # a file that a row pins says by its bytes which of a publisher's recipes it comes from
        row = row or next(
            (known for known in variant.weights if known.sha256 and sha256.startswith(known.sha256)), None
        )
        ours = all("/" in name for name in state)
        arrays, row = (state, row) if ours else _converted(variant, row, path, state)
        if copy and not ours:
            _keep(copy, arrays)
    if path.name.endswith(INDEX_SUFFIX):  # whose bytes say nothing of the numbers
        sha256 = arrays_sha256(arrays)
    preprocessing = row.preprocessing if row else variant.preprocessing
    arguments = {**variant.arguments, **(row.arguments if row else {})}
    tag = row.tag if row and (chosen is row or row.sha256 and sha256.startswith(row.sha256)) else None
    assumed = row.tag if row and tag is None else None
    return Pretrained(arrays, path, sha256, preprocessing, arguments, tag, variant.name, assumed)


def _from_library(variant: Variant, row: Weights) -> Pretrained:
    """Return weights that the family reads itself: a library's, or those of a saved model."""
    read = importlib.import_module(f"zoo.families.{variant.family}.weights").read_published
    arrays = read(variant, row)
    sha256, arguments = arrays_sha256(arrays), {**variant.arguments, **row.arguments}
    return Pretrained(arrays, Path(row.tag), sha256, row.preprocessing, arguments, row.tag, variant.name)


def _read_state(path: Path, limits: ReadLimits) -> dict[str, np.ndarray]:
    """Return the arrays of a file of torch's or safetensors', all of them floats but for torch's counters."""
    safe = path.suffix == ".safetensors" or path.name.endswith(INDEX_SUFFIX)
    state = read_safetensors(path, limits=limits) if safe else read_torch_file(path, limits=limits)
    kinds = {name: array.dtype for name, array in state.items() if not is_counter(name) and array.dtype.kind != "f"}
    if kinds:
        odd = [f"{name} {kind}" for name, kind in kinds.items()]
        raise ModelFileError(
            f"{path}: holds numbers that are no floats: {listings((('of another kind', odd),))}. "
            f"Weights that were made integers have lost their scale: take the file from before that"
        )
    return state


def _converted(
    variant: Variant, row: Weights | None, path: Path, state: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], Weights | None]:
    """Return arrays by our names out of a publisher's, and the row whose preprocessing goes with them."""
    naming, conversion = _best_naming(variant, row, path, state)
    if not conversion.fits:
        faults = (("missing", conversion.missing), ("not known", conversion.extra))
        raise ModelFileError(f"{path}: does not hold {variant.name}: {listings(faults)}{_held(variant, state)}")
    return conversion.arrays, row or _row_of(variant, naming, path)


def _held(variant: Variant, state: Mapping[str, np.ndarray]) -> str:
    """Return a sentence that names the variants of the family whose arrays are called as those of a file."""
    namings = importlib.import_module(f"zoo.families.{variant.family}.names").NAMINGS.values()
    rows = importlib.import_module(f"zoo.families.{variant.family}.table").VARIANTS
    fits = [row.name for row in rows if any(convert(state, naming, row.arguments).fits for naming in namings)]
    return f". Its names are those of {' or '.join(fits)}" if fits else ""


def _best_naming(
    variant: Variant, row: Weights | None, path: Path, state: Mapping[str, np.ndarray]
) -> tuple[str, Conversion]:
    """Return the naming (the row's, or the one that explains the file best) and the arrays by our names."""
    namings: dict[str, Naming] = importlib.import_module(f"zoo.families.{variant.family}.names").NAMINGS
    arguments = {**variant.arguments, **(row.arguments if row else {})}
    if not namings:
        raise ModelFileError(
            f"{path}: no publisher's names of arrays in .pth and .safetensors files are known for {variant.name}; "
            f"take a file that Keras saved"
        )
    found = {
        name: convert(state, naming, arguments) for name, naming in namings.items() if row is None or name == row.naming
    }
    return min(found.items(), key=lambda item: len(item[1].missing) + len(item[1].extra))


def _row_of(variant: Variant, naming: str, path: Path) -> Weights | None:
    """Return the row whose preprocessing and arguments go with a file of the user's, by the naming it follows."""
    rows = [row for row in variant.weights if row.naming == naming]
    if len({tuple(sorted(row.arguments.items())) for row in rows}) > 1:
        tags = " or ".join(row.tag for row in rows)
        raise ModelFileError(
            f"{path}: its names fit {tags}, which differ in padding or normalization. Say which it is: "
            f"finetune models import {path.name} --name {rows[0].tag}"
        )
    return rows[0] if rows else None


def _keep(copy: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        save_arrays(copy, arrays)
    except OSError:
        # A converted copy only saves a fraction of a second; a cache that cannot be written must not stop anyone.
        return


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by our names as safetensors, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(dict(arrays), temporary)
