"""What is said of the values of pictures that came as an array."""

import numpy as np
import pytest

from finetune.data.array_checks import array_findings


def values(low: float, high: float, kind: str = "float32") -> np.ndarray:
    """Give pictures whose values reach from low to high."""
    return np.linspace(low, high, 5 * 8 * 8 * 3).reshape(5, 8, 8, 3).astype(kind)


@pytest.mark.parametrize(
    "pictures", [values(0, 255, "uint8"), values(0, 255), values(3, 90), values(0, 2, "uint8"), np.zeros((0, 8, 8))]
)
def test_pixels_need_no_word(pictures):
    """Values in [0, 255] are fine, and so are no pictures."""
    assert array_findings(pictures) == []


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (values(0, 1), r"lie in \[0, 1\]: already scaled to \[0, 1\]; give x \* 255"),
        (values(0, 1, "uint8"), r"scaled to 0 and 1, or masks; give x \* 255"),
        (values(-1, 1), r"lie in \[-1, 1\]: already scaled to \[-1, 1\]; give \(x \+ 1\) \* 127\.5"),
        (values(-2.1, 2.6), "already standardized; give raw pixels"),
        (values(0, 65535, "uint16"), "more than 8 bits; give x / 257"),
        (values(7, 7), "all pictures are empty"),
        (np.array([[[0, np.nan]]]), "not numbers"),
        (np.array([[[0, np.inf]]]), "not numbers"),
    ],
)
def test_other_values_are_wrong(pictures, message):
    """What a model would take for black or noise is an error with its remedy."""
    (finding,) = array_findings(pictures)
    assert finding.severity == "error"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(finding.message)


def test_many_pictures_are_looked_at_in_part():
    """The array is not copied as a whole."""
    pictures = np.broadcast_to(np.float32(0.5), (10**7, 32, 32, 3))
    assert array_findings(pictures)[0].severity == "error"
