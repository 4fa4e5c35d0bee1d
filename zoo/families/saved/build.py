"""Builder of saved models' backbones: their graph up to the last feature map, copied onto ours layer by layer."""

from pathlib import Path

import keras

from zoo.copying import copy_onto
from zoo.errors import ConfigError, ModelFileError
from zoo.families.saved.cut import cut_backbone
from zoo.head import HEAD_LAYERS
from zoo.preprocessing import NORMALIZATION_LAYER, normalization
from zoo.weights.keras_model import load_graph

# Names that the zoo's own layers around a backbone have.
_RESERVED = (*HEAD_LAYERS, NORMALIZATION_LAYER)


def build(x: keras.KerasTensor, *, path: str, stem: str = "standard") -> keras.KerasTensor:
    """Apply a saved model without its head, with random weights; `weights.read_published` has its own.

    Models inside it are taken apart, so the graph is flat. All of its layers can be trained, whatever was frozen when
    it was saved.

    Args:
        x: pictures, (batch, height, width, channels) float32, normalized where the model's own normalization is ours.
        path: of the .keras file.
        stem: "standard"; there is no other.

    Returns:
        The last feature map, (batch, rows, columns, filters).

    Raises:
        ConfigError: another stem, or pictures of a size or with channels that the model's layers cannot take.
        ModelFileError: the file is damaged or unsafe, or holds no backbone.
    """
    if stem != "standard":
        raise ConfigError(f"stem={stem!r} is not to be had with {path}: its stem is the saved model's; leave it out")
    return apply_saved(x, load_graph(path), Path(path), weights=False)


def apply_saved(x: keras.KerasTensor, model: keras.Model, path: Path, *, weights: bool) -> keras.KerasTensor:
    """Apply copies of the layers of a saved model's backbone, with its weights or with random ones; see `build`."""
    backbone = cut_backbone(model, path)
    if is_normalized(model):
        backbone = keras.Model(model.get_layer(NORMALIZATION_LAYER).output, backbone.output)
    try:
        return copy_onto(x, backbone, reserved=_RESERVED, weights=weights)
    except (TypeError, ValueError) as error:
        shape, reason = tuple(x.shape[1:]), " ".join(str(error).split())[:200]
        if shape == tuple(backbone.inputs[0].shape[1:]):
            raise ModelFileError(f"{path}: its layers cannot be laid out as one flat graph: {reason}") from error
        raise ConfigError(f"{path} cannot take pictures of shape {shape}: {reason}") from error


def is_normalized(model: keras.Model) -> bool:
    """Whether a model begins with the zoo's own normalization, which a row then says."""
    if normalization(model) is None:
        return False
    try:
        return model.get_layer(NORMALIZATION_LAYER).input is model.inputs[0]
    except (AttributeError, ValueError):  # called more than once
        return False
