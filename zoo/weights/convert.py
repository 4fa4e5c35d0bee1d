"""Foreign arrays to ours: names by the family's table, axes by the kind of layer, and a report of what matched."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.head import LOGITS_LAYER
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

    @property
    def fits(self) -> bool:
        """Whether every array has found its place."""
        return not self.missing and not self.extra


def is_counter(name: str) -> bool:
    """Whether an array counts batches, as torch's BatchNorm does: it carries nothing that a model needs."""
    return name.endswith("num_batches_tracked")


def convert(state: Mapping[str, np.ndarray], naming: Naming, arguments: Mapping[str, object]) -> Conversion:
    """Translate a foreign state dict.

    Args:
        state: foreign name to array.
        naming: the publisher's names for the family's layers.
        arguments: of the variant's builder.

    Returns:
        Float32 arrays in Keras' axis order. An array of the wrong rank counts as missing. torch's counters of batches
        are passed over. The classifier may be left out as a whole.
    """
    left = {naming.rename(name): array for name, array in state.items() if not is_counter(name)}
    arrays, missing = {}, []
    for layer in naming.layers(**arguments):
        if layer.ours == LOGITS_LAYER and not any(name.startswith(f"{layer.theirs}.") for name in left):
            continue
        for ours, suffix, axes, required in _ARRAYS[layer.kind]:
            theirs = f"{layer.theirs}.{suffix}"
            array = left.pop(theirs, None)
            if array is not None and array.ndim == len(axes):
                arrays[f"{layer.ours}/{ours}"] = np.ascontiguousarray(array.transpose(axes), dtype="float32")
            elif required or array is not None:
                missing.append(theirs)
    return Conversion(arrays, tuple(missing), tuple(left))


def listings(faults: tuple[tuple[str, list[str] | tuple[str, ...]], ...], most: int = 5) -> str:
    """Return faults with their count and the first names."""
    parts = []
    for title, names in faults:
        more = f" and {len(names) - most} more" if len(names) > most else ""
        parts += [f"{len(names)} {title} ({', '.join(names[:most])}{more})"] if names else []
    return "; ".join(parts)
