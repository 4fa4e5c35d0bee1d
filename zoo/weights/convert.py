"""Foreign arrays to ours: names by the family's table, axes by the kind of layer, and a report of what matched."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.spec import Naming

# kind: (our variable, foreign suffix, order of the foreign axes in ours, must it be there)
_ARRAYS = {
    # torch (out, in, height, width) to Keras (height, width, in, out)
    "conv": (("kernel", "weight", (2, 3, 1, 0), True), ("bias", "bias", (0,), False)),
    # torch (channels, 1, height, width) to Keras (height, width, channels, 1)
    "depthwise": (("kernel", "weight", (2, 3, 0, 1), True), ("bias", "bias", (0,), False)),
    # torch (out, in) to Keras (in, out)
    "dense": (("kernel", "weight", (1, 0), True), ("bias", "bias", (0,), True)),
    "norm": (
        ("gamma", "weight", (0,), True),
        ("beta", "bias", (0,), True),
        ("moving_mean", "running_mean", (0,), True),
        ("moving_variance", "running_var", (0,), True),
    ),
}


@dataclass(frozen=True)
class Conversion:
    """Arrays by our names "layer/variable", and the foreign names that were missing or left over."""

    arrays: dict[str, np.ndarray]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


def convert(state: Mapping[str, np.ndarray], naming: Naming, arguments: Mapping[str, object]) -> Conversion:
    """Translate a foreign state dict.

    Args:
        state: foreign name to array.
        naming: the publisher's names for the family's layers.
        arguments: of the variant's builder.

    Returns:
        Float32 arrays in Keras' axis order. An array of the wrong rank counts as missing. torch's counters of batches
        (`num_batches_tracked`) carry nothing that a model needs and are passed over.
    """
    left = {naming.rename(name): array for name, array in state.items() if not name.endswith("num_batches_tracked")}
    arrays, missing = {}, []
    for layer in naming.layers(**arguments):
        for ours, suffix, axes, required in _ARRAYS[layer.kind]:
            theirs = f"{layer.theirs}.{suffix}"
            array = left.pop(theirs, None)
            if array is not None and array.ndim == len(axes):
                arrays[f"{layer.ours}/{ours}"] = np.ascontiguousarray(array.transpose(axes), dtype="float32")
            elif required or array is not None:
                missing.append(theirs)
    return Conversion(arrays, tuple(missing), tuple(left))
