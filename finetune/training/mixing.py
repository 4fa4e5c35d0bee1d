"""Mixing: mixup and cutmix make pictures and targets of two examples, drawn by seed, epoch and batch alone."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mixing:
    """How batches are mixed.

    Attributes:
        mixup: parameter of the Beta distribution of the shares; 0 for none (Zhang et al.,
            https://arxiv.org/abs/1710.09412).
        cutmix: the same for patches (Yun et al., https://arxiv.org/abs/1905.04899). With both, each batch has one of
            them at random.
        seed: of what is drawn.
    """

    mixup: float
    cutmix: float
    seed: int

    def __call__(self, x: np.ndarray, y: np.ndarray, *, epoch: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a mixed batch, float32: pictures (batch, height, width, channels) and targets (batch, outputs)."""
        draw = np.random.default_rng([self.seed, epoch, batch])
        kinds = [kind for kind in ("mixup", "cutmix") if getattr(self, kind)]
        kind = kinds[draw.integers(len(kinds))]
        share = draw.beta(getattr(self, kind), getattr(self, kind))
        partner = draw.permutation(len(x))
        x, y = x.astype("float32"), y.astype("float32")
        if kind == "mixup":
            return (share * x + (1 - share) * x[partner]).astype("float32"), _between(y, partner, share)
        top, bottom, left, right = _box(x.shape[1:3], 1 - share, draw)
        mixed = x.copy()
        mixed[:, top:bottom, left:right] = x[partner, top:bottom, left:right]
        # the patch is cut at the border, so its share is counted again
        kept = 1 - (bottom - top) * (right - left) / (x.shape[1] * x.shape[2])
        return mixed, _between(y, partner, kept)


def _between(y: np.ndarray, partner: np.ndarray, share: float) -> np.ndarray:
    return (share * y + (1 - share) * y[partner]).astype("float32")


def _box(size: tuple[int, int], share: float, draw: np.random.Generator) -> tuple[int, int, int, int]:
    """Return the edges of a patch that covers a share of a picture, its centre anywhere."""
    half = [round(side * np.sqrt(share) / 2) for side in size]
    centre = [int(draw.integers(side)) for side in size]
    (top, left), (bottom, right) = (
        tuple(int(np.clip(at + sign * reach, 0, side)) for at, reach, side in zip(centre, half, size, strict=True))
        for sign in (-1, 1)
    )
    return top, bottom, left, right
