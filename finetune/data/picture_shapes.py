"""Whether the pictures suit the model's square: their size and their shape, and what `resize=auto` makes of them."""

from collections.abc import Sequence

import numpy as np

from finetune.data.findings import Finding
from finetune.data.picture_checks import some_files

# Photos of 4:3 lose 0.25 of their pixels to a centred crop and those of 3:2 lose 0.33; 16:9 loses 0.44.
MOST_LOST = 0.4
# A picture of more than 2:1 loses over half; a larger share of such pictures is too much, whatever the others are.
_MOST_HALVED = 0.1


def suggest_resize(facts: np.ndarray) -> tuple[str, str]:
    """Return how the pictures should meet the square, "crop" or "stretch", and why in a few words.

    Stretching beat padding on wide pictures of every shape that was tried: with objects off the centre
    EfficientNet-Lite0 and a new head were right on 0.81, 0.81 and 0.79 of pictures of 2:1, 3:1 and 5:1 when stretched,
    0.79, 0.78 and 0.72 when padded, and 0.78, 0.53 and 0.27 when cropped. At 4:3 the three were alike.

    Args:
        facts: (n,) records of `finetune.data.picture_facts.FACTS`, n >= 1.
    """
    lost = _lost(facts)
    mean, halved = float(lost.mean()), float((lost > 0.5).mean())
    if mean <= MOST_LOST and halved <= _MOST_HALVED:
        return "crop", f"cutting the middle out keeps {_share(1 - mean)} of the pixels, as the weights were trained"
    return "stretch", f"cutting the middle out would lose {_share(mean)} of the pixels ({_shapes(facts)})"


def shape_findings(facts: np.ndarray, files: Sequence[str], *, image_size: int, resize: str) -> list[Finding]:
    """Return what is to be said of the pictures' sizes and shapes.

    Args:
        facts: (n,) records of `finetune.data.picture_facts.FACTS`.
        files: name of each picture.
        image_size: side of the model's square in pixels.
        resize: "crop", "pad" or "stretch", as it is set for the run.
    """
    if not len(facts):
        return []
    return [*_too_small(facts, files, image_size, resize), *_cut_off(facts, files, resize)]


def _too_small(facts: np.ndarray, files: Sequence[str], image_size: int, resize: str) -> list[Finding]:
    sides = np.stack([facts["width"], facts["height"]])
    side = sides.max(axis=0) if resize == "pad" else sides.min(axis=0)
    small = np.flatnonzero(side < image_size)
    if not len(small):
        return []
    order = small[np.argsort(side[small], kind="stable")]
    width, height = sides[:, order[0]]
    message = (
        f"{len(small):,} of {len(facts):,} pictures are smaller than the model's {image_size} x {image_size} pixels, "
        f"the smallest {width} x {height}; enlarging them adds no detail. Use larger originals where there are any; "
        f"otherwise a smaller image_size takes less time and may do as well."
    )
    return [Finding("small pictures", "note", message, some_files(files, order), len(small))]


def _cut_off(facts: np.ndarray, files: Sequence[str], resize: str) -> list[Finding]:
    mode, _ = suggest_resize(facts)
    if resize != "crop" or mode == "crop":
        return []
    lost = _lost(facts)
    message = (
        f"cropping to a square cuts off {_share(lost.mean())} of all pixels, and over half of the picture in "
        f"{int((lost > 0.5).sum()):,} of {len(facts):,} pictures ({_shapes(facts)}). What is not in the middle is not "
        f"seen: set resize=stretch or resize=pad, or trim the pictures to what matters."
    )
    worst = np.argsort(-lost, kind="stable")
    return [Finding("shapes", "warning", message, some_files(files, worst), int((lost > 0.5).sum()))]


def _lost(facts: np.ndarray) -> np.ndarray:
    """Return the share of each picture outside of its centred square."""
    sides = np.stack([facts["width"], facts["height"]]).astype(float)
    return 1 - sides.min(axis=0) / sides.max(axis=0)


def _shapes(facts: np.ndarray) -> str:
    ratios = np.sort(facts["width"] / facts["height"])
    narrow, wide = ratios[int(0.05 * len(ratios))], ratios[int(0.95 * len(ratios))]
    return f"width to height from {_ratio(narrow)} to {_ratio(wide)}"


def _ratio(value: float) -> str:
    return f"{value:.2g}:1" if value >= 1 else f"1:{1 / value:.2g}"


def _share(value: float) -> str:
    return f"{float(value):.0%}"
