"""Augmentation: what makes training pictures differ from epoch to epoch, as layers in front of the network."""

from types import MappingProxyType

import keras

# Each level has what the one before has. Angles are shares of a full turn, the rest shares of the side.
_RANGE = (0.0, 255.0)
_LEVELS = MappingProxyType(
    {
        "none": (),
        "light": (("RandomFlip", {"mode": "horizontal"}), ("RandomTranslation", {"height_factor": 0.05})),
        "medium": (
            ("RandomFlip", {"mode": "horizontal"}),
            ("RandomTranslation", {"height_factor": 0.1}),
            ("RandomRotation", {"factor": 0.04}),
            ("RandomZoom", {"height_factor": 0.15}),
            ("RandomBrightness", {"factor": 0.1, "value_range": _RANGE}),
            ("RandomContrast", {"factor": 0.1, "value_range": _RANGE}),
        ),
        "strong": (
            ("RandomFlip", {"mode": "horizontal"}),
            ("RandomTranslation", {"height_factor": 0.15}),
            ("RandomRotation", {"factor": 0.08}),
            ("RandomZoom", {"height_factor": 0.3}),
            ("RandomBrightness", {"factor": 0.25, "value_range": _RANGE}),
            ("RandomContrast", {"factor": 0.25, "value_range": _RANGE}),
            ("RandomErasing", {"factor": 0.5, "scale": (0.02, 0.15), "value_range": _RANGE}),
        ),
    }
)
LEVELS = tuple(_LEVELS)


def augmented(network: keras.Model, level: str, *, seed: int) -> keras.Model:
    """Return a model for training: the network behind augmentation that only training uses.

    The network's own layers and weights are in it, so what it learns the network has learned.

    Args:
        network: pictures (batch, height, width, 3) in [0, 255] to logits.
        level: one of `LEVELS`; horizontal flips belong to all but "none", so that is for pictures with writing.
        seed: of what is drawn; a layer's own seed depends on its place too.
    """
    if not _LEVELS[level]:
        return network
    inputs = x = keras.Input(network.input_shape[1:], name="picture")
    for layer in layers(level, seed=seed):
        x = layer(x)
    return keras.Model(inputs, network(x), name=f"augmented_{network.name}")


def layers(level: str, *, seed: int) -> list[keras.Layer]:
    """Return the layers of a level, in order."""
    found = []
    for place, (kind, options) in enumerate(_LEVELS[level]):
        options = dict(options)
        if "height_factor" in options:
            options["width_factor"] = options["height_factor"]
        found.append(
            getattr(keras.layers, kind)(**options, seed=seed + 1000 * (place + 1), name=f"augment_{place + 1}")
        )
    return found
