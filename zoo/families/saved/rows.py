"""Saved models as rows of the zoo."""

from pathlib import Path
from types import MappingProxyType

import keras

from zoo.errors import ConfigError, ModelFileError
from zoo.families.saved.build import is_normalized
from zoo.families.saved.cut import cut_backbone
from zoo.head import DROPOUT_LAYER, find_classifier
from zoo.model_card import MODEL_FILE, read_card
from zoo.preprocessing import normalization
from zoo.spec import Preprocessing, SavedModel, Variant, Weights
from zoo.weights.keras_model import load_graph
from zoo.weights.run_model import check_run_model
from zoo.weights.sources import file_sha256

# For models that take pictures of any size.
_IMAGE_SIZE = 224


def find_saved(name: str) -> Variant:
    """Return the row of a saved model; reads its description, not its weights.

    A run directory says itself how its pictures are prepared. A .keras file of the zoo keeps mean and standard
    deviation inside. To any other .keras file pixels in [0, 255] go as they are, in the size of its input.

    Args:
        name: path of a run directory, or of a .keras file.

    Raises:
        ConfigError: there is nothing at this path.
        ModelFileError: the file is damaged or unsafe, holds no backbone for RGB pictures, or is not the run's.
        RunStateError: the directory holds no run.
    """
    path = Path(name).expanduser().absolute()
    if not path.exists():
        raise ConfigError(f"model {name!r}: there is neither a run directory nor a .keras file at {path}")
    card = read_card(path) if path.is_dir() else None
    file = path / MODEL_FILE if card else path
    model = load_graph(file)
    if card:
        check_run_model(model, file, card)
        if card.preprocessing is None:
            raise ModelFileError(f"{path}: is a run on something else than pictures, and no backbone for them")
    backbone, classifier = cut_backbone(model, file), find_classifier(model)
    preprocessing = card.preprocessing if card else _preprocessing(model, file)
    trained = sum(variable.shape.num_elements() for variable in backbone.trainable_variables)
    weights = Weights(
        tag=str(path),
        sha256=file_sha256(file),
        licence="the user's own",
        num_classes=classifier.units if classifier else 0,
        preprocessing=preprocessing,
        source=SavedModel(str(file)),
        naming="keras",
    )
    return Variant(
        name=name,
        family="saved",
        parameters=trained + (backbone.output.shape[-1] + 1) * 1000,
        preprocessing=preprocessing,
        arguments=MappingProxyType({"path": str(file)}),
        dropout=model.get_layer(DROPOUT_LAYER).rate if classifier else 0.0,
        weights=(weights,),
        model_name=model.name.removesuffix("_backbone"),
    )


def _preprocessing(model: keras.Model, path: Path) -> Preprocessing:
    height, width = model.inputs[0].shape[1:3]
    if height != width:
        raise ModelFileError(f"{path}: takes pictures of {height} x {width}; square ones accepted")
    size = height or _IMAGE_SIZE
    if is_normalized(model):
        mean, std = normalization(model)
        return Preprocessing(size, mean, std)
    return Preprocessing(size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
