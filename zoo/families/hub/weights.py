"""The weights that a preset of KerasHub brings along."""

import keras
import numpy as np

from zoo.families.hub.build import apply_preset
from zoo.families.hub.presets import preset_shape
from zoo.spec import Variant, Weights
from zoo.weights.named import named_weights


def read_published(variant: Variant, row: Weights) -> dict[str, np.ndarray]:
    """Return the arrays of a preset's backbone by our names.

    Args:
        variant: what `find_preset` gave.
        row: its weights.

    Raises:
        ModelFileError: keras-hub is missing, or the preset cannot be read.
    """
    inputs = keras.Input(preset_shape(row.preprocessing))
    model = keras.Model(inputs, apply_preset(inputs, variant.arguments["preset"], weights=True))
    return {name: np.asarray(variable, "float32") for name, variable in named_weights(model).items()}
