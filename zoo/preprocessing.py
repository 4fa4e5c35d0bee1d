"""The part of preprocessing that lives inside every model."""

import keras
import numpy as np

from zoo.spec import Preprocessing

NORMALIZATION_LAYER = "preprocessing"


def normalize(x: keras.KerasTensor, preprocessing: Preprocessing) -> keras.KerasTensor:
    """Return `(x - mean) / std` per channel.

    Args:
        x: pictures, (batch, height, width, channels) float32 in [0, 255]; RGB where there are three channels.
        preprocessing: row with mean and std of red, green, blue in the same units. One channel takes their average,
            any other number repeats them in turn.
    """
    channels = x.shape[-1]
    mean, std = (per_channel(values, channels) for values in (preprocessing.mean, preprocessing.std))
    # Keras' layer takes the variance, the square of what papers print.
    return keras.layers.Normalization(mean=mean, variance=[s**2 for s in std], name=NORMALIZATION_LAYER)(x)


def per_channel(values: tuple[float, float, float], channels: int) -> list[float]:
    """Return means or standard deviations of red, green, blue for any number of channels, as `normalize` takes them."""
    return [sum(values) / 3] if channels == 1 else [values[channel % 3] for channel in range(channels)]


def normalization(model: keras.Model) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return mean and standard deviation that a model keeps inside, one a channel; None where `normalize` made none."""
    layer = next((layer for layer in model.layers if layer.name == NORMALIZATION_LAYER), None)
    if not isinstance(layer, keras.layers.Normalization) or layer.input_mean is None or layer.invert:
        return None
    mean, variance = (np.ravel(np.asarray(value, "float64")) for value in (layer.input_mean, layer.input_variance))
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())
