"""The weights of a saved model."""

from pathlib import Path

import keras
import numpy as np

from zoo.families.saved.build import apply_saved
from zoo.head import LOGITS_LAYER, find_classifier
from zoo.spec import Variant, Weights
from zoo.weights.keras_model import load_model
from zoo.weights.named import named_weights


def read_published(variant: Variant, row: Weights) -> dict[str, np.ndarray]:
    """Return the arrays of a saved model by the names that its copy has.

    Args:
        variant: what `find_saved` gave.
        row: its weights.

    Returns:
        Arrays of the backbone, and of the classifier where it is the zoo's.

    Raises:
        ModelFileError: the file is damaged or unsafe.
    """
    path = Path(variant.arguments["path"])
    model = load_model(path)
    size = row.preprocessing.image_size
    inputs = keras.Input((size, size, 3))
    flat = keras.Model(inputs, apply_saved(inputs, model, path, weights=True))
    arrays = {name: np.asarray(variable, "float32") for name, variable in named_weights(flat).items()}
    classifier = find_classifier(model)
    if classifier:
        kernel, bias = classifier.get_weights()
        arrays |= {f"{LOGITS_LAYER}/kernel": kernel, f"{LOGITS_LAYER}/bias": bias}
    return arrays
