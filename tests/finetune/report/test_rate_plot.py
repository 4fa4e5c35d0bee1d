"""The picture of a range test: it can be drawn for every curve, and says what it is."""

import io

import numpy as np
import pytest
from PIL import Image

from finetune.report.rate_plot import TITLE, rate_curve
from finetune.training.lr_finder import Curve

RATES = np.geomspace(1e-7, 10, 100)
FALL = np.interp(np.log(RATES), np.log([1e-4, 1e-2, 1]), [2.0, 1.0, 5000.0])


def pixels(losses, rate=1e-3, now=5e-3, phase="head"):
    """Return the picture of a curve as `(height, width, 3) uint8`."""
    curve = Curve(tuple(RATES[: len(losses)]), tuple(losses), tuple(losses), diverged=True)
    return np.asarray(Image.open(io.BytesIO(rate_curve(curve, rate, now=now, phase=phase))).convert("RGB"))


def test_picture_says_what_it_is():
    """A title in the file tells such pictures from all others."""
    curve = Curve(tuple(RATES), tuple(FALL), tuple(FALL), diverged=True)
    assert Image.open(io.BytesIO(rate_curve(curve, 1e-3, now=1e-3, phase="head"))).text["Title"] == TITLE


def test_suggested_rate_is_marked():
    """With a suggestion, and another one, the picture differs; without one there is no mark."""
    shown = [pixels(FALL, rate) for rate in (1e-3, 1e-2, None)]
    orange = [(abs(picture.astype(int) - [0xC2, 0x57, 0x1A]).sum(axis=2) < 30).sum() for picture in shown]
    assert min(orange[:2]) > 100 and orange[2] == 0 and not np.array_equal(shown[0], shown[1])


def test_explosion_does_not_flatten_the_curve():
    """Losses of thousands where the test broke off leave the fall as tall as without them."""
    blue = [
        (abs(pixels(y).astype(int) - [0x0B, 0x6E, 0x99]).sum(axis=2) < 30).any(axis=1).sum() for y in (FALL, FALL[:85])
    ]
    assert blue[0] > 0.5 * blue[1] > 100


@pytest.mark.parametrize("losses", [[2.0], [0.0, 0.0], [1e-12] * 50, [1e30, 1.0]], ids=str)
def test_any_curve_can_be_drawn(losses):
    """A single point, no height at all, and huge numbers make a picture too; so does any name of a phase."""
    assert pixels(losses, rate=None, phase="$\\frac{$").shape[2] == 3
