"""Gradients as they were measured while a network learned: what vanishes or explodes is named, with what helps."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import keras

# Columns of the history: the mean norm of a part over the updates of an epoch, and the largest of any part.
NORM, LARGEST = "gradient_norm_", "largest_gradient_norm"
# Losses are around 1 in the first epoch, and so are the norms of healthy gradients, give or take a factor of 10.
_HUGE = 1_000.0
# Rises by such a factor within a phase are explosions where what they rise to is not small itself.
_RISE, _LARGE = 100.0, 50.0
# Where stage after stage passes on a tenth, four stages leave this share; what Adam's epsilon hides is far below.
_TINY_SHARE = 1e-4

Row = Mapping[str, object]


def take_norms(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """Return the columns of an epoch's row, and let the optimizer begin anew; nothing for an optimizer of Keras."""
    if not hasattr(optimizer, "read_norms"):
        return {}
    norms = optimizer.read_norms()
    optimizer.reset_norms()
    counted = {part: found for part, found in norms.items() if found["updates"] > found["non_finite"]}
    means = {NORM + part: found["sum"] / (found["updates"] - found["non_finite"]) for part, found in counted.items()}
    return means | ({LARGEST: max(found["max"] for found in counted.values())} if counted else {})


def gradient_faults(history: Sequence[Row]) -> list[str]:
    """Return sentences on the phases whose gradients vanish or explode; see `phase_faults`."""
    return [fault for _, rows in groupby(history, lambda row: row["phase"]) for fault in phase_faults([*rows]).values()]


def phase_faults(rows: Sequence[Row]) -> dict[str, str]:
    """Return what is wrong with the gradients of a phase: at most one sentence for "explode" and one for "vanish".

    A gradient explodes where its norm passes 1,000 in any step, or 50 and a hundred times the mean of the phase's
    calmest epoch before. It vanishes where its mean norm stays, for two epochs and more, under a ten-thousandth of the
    largest part's. Why both happen, and what helps: Glorot & Bengio 2010
    (https://proceedings.mlr.press/v9/glorot10a.html), Pascanu et al. 2013 (https://arxiv.org/abs/1211.5063).

    Args:
        rows: of its history so far, with the columns of `take_norms`.
    """
    parts = {name: [row[name] for row in rows if row.get(name) is not None] for row in rows for name in row}
    parts = {name.removeprefix(NORM): norms for name, norms in parts.items() if name.startswith(NORM) and norms}
    found = {"explode": _explosion(rows, parts), "vanish": _lost(rows, parts)}
    return {kind: sentence for kind, sentence in found.items() if sentence}


def _explosion(rows: Sequence[Row], parts: Mapping[str, list[float]]) -> str | None:
    for number, row in enumerate(rows):
        largest = row.get(LARGEST) or 0.0
        calm = min((sum(norms[i] for norms in parts.values()) for i in range(number)), default=largest)
        if largest > _HUGE or (largest > _LARGE and largest > _RISE * calm):
            worst = max(parts, key=lambda part: max(parts[part]))
            return (
                f"gradients explode in phase {row['phase']}, epoch {row['epoch']}: a norm of {largest:,.3g}; most of "
                f"it is in {worst}. Clip them, --set global_clip_norm=1, or lower learning_rate"
            )
    return None


def _lost(rows: Sequence[Row], parts: Mapping[str, list[float]]) -> str | None:
    greatest = max((norms[0] for norms in parts.values()), default=0.0)
    lost = [part for part, norms in parts.items() if max(norms) < _TINY_SHARE * greatest]
    if not lost or len(rows) < 2:
        return None
    return (
        f"gradients vanish in phase {rows[0]['phase']} before they reach {', '.join(lost)}: they are under "
        f"{_TINY_SHARE:.0e} of those in {max(parts, key=lambda part: parts[part][0])}, so there hardly anything is "
        f"learned. Take fewer layers, or a network with normalization and short cuts, such as resnet18"
    )
