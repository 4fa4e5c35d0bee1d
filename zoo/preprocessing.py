"""The part of preprocessing that lives inside every model."""

import keras

from zoo.spec import Preprocessing


def normalize(x: keras.KerasTensor, preprocessing: Preprocessing) -> keras.KerasTensor:
    """Return `(x - mean) / std` per channel.

    Args:
        x: RGB pictures, (batch, height, width, 3) float32 in [0, 255].
        preprocessing: row with mean and std in the same units.
    """
    # Keras' layer takes the variance, the square of what papers print.
    variance = [std**2 for std in preprocessing.std]
    return keras.layers.Normalization(mean=list(preprocessing.mean), variance=variance, name="preprocessing")(x)
