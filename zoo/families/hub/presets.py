"""Presets of KerasHub as rows and weights of the zoo."""

import hashlib
import re
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np

from zoo.errors import ModelFileError
from zoo.families.hub.build import apply_preset, keras_hub, load_backbone
from zoo.families.hub.table import PREFIX
from zoo.spec import Preprocessing, Variant
from zoo.weights.load import Pretrained

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
    backbone = load_backbone(preset, _shape(preprocessing), weights=False)
    trained = sum(variable.shape.num_elements() for variable in backbone.trainable_variables)
    head = (backbone.output.shape[-1] + 1) * 1000
    arguments = MappingProxyType({"preset": preset})
    return Variant(name, "hub", trained + head, preprocessing, arguments, dropout=0.0)


def read_preset(variant: Variant) -> Pretrained:
    """Return the weights that a preset brings along.

    Args:
        variant: what `find_preset` gave.

    Returns:
        Arrays by the names that `named_weights` gives; the SHA-256 is that of the arrays, wherever they came from.

    Raises:
        ModelFileError: keras-hub is missing, or the preset cannot be read.
    """
    preset = variant.arguments["preset"]
    inputs = keras.Input(_shape(variant.preprocessing))
    model = keras.Model(inputs, apply_preset(inputs, preset, weights=True))
    arrays = {name: np.asarray(variable, "float32") for name, variable in named_weights(model).items()}
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} ".encode() + array.tobytes())
    return Pretrained(arrays, Path(preset), digest.hexdigest(), variant.preprocessing, variant.arguments, variant.name)


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Return a flat model's weights as "layer/variable", whatever was built before in this process.

    Keras numbers variables without a name through the process, and a layer made of layers may have a name twice: such
    names lose their number and get their place within the layer instead, "block/kernel", "block/kernel_1".
    """
    named = {}
    for layer in model.layers:
        seen = Counter()
        for variable in layer.weights:
            name = re.sub(r"_\d+$", "", variable.name)
            named[f"{layer.name}/{name}_{seen[name]}" if seen[name] else f"{layer.name}/{name}"] = variable
            seen[name] += 1
    return named


def _shape(preprocessing: Preprocessing) -> tuple[int, int, int]:
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
    return Preprocessing(size, tuple(mean.tolist()), tuple(std.tolist()), interpolation)
