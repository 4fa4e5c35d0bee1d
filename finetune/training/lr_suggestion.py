"""What a range test suggests: a rate read off its curve, and the reason."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from finetune.training.lr_finder import Curve

# Of the curve, as fastai: its first tenth, where the mean of losses is still finding itself, and its last five points.
_SKIPPED_SHARE, _SKIPPED_LAST = 10, 5
# The first quarter of the curve shows how much the smoothed loss moves where nothing is learned.
_STILL_SHARE = 4
# Of about a hundred draws of noise the lowest is 2.5 standard deviations down.
_NOISE = 4.0


@dataclass(frozen=True)
class Suggestion:
    """A learning rate.

    Attributes:
        rate: that is suggested; None where the curve shows none.
        reason: in a sentence.
        others: what other rules read off the same curve: "steep", where the loss falls fastest in that stretch, and
            "minimum", a tenth of the rate where it is lowest.
    """

    rate: float | None
    reason: str
    others: Mapping[str, float] = field(default_factory=dict)


def suggest(curve: Curve) -> Suggestion:
    """Return the middle of the longest fall of the smoothed loss: fastai's rule `valley`.

    The two other rules are fastai's `steep` and `minimum` (https://docs.fast.ai/callback.schedule.html). Rates are
    rounded to two digits.
    """
    loss = np.array(curve.smoothed)
    first, last = len(loss) // _SKIPPED_SHARE, len(loss) - _SKIPPED_LAST
    fault = _fault(curve, first, last)
    if fault:
        return Suggestion(None, fault)
    rates, loss = np.array(curve.rates)[first:last], loss[first:last]
    start, end = longest_fall(loss)
    # fastai's index, to the rounding
    third = (end - start) / 3
    middle = start + int(third) + int(third / 2)
    # steps of the rate are equal in powers of ten; beyond the stretch the steepest step may be one of noise
    steepest = start + int(np.argmin(np.diff(loss[start : end + 1])))
    others = {"steep": rates[steepest], "minimum": rates[np.argmin(loss)] / 10}
    fall = (f"{loss[place]:.3g} at a rate of {rates[place]:.1e}" for place in (start, end))
    reason = f"the loss falls from {' to '.join(fall)}; this is the middle of that stretch, in powers of ten"
    return Suggestion(_round(rates[middle]), reason, {name: _round(rate) for name, rate in others.items()})


def _fault(curve: Curve, first: int, last: int) -> str | None:
    """Return why a curve shows no rate, or None."""
    if last - first < 2 * _SKIPPED_LAST:
        return f"the loss grew beyond bounds at a rate of {curve.rates[-1]:.1e}, before any rate could teach something"
    still = max(2, len(curve.losses) // _STILL_SHARE)
    losses, smoothed = np.array(curve.losses[:still]), np.array(curve.smoothed)
    fall = losses.mean() - smoothed[first:last].min()
    # of an exponential mean that keeps 0.9: sqrt(0.1 / 1.9) of one loss
    noise = losses.std() * math.sqrt(0.1 / 1.9)
    if fall > _NOISE * noise:
        return None
    return (
        f"at no rate does the loss fall by more than it varies from batch to batch ({fall:.2g}, and {noise:.2g} of "
        f"noise), so the curve shows no rate; take larger batches, or the rate as it is"
    )


def longest_fall(values: Sequence[float]) -> tuple[int, int]:
    """Return where the longest fall begins and ends: indices of the first and last value.

    The end is that of the longest strictly falling subsequence; the beginning lies as many places before it as that has
    values, as if they were neighbours. That is fastai's reading, and leaves out single low values far to the left.

    Example:
        >>> longest_fall([5, 5, 5, 4, 3, 2, 1, 6])
        (1, 6)
    """
    lengths = np.ones(len(values), int)
    for place, value in enumerate(values):
        before = lengths[:place][np.asarray(values[:place]) > value]
        lengths[place] = 1 + before.max(initial=0)
    end = int(lengths.argmax())
    return max(0, end - int(lengths[end])), end


def _round(rate: float) -> float:
    return float(f"{rate:.1e}")
