"""A model's weights by names that do not depend on what was built before."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping

import keras
import numpy as np


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Return a flat model's weights as "layer/variable", in the order of the layers.

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


def arrays_sha256(arrays: Mapping[str, np.ndarray]) -> str:
    """Return one SHA-256 for arrays, their names and shapes, wherever they came from; in hexadecimal."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
