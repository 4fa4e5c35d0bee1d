"""Builder of EfficientNet-Lite: a pure function from a preprocessed picture to the last feature map."""

from dataclasses import dataclass

import keras

from zoo.families.efficientnet_lite.stages import STEM_FILTERS, TOP_FILTERS, Block, blocks

_MOMENTUM = 0.99


@dataclass(frozen=True)
class _Style:
    padding: str
    epsilon: float


def build(
    x: keras.KerasTensor,
    *,
    width: float,
    depth: float,
    stem: str = "standard",
    padding: str = "same",
    epsilon: float = 1e-3,
) -> keras.KerasTensor:
    """Apply EfficientNet-Lite without its classifier.

    Args:
        x: preprocessed pictures, (batch, height, width, channels) float32, about [-1, 1].
        width: factor on the filters of every stage.
        depth: factor on the repeats of every stage but the first and the last.
        stem: "standard", or "small" for pictures under 64 pixels: the first convolution keeps their size.
        padding: "same" as TensorFlow pads (more at the end), or "symmetric" as torch does. It belongs to the weights.
        epsilon: of BatchNormalization; Google's checkpoints have 1e-3, torch's own 1e-5.

    Returns:
        The feature map after the 1x1 convolution to 1280 filters: (batch, height / 32, width / 32, 1280), [0, 6].
    """
    style = _Style(padding, epsilon)
    x = _convolution(x, "stem", STEM_FILTERS, style, kernel_size=3, strides=1 if stem == "small" else 2)
    for block in blocks(width, depth):
        x = _inverted_residual(x, block, style)
    return _convolution(x, "top", TOP_FILTERS, style)


def _inverted_residual(x: keras.KerasTensor, block: Block, style: _Style) -> keras.KerasTensor:
    shortcut, filters_in = x, x.shape[-1]
    if block.expansion != 1:
        x = _convolution(x, f"{block.name}_expand", filters_in * block.expansion, style)
    x = _convolution(x, f"{block.name}_depthwise", None, style, kernel_size=block.kernel_size, strides=block.strides)
    x = _convolution(x, f"{block.name}_project", block.filters, style, activation=False)
    if block.strides == 1 and filters_in == block.filters:
        x = keras.layers.Add(name=f"{block.name}_add")([shortcut, x])
    return x


def _convolution(
    x: keras.KerasTensor,
    name: str,
    filters: int | None,
    style: _Style,
    *,
    kernel_size: int = 1,
    strides: int = 1,
    activation: bool = True,
) -> keras.KerasTensor:
    """Convolution (depthwise when `filters` is None), BatchNormalization and, where asked for, ReLU6."""
    padding = "same"
    if style.padding == "symmetric" and strides > 1:
        # for strides of 1 and odd kernels "same" is symmetric already
        x, padding = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x), "valid"
    options = {"strides": strides, "padding": padding, "use_bias": False, "name": f"{name}_conv"}
    if filters is None:
        convolution = keras.layers.DepthwiseConv2D(kernel_size, depthwise_initializer=_initializer(), **options)
    else:
        convolution = keras.layers.Conv2D(filters, kernel_size, kernel_initializer=_initializer(), **options)
    x = convolution(x)
    x = keras.layers.BatchNormalization(epsilon=style.epsilon, momentum=_MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if activation else x


def _initializer() -> keras.initializers.Initializer:
    # Fan-out scaled normal, as in the source. A new one for each layer: an initializer draws its seed when it is made,
    # and layers that share one get the same values.
    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="untruncated_normal")
