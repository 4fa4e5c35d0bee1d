"""Layers that ResNet and DenseNet share, computed as torch computes them, for weights that were trained there."""

import keras

# torch's defaults; its momentum of 0.1 is the share of the new batch, Keras' that of the old average.
_EPSILON = 1e-5
_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="zoo")
class GroupedConv2D(keras.layers.Conv2D):
    """Conv2D whose groups are convolved one by one; weights, options and results are those of `Conv2D(groups=...)`.

    On TensorFlow, Keras compiles every grouped convolution with XLA, whose gradient on a CPU is beyond use: 12 s for
    8 pictures of 56x56x128 in 32 groups, against 0.06 s here. Called eagerly it even compiles anew each time.
    """

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        """Return the convolution of each group's channels with its share of the filters, side by side."""
        pairs = zip(
            keras.ops.split(inputs, self.groups, axis=-1), keras.ops.split(kernel, self.groups, axis=-1), strict=True
        )
        convolve = super().convolution_op
        return keras.ops.concatenate([convolve(*pair) for pair in pairs], axis=-1)


def stem(x: keras.KerasTensor, filters: int, kind: str) -> keras.KerasTensor:
    """Apply the layers in front of the first stage.

    Args:
        x: preprocessed pictures, (batch, height, width, channels).
        filters: of the convolution.
        kind: "standard" divides the sides by 4 with a 7x7 convolution and a pooling; "small", for pictures under 64
            pixels, keeps their size with a 3x3 convolution (He et al. 2016, section 4.2, on CIFAR-10).

    Returns:
        (batch, height / 4, width / 4, filters), or (batch, height, width, filters) for "small"; not negative.
    """
    small = kind == "small"
    x = convolution(x, "stem_conv", filters, 3 if small else 7, strides=1 if small else 2)
    x = normalization(x, "stem_bn")
    x = keras.layers.ReLU(name="stem_relu")(x)
    if small:
        return x
    # torch pads a maximum with -inf; behind a ReLU zeros are the same
    x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return keras.layers.MaxPooling2D(3, strides=2, name="stem_pool")(x)


def convolution(
    x: keras.KerasTensor, name: str, filters: int, kernel_size: int, *, strides: int = 1, groups: int = 1
) -> keras.KerasTensor:
    """Apply a convolution without bias that pads half the kernel on every side, whatever the strides.

    Args:
        x: (batch, height, width, channels).
        name: of the layer.
        filters: number of outputs; a multiple of `groups`, as are the channels.
        kernel_size: odd side of the kernel.
        strides: of both axes.
        groups: sets of channels that do not see each other.
    """
    padding = "same"
    if strides > 1 and kernel_size > 1:
        # with strides, "same" pads less in front; without, it is symmetric already
        x, padding = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x), "valid"
    layer = keras.layers.Conv2D if groups == 1 else GroupedConv2D
    # He et al. 2015 scaled by fan-out, as both families' authors have it. A new initializer for each layer: it draws
    # its seed when it is made, and layers that share one get the same values.
    initializer = keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")
    options = {"strides": strides, "padding": padding, "groups": groups, "use_bias": False, "name": name}
    return layer(filters, kernel_size, kernel_initializer=initializer, **options)(x)


def normalization(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Apply BatchNormalization with torch's constants."""
    return keras.layers.BatchNormalization(epsilon=_EPSILON, momentum=_MOMENTUM, name=name)(x)
