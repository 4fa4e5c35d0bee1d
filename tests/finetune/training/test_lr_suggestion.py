"""What is read off a curve of losses over rates."""

import numpy as np
import pytest

from finetune.training.lr_finder import Curve
from finetune.training.lr_suggestion import longest_fall, suggest

RATES = np.geomspace(1e-7, 10, 100)


def curve(losses, noise=0.0):
    """Return a curve of some losses, smoothed as a test smooths them."""
    losses = np.asarray(losses) + np.random.default_rng(0).normal(scale=noise, size=len(losses))
    smoothed = [np.average(losses[: n + 1], weights=0.9 ** np.arange(n + 1)[::-1]) for n in range(len(losses))]
    return Curve(tuple(RATES[: len(losses)]), tuple(losses), tuple(smoothed), diverged=True)


def falling(first=1e-4, last=1e-2, height=1.0):
    """Return losses that stand still, fall in a straight line between two rates, and grow again, to the double."""
    return np.interp(np.log(RATES), np.log([first, last, 100 * last]), [2.0, 2.0 - height, 4.0])


def test_middle_of_the_fall_is_suggested():
    """The rate lies in the middle of the fall, but for the lag of the smoothing; so do the other rules."""
    found = suggest(curve(falling()))
    assert 5e-4 < found.rate < 4e-3
    assert found.rate < found.others["steep"] < 2e-2 and 5e-4 < found.others["minimum"] < 4e-3


@pytest.mark.parametrize("factor", [0.01, 10])
def test_suggestion_moves_with_the_curve(factor):
    """A model that learns at a hundredth of the rates gets a hundredth of the suggestion."""
    still, moved = suggest(curve(falling())).rate, suggest(curve(falling(1e-4 * factor, 1e-2 * factor))).rate
    assert moved == pytest.approx(still * factor, rel=0.3)


def test_noise_moves_the_suggestion_little():
    """Losses that vary by a fifth of the fall leave the rate within a factor of 5."""
    clean, noisy = suggest(curve(falling())).rate, suggest(curve(falling(), noise=0.2)).rate
    assert clean / 5 < noisy < clean * 5


def test_steepest_step_of_noise_is_not_taken():
    """What falls by chance where nothing is learned is no rate, however steep."""
    losses = falling()
    losses[15:18] -= 0.5
    assert suggest(curve(losses)).others["steep"] > 1e-5


def test_reason_names_the_fall():
    """The reason says from where to where the loss falls."""
    found = suggest(curve(falling()))
    assert "the loss falls from" in found.reason and "middle" in found.reason


@pytest.mark.parametrize("losses", [np.full(100, 2.0), 2 + RATES], ids=["flat", "growing"])
def test_nothing_is_suggested_without_a_fall(losses):
    """A loss that only varies, or only grows, shows no rate, and the reason says so."""
    found = suggest(curve(losses, noise=0.3))
    assert found.rate is None and "at no rate does the loss fall" in found.reason and not found.others


def test_curve_that_explodes_at_once_shows_no_rate():
    """A handful of points is too few to read anything off."""
    assert suggest(curve([2.0, 2.0, 2.0])).rate is None


def test_longest_fall_is_found():
    """Single high values in a fall do not end it."""
    assert longest_fall([3, 3, 9, 8, 7, 8.5, 6, 5, 9]) == (2, 7)
