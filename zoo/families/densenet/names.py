"""Names of DenseNet's layers in the state dicts of its publishers."""

import re
from collections.abc import Iterator

from zoo.spec import LayerName, Naming

# Files written before torch 0.4 have "denselayer1.norm.1.weight" for "denselayer1.norm1.weight"; torchvision still
# publishes them.
_OLD_SPELLING = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")


def _torch(*, growth_rate: int, depths: tuple[int, ...], stem_filters: int) -> Iterator[LayerName]:
    """Yield torchvision's names, which timm has too."""
    yield LayerName("stem_conv", "features.conv0", "conv")
    yield LayerName("stem_bn", "features.norm0", "norm")
    for stage, depth in enumerate(depths, start=1):
        for number in range(1, depth + 1):
            ours, theirs = f"stage{stage}_block{number}", f"features.denseblock{stage}.denselayer{number}"
            for part in (1, 2):
                yield LayerName(f"{ours}_bn{part}", f"{theirs}.norm{part}", "norm")
                yield LayerName(f"{ours}_conv{part}", f"{theirs}.conv{part}", "conv")
        if stage < len(depths):
            yield LayerName(f"stage{stage}_transition_bn", f"features.transition{stage}.norm", "norm")
            yield LayerName(f"stage{stage}_transition_conv", f"features.transition{stage}.conv", "conv")
    yield LayerName("top_bn", f"features.norm{len(depths) + 1}", "norm")
    yield LayerName("logits", "classifier", "dense")


def _rename(name: str) -> str:
    return _OLD_SPELLING.sub(r"\1", name)


NAMINGS = {"torch": Naming(_torch, rename=_rename)}
