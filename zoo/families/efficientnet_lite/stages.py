"""The stages of EfficientNet-Lite, spelled out block by block for the builder and for the names of foreign weights."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

STEM_FILTERS = 32
TOP_FILTERS = 1280

# kernel size, repeats, filters, expansion, strides of the first block: table 1 of the EfficientNet paper (B0)
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)


@dataclass(frozen=True)
class Block:
    """One inverted residual block; `name` is "stageS_blockB", counted from 1."""

    name: str
    kernel_size: int
    filters: int
    expansion: int
    strides: int


def blocks(width: float, depth: float) -> Iterator[Block]:
    """Yield the blocks of a variant in order; Lite scales neither the stem, the top, nor the outer stages' depth."""
    for stage, (kernel_size, repeats, filters, expansion, strides) in enumerate(_STAGES, start=1):
        outer = stage in (1, len(_STAGES))
        for block in range(1, (repeats if outer else math.ceil(repeats * depth)) + 1):
            name = f"stage{stage}_block{block}"
            yield Block(name, kernel_size, _scaled(filters, width), expansion, strides if block == 1 else 1)


def _scaled(filters: int, width: float) -> int:
    """Scale to the nearest multiple of 8, never more than 10 % below the exact product (source: `round_filters`)."""
    exact = filters * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded
