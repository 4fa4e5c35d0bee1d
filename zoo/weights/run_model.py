"""The model of a run directory, held against what the run says of it."""

from pathlib import Path

import keras
import numpy as np

from zoo.errors import ModelFileError
from zoo.model_card import ModelCard
from zoo.preprocessing import normalization
from zoo.spec import Preprocessing
from zoo.weights.keras_model import load_model
from zoo.weights.sources import file_sha256

# Mean and standard deviation pass through float32 and a square root on their way into the file and back.
_TOLERANCE = 1e-4
_REMEDY = "Put the run's own files back, or start the run again with --overwrite"


def load_run_model(path: Path, card: ModelCard) -> keras.Model:
    """Return a run's model, uncompiled.

    Args:
        path: of its model.keras.
        card: what its model.json says.

    Returns:
        Model whose outputs (batch, classes) go with the card's class names; where the card has a preprocessing, from
        RGB (batch, image_size, image_size, 3) in [0, 255].

    Raises:
        ModelFileError: the file is missing, damaged, unsafe, or another than the card describes: other bytes than were
            written, another number of outputs than class names, another size or normalization of pictures.
    """
    model = load_model(path)
    check_run_model(model, path, card)
    return model


def check_run_model(model: keras.Model, path: Path, card: ModelCard) -> None:
    """Compare a model, with or without weights, and its file with the card; errors are those of `load_run_model`."""
    found = file_sha256(path)
    if card.model_sha256 and found != card.model_sha256:
        raise ModelFileError(
            f"{path}: is not the model that model.json describes: SHA-256 is {found}, "
            f"and {card.model_sha256} was written. {_REMEDY}"
        )
    if len(model.outputs) != 1 or model.outputs[0].shape[1:] != (len(card.class_names),):
        shapes = ", ".join(str(tuple(output.shape[1:])) for output in model.outputs)
        raise ModelFileError(
            f"{path}: has outputs of shape {shapes}, but model.json names {len(card.class_names)} classes. {_REMEDY}"
        )
    if card.preprocessing:
        _check_pictures(model, path, card.preprocessing)


def _check_pictures(model: keras.Model, path: Path, preprocessing: Preprocessing) -> None:
    size, shapes = preprocessing.image_size, [tuple(tensor.shape[1:]) for tensor in model.inputs]
    if shapes != [(size, size, 3)]:
        found = ", ".join(map(str, shapes))
        raise ModelFileError(
            f"{path}: takes inputs of shape {found}, but model.json says pictures of {(size, size, 3)}. {_REMEDY}"
        )
    found, said = normalization(model), (preprocessing.mean, preprocessing.std)
    if found is None or not np.allclose(found, said, rtol=_TOLERANCE, atol=_TOLERANCE):
        inside = "none" if found is None else f"mean {_rounded(found[0])}, std {_rounded(found[1])}"
        raise ModelFileError(
            f"{path}: normalizes its pictures otherwise ({inside}) than model.json says "
            f"(mean {_rounded(said[0])}, std {_rounded(said[1])}). {_REMEDY}"
        )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 3) for value in values)
