"""Weights for a variant out of a .keras file, whose model must be that variant: layer by layer, with every setting."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from zoo.errors import ModelFileError
from zoo.head import HEAD_LAYERS, find_classifier
from zoo.preprocessing import NORMALIZATION_LAYER, normalization, per_channel
from zoo.spec import Preprocessing, Variant, Weights
from zoo.weights.keras_config import Layer, Network, read_config
from zoo.weights.keras_limits import DEFAULT_KERAS_LIMITS, KerasLimits
from zoo.weights.keras_model import load_model
from zoo.weights.named import named_weights
from zoo.weights.reference import reference_backbone
from zoo.weights.weight_file import shown

# Settings that change nothing of what a trained model answers.
_TRAINING = ("trainable", "dtype", "seed", "rate", "batch_shape", "mean", "variance")
_TRAINING_ENDS = ("initializer", "regularizer", "constraint")
_MOST_LISTED = 3


@dataclass(frozen=True)
class KerasWeights:
    """Weights out of a file of Keras, and what goes with them.

    Attributes:
        arrays: "layer/variable" in our names to float32 arrays; the head among them where the file has one of ours.
        preprocessing: what they were trained with.
        arguments: of the family's builder.
    """

    arrays: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    arguments: Mapping[str, object]


def read_keras_model(
    variant: Variant, row: Weights | None, path: Path, *, limits: KerasLimits = DEFAULT_KERAS_LIMITS
) -> KerasWeights:
    """Return the weights of a saved model of the zoo.

    Args:
        variant: what the model must be.
        row: weights that the file stands for: it must prepare its pictures as they do. None accepts what the file
            itself says: its mean and standard deviation are taken over, and its size of pictures.
        path: what `model.save` wrote.
        limits: how much the file may ask for.

    Raises:
        ModelFileError: the file is unsafe or damaged, holds another model, or does not go with the row.
    """
    model = load_model(path, limits=limits)
    found = normalization(model)
    if found is None or not isinstance(model.input_shape, tuple) or len(model.input_shape) != 4:
        raise ModelFileError(
            f"{path}: is no model of the zoo: it has no layer {NORMALIZATION_LAYER!r} that normalizes pictures. "
            f"As a backbone of its own it is accepted: --model {path}, or zoo.create({str(path)!r}, num_classes=...)"
        )
    faults = {}
    for preprocessing, arguments in _candidates(variant, row):
        shape = tuple(size or preprocessing.image_size for size in model.input_shape[1:])
        backbone = reference_backbone(variant, preprocessing, arguments, shape)
        differences = _differences(_described(model, limits), _described(backbone, limits))
        if not differences:
            taken = _preprocessing(preprocessing, model, found, path, exactly=row is not None)
            return KerasWeights(_arrays(model), taken, arguments)
        faults[len(differences)] = differences
    fewest = faults[min(faults)]
    more = f" and {len(fewest) - _MOST_LISTED} more" if len(fewest) > _MOST_LISTED else ""
    raise ModelFileError(
        f"{path}: is another model than {row.tag if row else variant.name}: {'; '.join(fewest[:_MOST_LISTED])}{more}. "
        f"Name the model that was saved, or take the file as a backbone of its own: --model {path}"
    )


def _arrays(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a model's arrays; without those of a head that says something else than classes."""
    head = find_classifier(model)
    named = named_weights(model).items()
    return {name: np.asarray(v, "float32") for name, v in named if head or name.partition("/")[0] not in HEAD_LAYERS}


def _candidates(variant: Variant, row: Weights | None) -> list[tuple[Preprocessing, Mapping[str, object]]]:
    """Return preprocessing and arguments of the row alone, or of the variant and all its rows."""
    rows = [row] if row else variant.weights
    found = [(row.preprocessing, {**variant.arguments, **row.arguments}) for row in rows]
    return found if row else [(variant.preprocessing, dict(variant.arguments)), *found]


def _described(model: keras.Model, limits: KerasLimits) -> Network:
    return read_config(json.loads(model.to_json()), limits)


def _differences(found: Network, expected: Network) -> list[str]:
    """Return in words where two networks differ, the head and what only matters in training left out."""
    ours = {layer.name: layer for layer in expected.layers}
    theirs = {layer.name: layer for layer in found.layers if layer.name in ours or layer.name not in HEAD_LAYERS}
    differences = [f"layer {shown(name)} is missing" for name in ours if name not in theirs]
    differences += [f"layer {shown(name)} is not known" for name in theirs if name not in ours]
    for name, layer in ours.items():
        if name in theirs:
            differences += _unlike(theirs[name], layer)
    return differences


def _unlike(found: Layer | Network, expected: Layer | Network) -> Iterator[str]:
    if found.kind != expected.kind or isinstance(found, Network) or isinstance(expected, Network):
        yield f"layer {shown(found.name)} is {found.kind} instead of {expected.kind}"
        return
    for key in sorted(set(found.config) | set(expected.config)):
        if key in _TRAINING or key.endswith(_TRAINING_ENDS):
            continue
        theirs, ours = found.config.get(key), expected.config.get(key)
        if theirs != ours:
            yield f"layer {shown(found.name)} has {key} = {shown(str(theirs))} instead of {shown(str(ours))}"
    if found.calls != expected.calls:
        yield f"layer {shown(found.name)} follows other layers"


def _preprocessing(
    row: Preprocessing,
    model: keras.Model,
    found: tuple[tuple[float, ...], tuple[float, ...]],
    path: Path,
    *,
    exactly: bool,
) -> Preprocessing:
    """Return the row, with mean, standard deviation and size of pictures of the model where these may differ."""
    channels, sizes = len(found[0]), set(model.input_shape[1:3])
    expected = (per_channel(row.mean, channels), per_channel(row.std, channels))
    agrees = np.allclose(found, expected, rtol=1e-4, atol=1e-4)
    if not agrees and (exactly or channels != 3):
        raise ModelFileError(
            f"{path}: prepares its pictures otherwise than these weights need it: mean and standard deviation are "
            f"{np.round(found, 3).tolist()} instead of {np.round(expected, 3).tolist()}"
        )
    size = sizes.pop() if len(sizes) == 1 else None
    row = row if agrees else replace(row, mean=found[0], std=found[1])
    return replace(row, image_size=size) if size and not exactly else row
