"""Builder of KerasHub's image backbones: their graph, copied onto ours layer by layer."""

import importlib
from types import ModuleType

import keras

from zoo.copying import copy_onto
from zoo.errors import ConfigError, ModelFileError, nearest


def build(x: keras.KerasTensor, *, preset: str, stem: str = "standard") -> keras.KerasTensor:
    """Apply the backbone of a preset with random weights; `weights.read_published` has the preset's own.

    Models inside the backbone are taken apart, so the graph is flat. KerasHub's own layers, which EfficientNet,
    MobileNet and others have, stay as they are: a model with them can be used and trained, but our reader of .keras
    files, which knows Keras' layers alone, does not open it again, so `finetune fit` refuses it. KerasHub publishes
    these classes in no public module, so no list of them would hold. ResNet, DenseNet, VGG and Xception have none.

    Args:
        x: normalized pictures, (batch, height, width, channels) float32.
        preset: name of a preset, or path of a folder that `save_to_preset` wrote.
        stem: "standard"; there is no other.

    Returns:
        The last feature map, (batch, rows, columns, filters).

    Raises:
        ConfigError: another stem.
        ModelFileError: keras-hub is missing, there is no such preset, or its backbone gives no feature map.
    """
    if stem != "standard":
        raise ConfigError(f"stem={stem!r} is not to be had with hub:{preset}: its stem is KerasHub's own; leave it out")
    return apply_preset(x, preset, weights=False)


def apply_preset(x: keras.KerasTensor, preset: str, *, weights: bool) -> keras.KerasTensor:
    """Apply copies of a preset's layers, with its weights or with random ones; see `build`."""
    backbone = load_backbone(preset, tuple(x.shape[1:]), weights=weights)
    try:
        return copy_onto(x, backbone, weights=weights)
    except (TypeError, ValueError) as error:
        raise ModelFileError(
            f"hub:{preset} has layers that cannot be made again from their configuration, so no model with them "
            f"could be saved: {_first_line(error)}"
        ) from error


def load_backbone(preset: str, input_shape: tuple[int, int, int], *, weights: bool) -> keras.Model:
    """Return a preset's backbone as KerasHub builds it, up to its last feature map.

    Args:
        preset: name or folder.
        input_shape: (height, width, channels).
        weights: whether to load the preset's weights.

    Raises:
        ModelFileError: keras-hub is missing, there is no such preset, or its backbone gives no feature map.
    """
    models = keras_hub().models
    try:
        backbone = models.Backbone.from_preset(preset, load_weights=weights, image_shape=input_shape)
    # OSError: no such file, no network; TypeError: a backbone that takes no pictures has no image_shape
    except (ValueError, OSError, TypeError, KeyError) as error:
        near = nearest(preset, models.Backbone.presets) if str(error).startswith("Unknown preset") else ""
        raise ModelFileError(f"hub:{preset} cannot be loaded by KerasHub: {_first_line(error)}{near}") from error
    outputs = keras.tree.flatten(backbone.output)
    if len(backbone.inputs) != 1 or any(len(output.shape) != 4 for output in outputs):
        shapes = ", ".join(str(tuple(output.shape)) for output in outputs)
        raise ModelFileError(
            f"hub:{preset} gives {shapes} instead of a feature map (batch, height, width, channels) for a picture; "
            f"take a convolutional backbone such as hub:resnet_50_imagenet"
        )
    # some give the maps of all their stages
    last = min(outputs, key=lambda output: output.shape[1]) if len(outputs) > 1 else outputs[0]
    return keras.Model(backbone.inputs, last)


def keras_hub() -> ModuleType:
    """Return the library.

    Raises:
        ModelFileError: it is not installed, or one of its own dependencies is not.
    """
    try:
        return importlib.import_module("keras_hub")
    except ImportError as error:
        raise ModelFileError(
            f"models named hub:... need the extra `hub` ({_first_line(error)}): pip install 'keras-graft[hub]'"
        ) from error


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0].removesuffix(" A preset must be a one of:")
    return (line if len(line) <= 200 else f"{line[:200]}...") or type(error).__name__
