"""A stack of convolutions with pooling, over one axis (series) or two (pictures)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import keras

from zoo.errors import ConfigError
from zoo.sequential import arguments
from zoo.sequential.layers import Hidden, activated, dropped, linear_options

PADDINGS = ("same", "valid")
POOLINGS = ("max", "average", "none")
_CONVOLUTION = MappingProxyType({1: keras.layers.Conv1D, 2: keras.layers.Conv2D})
_POOL = MappingProxyType(
    {
        ("max", 1): keras.layers.MaxPooling1D,
        ("max", 2): keras.layers.MaxPooling2D,
        ("average", 1): keras.layers.AveragePooling1D,
        ("average", 2): keras.layers.AveragePooling2D,
    }
)


@dataclass(frozen=True)
class Convolutions:
    """The blocks of a stack, all alike but for their filters; checked when it is made.

    Attributes:
        axes: 1 for series, 2 for pictures.
        filters: one number a block.
        kernel_size: along each axis, or one for all.
        strides: along each axis, or one for all.
        padding: of the convolutions, "same" or "valid"; pooling drops what does not fill a cell.
        pooling: "max", "average" or "none".
        pool_size: along each axis, or one for all; also the step of the pool.
    """

    axes: int
    filters: Sequence[int] | int
    kernel_size: Sequence[int] | int
    strides: Sequence[int] | int
    padding: str
    pooling: str
    pool_size: Sequence[int] | int

    def __post_init__(self) -> None:
        """Refuse what no block can be made of, and spell single numbers out."""
        object.__setattr__(self, "filters", arguments.sizes("filters", self.filters))
        for argument in ("kernel_size", "strides", "pool_size"):
            object.__setattr__(self, argument, arguments.extent(argument, getattr(self, argument), self.axes))
        arguments.one_of("padding", self.padding, PADDINGS)
        arguments.one_of("pooling", self.pooling, POOLINGS)


def convolution_layers(
    input_size: Sequence[int | None], convolutions: Convolutions, hidden: Hidden
) -> list[keras.Layer]:
    """Return the blocks, conv1, conv2 and so on: convolution, normalization, activation, pooling, dropout.

    Args:
        input_size: cells along each axis, None where unknown.
        convolutions: the blocks.
        hidden: what the hidden layers have in common.

    Raises:
        ConfigError: the input is too small for so many blocks.
    """
    _check_size(tuple(input_size), convolutions)
    axes, layers = convolutions.axes, []
    shape = {name: getattr(convolutions, name) for name in ("kernel_size", "strides", "padding")}
    for number, filters in enumerate(convolutions.filters, start=1):
        name = f"conv{number}"
        layers.append(_CONVOLUTION[axes](filters, **shape, **linear_options(name, hidden)))
        layers += activated(name, hidden)
        if convolutions.pooling != "none":
            layers.append(_POOL[convolutions.pooling, axes](convolutions.pool_size, name=f"{name}_pool"))
        layers += dropped(name, hidden, alpha=hidden.activation == "selu")
    return layers


def _check_size(size: tuple[int | None, ...], convolutions: Convolutions) -> None:
    """Follow the cells along each axis through the blocks, by the formulas of Keras' "same" and "valid"."""
    start, kernel, strides = size, convolutions.kernel_size, convolutions.strides
    for number in range(1, len(convolutions.filters) + 1):
        if convolutions.padding == "valid":
            _check_fits(start, size, f"conv{number}", ("kernel_size", kernel))
            size = _each_axis(lambda cells, kernel, step: (cells - kernel) // step + 1, size, kernel, strides)
        else:
            size = _each_axis(lambda cells, step: -(-cells // step), size, strides)
        if convolutions.pooling != "none":
            _check_fits(start, size, f"conv{number}_pool", ("pool_size", convolutions.pool_size))
            size = _each_axis(lambda cells, pool: cells // pool, size, convolutions.pool_size)


def _check_fits(start: tuple, size: tuple, layer: str, needed: tuple[str, tuple[int, ...]]) -> None:
    argument, least = needed
    if any(cells is not None and cells < fewest for cells, fewest in zip(size, least, strict=True)):
        remedy = "padding='same', a smaller kernel" if argument == "kernel_size" else "pooling='none', a smaller pool"
        raise ConfigError(
            f"input_shape is too small for so many layers: of {_times(start)} cells {_times(size)} are left before "
            f"{layer}, whose {argument} is {_times(least)}. Use a larger input, fewer entries in filters, {remedy}, or "
            "smaller strides."
        )


def _each_axis(after: Callable[..., int], size: tuple[int | None, ...], *others: tuple[int, ...]) -> tuple:
    return tuple(None if axis[0] is None else after(*axis) for axis in zip(size, *others, strict=True))


def _times(size: tuple) -> str:
    return " x ".join("any number of" if cells is None else str(cells) for cells in size)
