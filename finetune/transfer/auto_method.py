"""Method "auto": by the number of pictures a class, the size of the model, and what the machine can do."""

import os
from dataclasses import dataclass
from pathlib import Path

# Of 20 pictures a class two_phase and head are equally good, up to chance (benchmarks/methods.py): a head knows so few
# by heart, and leaves nothing to learn. Where between 20 and 100 it begins to be worth its time was not measured.
FEW = 50
# From here on all of a network can follow the data.
MANY = 2_000
# A person waits so long for a default, in minutes.
_PATIENCE, _LONG_PATIENCE = 10, 120
# Multiply-adds a parameter at 224 pixels: 83 for EfficientNet-Lite0, 86 for MobileNetV2, 160 for ResNet-50, 355 for
# DenseNet-121 (`finetune models NAME`). A step takes forward, and twice as much backward.
_USES, _PASSES = 120, 3
# Share of the whole network's multiply-adds in the two thirds of its stages that learn (0.80 of EfficientNet-Lite0's,
# 0.81 of ResNet-50's, 0.55 of DenseNet-121's), and epochs.
_UPPER, _EPOCHS = 0.75, 15
# Multiply-adds a second in training: measured about 8 G a core with TensorFlow; a GPU makes about 2 T.
_CORE, _GPU = 8e9, 2e12


@dataclass(frozen=True)
class Machine:
    """What computes.

    Attributes:
        cores: of the processor.
        gpu: whether there is a graphics card that computes.
    """

    cores: int
    gpu: bool

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine; a GPU is known by its driver, for no heavy library is loaded yet."""
        return cls(os.cpu_count() or 1, Path("/dev/nvidiactl").exists())


def choose_method(
    fewest: int, total: int, *, parameters: int, image_size: int, machine: Machine, unit: str
) -> tuple[str, str]:
    """Return a method, and why, with the alternative.

    Args:
        fewest: pictures of the rarest class; all of them where targets are numbers.
        total: pictures.
        parameters: of the network.
        image_size: side of what it takes, in pixels.
        machine: where it learns.
        unit: what `fewest` is counted for: "a class", "a label" or "in all".
    """
    images = 0.7 * total * _EPOCHS * _PASSES * _USES * parameters * (image_size / 224) ** 2
    all_minutes = images / (_GPU if machine.gpu else _CORE * machine.cores) / 60
    minutes = _UPPER * all_minutes
    known = f"from {fewest:,} pictures {unit}"
    if fewest < FEW:
        return "head", f"{known} a new head on the frozen network is the safest; from {FEW} on also two_phase"
    if fewest >= MANY and all_minutes <= _LONG_PATIENCE:
        return "full", f"{known} all of the network can learn, in about {_words(all_minutes)}; sooner: two_phase"
    if minutes > _PATIENCE:
        return "head", f"two_phase would be some points better, and take about {_words(minutes)} more on this machine"
    return "two_phase", f"{known} the upper stages can learn too, about {_words(minutes)} more; sooner: head"


def _words(minutes: float) -> str:
    if minutes < 1:
        return "a minute"
    return f"{minutes:,.0f} minutes" if minutes < 120 else f"{minutes / 60:,.0f} hours"
