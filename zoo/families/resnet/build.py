"""Builder of ResNet and ResNeXt: a pure function from a preprocessed picture to the last feature map."""

import keras

from zoo.blocks import convolution, normalization
from zoo.blocks import stem as apply_stem
from zoo.families.resnet.stages import Block, blocks


def build(
    x: keras.KerasTensor,
    *,
    block: str,
    depths: tuple[int, ...],
    filters: tuple[int, ...],
    groups: int = 1,
    group_width: int = 64,
    stem: str = "standard",
) -> keras.KerasTensor:
    """Apply a ResNet without its classifier.

    Args:
        x: preprocessed pictures, (batch, height, width, channels) float32.
        block: "basic" or "bottleneck".
        depths: blocks of each stage.
        filters: of each stage's convolutions; a bottleneck ends in four times as many.
        groups: of a bottleneck's 3x3 convolution.
        group_width: channels of a group in the first stage.
        stem: "standard", or "small" for pictures under 64 pixels: the stem keeps their size.

    Returns:
        The feature map of the last stage, not negative: (batch, height / 32, width / 32, filters[-1]), four times the
        filters for bottlenecks. Sides are rounded up; with the small stem they are divided by 8 only.
    """
    x = apply_stem(x, filters[0], stem)
    for residual in blocks(block=block, depths=depths, filters=filters, groups=groups, group_width=group_width):
        x = _residual(x, residual)
    return x


def _residual(x: keras.KerasTensor, block: Block) -> keras.KerasTensor:
    shortcut = x
    if block.projects:
        filters = block.convolutions[-1].filters
        shortcut = convolution(x, f"{block.name}_shortcut_conv", filters, 1, strides=block.strides)
        shortcut = normalization(shortcut, f"{block.name}_shortcut_bn")
    for number, row in enumerate(block.convolutions, start=1):
        name = f"{block.name}_conv{number}"
        x = convolution(x, name, row.filters, row.kernel_size, strides=row.strides, groups=row.groups)
        x = normalization(x, f"{block.name}_bn{number}")
        if number < len(block.convolutions):
            x = keras.layers.ReLU(name=f"{block.name}_relu{number}")(x)
    x = keras.layers.Add(name=f"{block.name}_add")([shortcut, x])
    return keras.layers.ReLU(name=f"{block.name}_relu")(x)
