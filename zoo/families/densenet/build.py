"""Builder of DenseNet: a pure function from a preprocessed picture to the last feature map."""

import keras

from zoo.blocks import convolution, normalization
from zoo.blocks import stem as apply_stem

# Filters of a layer's 1x1 convolution, as a multiple of the growth rate (the "B" of DenseNet-BC).
_BOTTLENECK = 4


def build(
    x: keras.KerasTensor, *, growth_rate: int, depths: tuple[int, ...], stem_filters: int, stem: str = "standard"
) -> keras.KerasTensor:
    """Apply a DenseNet-BC without its classifier.

    Args:
        x: preprocessed pictures, (batch, height, width, channels) float32.
        growth_rate: channels that each block adds.
        depths: blocks of each stage.
        stem_filters: channels before the first stage.
        stem: "standard", or "small" for pictures under 64 pixels: the stem keeps their size.

    Returns:
        The normalized feature map of the last stage, not negative: (batch, height / 32, width / 32, channels). The
        stem rounds sides up, the transitions round them down; with the small stem they are divided by 8 only.
    """
    x = apply_stem(x, stem_filters, stem)
    for stage, depth in enumerate(depths, start=1):
        for number in range(1, depth + 1):
            x = _dense_block(x, f"stage{stage}_block{number}", growth_rate)
        if stage < len(depths):
            x = _transition(x, f"stage{stage}_transition")
    x = normalization(x, "top_bn")
    return keras.layers.ReLU(name="top_relu")(x)


def _dense_block(x: keras.KerasTensor, name: str, growth_rate: int) -> keras.KerasTensor:
    """Append `growth_rate` channels: normalization and ReLU, 1x1, normalization and ReLU, 3x3."""
    new = x
    for number, (filters, kernel_size) in enumerate(((_BOTTLENECK * growth_rate, 1), (growth_rate, 3)), start=1):
        new = normalization(new, f"{name}_bn{number}")
        new = keras.layers.ReLU(name=f"{name}_relu{number}")(new)
        new = convolution(new, f"{name}_conv{number}", filters, kernel_size)
    return keras.layers.Concatenate(name=f"{name}_concat")([x, new])


def _transition(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Halve channels and sides (the "C" of DenseNet-BC)."""
    x = normalization(x, f"{name}_bn")
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    x = convolution(x, f"{name}_conv", x.shape[-1] // 2, 1)
    return keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)
