"""Presets of KerasHub as rows of the zoo."""

from pathlib import Path
from types import MappingProxyType

import numpy as np

from zoo.errors import ModelFileError
from zoo.families.hub.build import keras_hub, load_backbone
from zoo.families.hub.table import PREFIX
from zoo.spec import FromLibrary, Preprocessing, Variant, Weights

# For presets that do not say: what most backbones were trained with.
_IMAGE_SIZE = 224
_PIXELS = Preprocessing(_IMAGE_SIZE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear")
# Differences between two ways to compute (x - mean) / std in float32, relative to the largest value.
_TOLERANCE = 1e-5


def find_preset(name: str) -> Variant:
    """Return the row of a preset; builds its backbone once to count the parameters.

    Args:
        name: "hub:" and the name of a preset or the path of a folder.

    Raises:
        ModelFileError: keras-hub is missing, there is no such preset, or its pictures cannot be prepared here.
    """
    preset = str(Path(name.removeprefix(PREFIX)).expanduser()) if "://" not in name else name.removeprefix(PREFIX)
    preprocessing = _preprocessing(preset)
    backbone = load_backbone(preset, preset_shape(preprocessing), weights=False)
    trained = sum(variable.shape.num_elements() for variable in backbone.trainable_variables)
    head = (backbone.output.shape[-1] + 1) * 1000
    arguments = MappingProxyType({"preset": preset})
    weights = Weights(name, "", "as its publisher states", 0, preprocessing, FromLibrary("keras_hub"))
    return Variant(name, "hub", trained + head, preprocessing, arguments, dropout=0.0, weights=(weights,))


def preset_shape(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Return the shape of the pictures that a preset was made for."""
    return (preprocessing.image_size, preprocessing.image_size, 3)


def _preprocessing(preset: str) -> Preprocessing:
    """Return a preset's image converter as a row; without one, pixels are taken as they are."""
    try:
        converter = keras_hub().layers.ImageConverter.from_preset(preset)
    except (ValueError, OSError, TypeError, KeyError):
        # also where there is no such preset at all, which load_backbone says better
        return _PIXELS
    scale = np.broadcast_to(1.0 if converter.scale is None else converter.scale, 3).astype(float)
    offset = np.broadcast_to(0.0 if converter.offset is None else converter.offset, 3).astype(float)
    size = min(converter.image_size or (_IMAGE_SIZE,))
    interpolation = converter.interpolation if converter.interpolation in ("bilinear", "bicubic") else "bicubic"
    mean, std = -offset / scale, 1 / scale
    pictures = np.random.default_rng(0).uniform(0, 255, (1, *(converter.image_size or (8, 8)), 3)).astype("float32")
    expected = (pictures - mean) / std
    if not np.abs(np.asarray(converter(pictures)) - expected).max() <= _TOLERANCE * np.abs(expected).max():
        raise ModelFileError(f"hub:{preset} prepares its pictures by more than a mean and a standard deviation")
    resize = "crop" if converter.crop_to_aspect_ratio else "pad" if converter.pad_to_aspect_ratio else "stretch"
    return Preprocessing(size, tuple(mean.tolist()), tuple(std.tolist()), interpolation, resize=resize)
