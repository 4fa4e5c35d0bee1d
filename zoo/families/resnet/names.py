"""Names of ResNet's layers in the state dicts of its publishers."""

from collections.abc import Iterator

from zoo.families.resnet.stages import blocks
from zoo.spec import LayerName, Naming


def _torch(**arguments: object) -> Iterator[LayerName]:
    """Yield torchvision's names, which timm has too: layerSTAGE.BLOCK, blocks from 0."""
    yield from _pair("stem_conv", "conv1", "stem_bn", "bn1")
    for block in blocks(**arguments):
        prefix = f"layer{block.stage}.{block.number - 1}"
        for number in range(1, len(block.convolutions) + 1):
            conv, norm = f"conv{number}", f"bn{number}"
            yield from _pair(f"{block.name}_{conv}", f"{prefix}.{conv}", f"{block.name}_{norm}", f"{prefix}.{norm}")
        if block.projects:
            ours, theirs = f"{block.name}_shortcut", f"{prefix}.downsample"
            yield from _pair(f"{ours}_conv", f"{theirs}.0", f"{ours}_bn", f"{theirs}.1")
    yield LayerName("logits", "fc", "dense")


def _pair(conv: str, their_conv: str, norm: str, their_norm: str) -> Iterator[LayerName]:
    yield LayerName(conv, their_conv, "conv")
    yield LayerName(norm, their_norm, "norm")


NAMINGS = {"torch": Naming(_torch)}
