"""What the backend of Keras computes on."""

import importlib

import keras


def has_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX has no backend of that name
        return False


def gpu_names() -> list[str]:
    """Return what the GPUs call themselves, with the version of the library that computes on them; none without any."""
    if not has_gpu():
        return []
    library = importlib.import_module(keras.backend.backend())
    if keras.backend.backend() == "tensorflow":
        details = library.config.experimental.get_device_details
        names = [str(details(one).get("device_name", "GPU")) for one in library.config.list_physical_devices("GPU")]
    elif keras.backend.backend() == "jax":
        names = [one.device_kind for one in library.devices()]
    else:
        names = keras.distribution.list_devices("gpu")
    return [*names, library.__version__]
