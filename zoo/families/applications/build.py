"""Builder of the models of keras.applications: Keras' own graph, copied onto ours layer by layer.

A plain call of `keras.applications.X(input_tensor=x)` falls short of what the zoo promises:

- Layers without a name of their own are numbered through the process ("conv2d_7"), so names depend on what was built
  before. Copies get the numbers of a fresh process.
- EfficientNet computes something else for `weights="imagenet"` than for other weights, since a compensating layer goes
  in. All of Keras' own Rescaling and Normalization is left out here: the row says what pixels become.
- ConvNeXt nests Sequential models. Their layers are copied one by one.
- Sums written as `a + b` are operations that `get_layer` does not find. They become layers.
"""

from inspect import signature

import keras

from zoo.copying import copy_onto
from zoo.errors import ConfigError

# What Keras puts between pixels and network; a row says the same as mean and std.
PREPARING = (keras.layers.Rescaling, keras.layers.Normalization)


def build(
    x: keras.KerasTensor,
    *,
    function: str,
    channel_order: str = "rgb",
    min_image_size: int = 32,
    stem: str = "standard",
) -> keras.KerasTensor:
    """Apply a model of keras.applications without its classifier and without its own preprocessing.

    Args:
        x: normalized pictures, (batch, height, width, channels) float32.
        function: name of the model's function in keras.applications.
        channel_order: "bgr" turns the channels of RGB pictures around, for weights that came from Caffe.
        min_image_size: smallest height and width; below it the model would have no places left.
        stem: "standard"; there is no other.

    Returns:
        The last feature map, (batch, about height / 32, about width / 32, filters).

    Raises:
        ConfigError: another stem, or a picture that is too small.
    """
    if stem != "standard":
        raise ConfigError(f"stem={stem!r} is not to be had with {function}: its stem is Keras' own; leave it out")
    if min(x.shape[1:3]) < min_image_size:
        raise ConfigError(
            f"{function} needs pictures of at least {min_image_size} x {min_image_size} pixels; "
            f"received {x.shape[1]} x {x.shape[2]}"
        )
    pictures = keras.Input(x.shape[1:])
    pictures = keras.ops.flip(pictures, axis=-1) if channel_order == "bgr" and x.shape[-1] == 3 else pictures
    make = getattr(keras.applications, function)
    # where Keras lets it be left out, for what it puts in may be for three channels only
    options = {"include_preprocessing": False} if "include_preprocessing" in signature(make).parameters else {}
    model = make(include_top=False, weights=None, input_tensor=pictures, **options)
    return copy_onto(x, model, leave_out=PREPARING)
