"""What the backend of Keras computes on."""

import keras


def has_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX has no backend of that name
        return False
