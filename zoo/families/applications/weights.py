"""The weights that Keras publishes for its applications, as it fetches and reads them itself."""

import contextlib
import sys

import keras
import numpy as np

from zoo.copying import copy_onto
from zoo.errors import ModelFileError
from zoo.families.applications.build import PREPARING
from zoo.families.applications.table import own_head
from zoo.head import LOGITS_LAYER
from zoo.spec import Variant, Weights
from zoo.weights.named import named_weights


def read_published(variant: Variant, row: Weights) -> dict[str, np.ndarray]:
    """Return the arrays of a row.

    Keras fetches the file on first use and keeps it in its own cache, `~/.keras/models`.

    Args:
        variant: row of the model.
        row: its weights.

    Returns:
        Arrays by our names; the classifier is among them where it is one layer on the pooled features.

    Raises:
        ModelFileError: the file is not here and cannot be fetched.
    """
    function = variant.arguments["function"]
    head = own_head(function) is None
    shape = (variant.preprocessing.image_size, variant.preprocessing.image_size, 3)
    try:
        # Keras shows its progress on stdout, where results belong
        with contextlib.redirect_stdout(sys.stderr):
            make = getattr(keras.applications, function)
            theirs = make(include_top=head, weights="imagenet", input_shape=shape)
    # Keras raises Exception itself where a download fails
    except Exception as error:
        raise ModelFileError(
            f"weights {row.tag} are not on this machine and Keras could not fetch them "
            f"({str(error).strip().partition(chr(10))[0]}). Where there is a network, "
            f"keras.applications.{function}() puts them into ~/.keras/models; copy that folder here"
        ) from error
    features = _feature_map(theirs) if head else theirs
    inputs = keras.Input(features.input_shape[1:])
    pictures = keras.ops.flip(inputs, axis=-1) if variant.arguments.get("channel_order") == "bgr" else inputs
    model = keras.Model(inputs, copy_onto(pictures, features, leave_out=PREPARING, weights=True))
    arrays = {name: np.asarray(variable, "float32") for name, variable in named_weights(model).items()}
    if head:
        kernel, bias = theirs.get_layer("conv_preds" if function == "MobileNet" else "predictions").get_weights()
        arrays |= {f"{LOGITS_LAYER}/kernel": kernel.reshape(-1, kernel.shape[-1]), f"{LOGITS_LAYER}/bias": bias}
    return arrays


def _feature_map(model: keras.Model) -> keras.Model:
    """Return a classifier up to what its last pooling takes the mean of."""
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    return keras.Model(model.inputs, pools[-1].input)
