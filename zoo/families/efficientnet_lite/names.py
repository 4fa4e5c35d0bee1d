"""Names of EfficientNet-Lite's layers in the state dicts of its publishers."""

from collections.abc import Iterator

from zoo.families.efficientnet_lite.stages import Block, blocks
from zoo.spec import LayerName, Naming


def _ml_illustrated(*, width: float, depth: float, **options: object) -> Iterator[LayerName]:
    """Yield the names of ML Illustrated's packages: blocks are counted through all stages."""
    yield from _pair("stem", "_conv_stem", "_bn0")
    for index, block in enumerate(blocks(width, depth)):
        prefix = f"_blocks.{index}"
        if block.expansion != 1:
            yield from _pair(f"{block.name}_expand", f"{prefix}._expand_conv", f"{prefix}._bn0")
        yield from _pair(f"{block.name}_depthwise", f"{prefix}._depthwise_conv", f"{prefix}._bn1", kind="depthwise")
        yield from _pair(f"{block.name}_project", f"{prefix}._project_conv", f"{prefix}._bn2")
    yield from _pair("top", "_conv_head", "_bn1")
    yield LayerName("logits", "_fc", "dense")


def _timm(*, width: float, depth: float, **options: object) -> Iterator[LayerName]:
    """Yield timm's names: blocks.STAGE.BLOCK, both from 0; the first stage's blocks have no expansion."""
    yield from _pair("stem", "conv_stem", "bn1")
    for block in blocks(width, depth):
        prefix = "blocks.{}.{}".format(*_indices(block))
        layers = [("depthwise", "conv_dw", "depthwise"), ("project", "conv_pw", "conv")]
        if block.expansion != 1:
            layers = [("expand", "conv_pw", "conv"), layers[0], ("project", "conv_pwl", "conv")]
        for number, (ours, theirs, kind) in enumerate(layers, start=1):
            yield from _pair(f"{block.name}_{ours}", f"{prefix}.{theirs}", f"{prefix}.bn{number}", kind=kind)
    yield from _pair("top", "conv_head", "bn2")
    yield LayerName("logits", "classifier", "dense")


def _indices(block: Block) -> tuple[int, int]:
    stage, _, number = block.name.partition("_")
    return int(stage.removeprefix("stage")) - 1, int(number.removeprefix("block")) - 1


def _pair(ours: str, convolution: str, norm: str, kind: str = "conv") -> Iterator[LayerName]:
    yield LayerName(f"{ours}_conv", convolution, kind)
    yield LayerName(f"{ours}_bn", norm, "norm")


NAMINGS = {"ml_illustrated": Naming(_ml_illustrated), "timm": Naming(_timm)}
