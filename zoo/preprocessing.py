"""The part of preprocessing that lives inside every model."""

import keras

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
    mean, std = (_for_channels(values, channels) for values in (preprocessing.mean, preprocessing.std))
    # Keras' layer takes the variance, the square of what papers print.
    return keras.layers.Normalization(mean=mean, variance=[s**2 for s in std], name=NORMALIZATION_LAYER)(x)


def _for_channels(values: tuple[float, float, float], channels: int) -> list[float]:
    return [sum(values) / 3] if channels == 1 else [values[channel % 3] for channel in range(channels)]
