"""Where a saved model's backbone ends: at the last feature map, before the head that it was trained with."""

from pathlib import Path

import keras

from zoo.errors import ModelFileError

# Layers that end the part of a network that knows places.
_ENDS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D, keras.layers.Flatten)
_ACCEPTED = (
    "accepted is a model of one input (batch, height, width, 3) whose last global pooling or Flatten takes a feature "
    "map (batch, height, width, channels), or whose output is one"
)


def cut_backbone(model: keras.Model, path: Path) -> keras.Model:
    """Return a model up to its last feature map, with the same layers, all of which can be trained from then on.

    That is the input of the last global pooling or Flatten, or the output itself where it is a feature map.

    Args:
        model: functional or sequential.
        path: of its file, for messages.

    Raises:
        ModelFileError: it does not take RGB pictures, or there is no such place, or the output comes around it too.
    """
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4 or model.inputs[0].shape[-1] != 3:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in model.inputs)
        raise ModelFileError(f"{path}: is no backbone for pictures: its input is {shapes}; {_ACCEPTED}")
    if len(model.outputs) != 1:
        raise ModelFileError(f"{path}: is no backbone for pictures: it has {len(model.outputs)} outputs; {_ACCEPTED}")
    output = model.outputs[0]
    if len(output.shape) == 4:
        return _trainable(keras.Model(model.inputs, output))
    end = next((layer for layer in reversed(model.layers) if isinstance(layer, _ENDS)), None)
    if end is None:
        raise ModelFileError(f"{path}: has no global pooling or Flatten to cut its head off at; {_ACCEPTED}")
    features = _input(end)
    if features is None or len(features.shape) != 4 or getattr(end, "data_format", None) == "channels_first":
        raise ModelFileError(
            f"{path}: cannot be cut at its last pooling, the layer {end.name!r}: that takes no feature map "
            f"(batch, height, width, channels); {_ACCEPTED}"
        )
    try:
        keras.Model(end.output, output)
    except ValueError as error:  # not connected: part of the output does not come by this layer
        raise ModelFileError(
            f"{path}: cannot be cut at its last pooling, the layer {end.name!r}: the output comes by other ways too; "
            f"{_ACCEPTED}"
        ) from error
    return _trainable(keras.Model(model.inputs, features))


def _trainable(model: keras.Model) -> keras.Model:
    model.trainable = False  # Keras tells the layers of a change alone
    model.trainable = True
    return model


def _input(layer: keras.Layer) -> keras.KerasTensor | None:
    """Return what a layer was called on; None where that was more than one tensor, or more than once."""
    try:
        found = layer.input
    except (AttributeError, ValueError):
        return None
    return found if isinstance(found, keras.KerasTensor) else None
