"""The blocks of a ResNet, convolution by convolution, for the builder and for the names of foreign weights."""

from collections.abc import Iterator
from dataclasses import dataclass

# Filters at the end of a bottleneck, as a multiple of the stage's.
_EXPANSION = 4


@dataclass(frozen=True)
class Convolution:
    """One convolution of a block's residual path."""

    kernel_size: int
    filters: int
    strides: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Block:
    """One residual block; stage and number count from 1.

    Attributes:
        stage: of the block.
        number: of the block in its stage.
        convolutions: of the residual path, in order.
        strides: of the block as a whole.
        projects: whether the shortcut is a 1x1 convolution, because size or filters change; else it is the identity.
    """

    stage: int
    number: int
    convolutions: tuple[Convolution, ...]
    strides: int
    projects: bool

    @property
    def name(self) -> str:
        """Prefix of the names of the block's layers."""
        return f"stage{self.stage}_block{self.number}"


def blocks(
    *, block: str, depths: tuple[int, ...], filters: tuple[int, ...], groups: int = 1, group_width: int = 64
) -> Iterator[Block]:
    """Yield the blocks of a variant in order.

    Args:
        block: "basic", or "bottleneck" with the strides on its 3x3 convolution (torchvision's "v1.5").
        depths: blocks of each stage.
        filters: of each stage's convolutions; a bottleneck ends in four times as many. The first is the stem's too.
        groups: of a bottleneck's 3x3 convolution (ResNeXt's cardinality).
        group_width: channels of a group in the first stage; they grow as `filters` do.
    """
    filters_in = filters[0]
    for stage, (depth, width) in enumerate(zip(depths, filters, strict=True), start=1):
        inner = groups * group_width * width // filters[0]
        for number in range(1, depth + 1):
            strides = 2 if stage > 1 and number == 1 else 1
            convolutions = _basic(width, strides) if block == "basic" else _bottleneck(width, inner, strides, groups)
            filters_out = convolutions[-1].filters
            yield Block(stage, number, convolutions, strides, projects=strides > 1 or filters_in != filters_out)
            filters_in = filters_out


def _basic(filters: int, strides: int) -> tuple[Convolution, ...]:
    return Convolution(3, filters, strides), Convolution(3, filters)


def _bottleneck(filters: int, inner: int, strides: int, groups: int) -> tuple[Convolution, ...]:
    return Convolution(1, inner), Convolution(3, inner, strides, groups), Convolution(1, filters * _EXPANSION)
