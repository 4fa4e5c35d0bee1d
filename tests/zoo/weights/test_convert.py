"""Foreign names and axes to ours."""

import numpy as np
import pytest

import zoo
from zoo.families.efficientnet_lite import names
from zoo.spec import LayerName
from zoo.weights.convert import convert


@pytest.mark.parametrize(
    ("kind", "foreign", "ours"),
    [("conv", (8, 3, 5, 7), (5, 7, 3, 8)), ("depthwise", (8, 1, 5, 7), (5, 7, 8, 1)), ("dense", (10, 4), (4, 10))],
)
def test_axes_follow_the_kind_of_layer(kind, foreign, ours):
    """Each kernel comes out in the order of axes that Keras keeps for its layer."""
    state = {"theirs.weight": np.arange(np.prod(foreign)).reshape(foreign), "theirs.bias": np.zeros(foreign[0])}
    conversion = convert(state, [LayerName("ours", "theirs", kind)])
    assert conversion.arrays["ours/kernel"].shape == ours and not conversion.missing and not conversion.extra


def test_what_does_not_match_is_named():
    """Missing, left-over and wrongly ranked arrays are reported by their foreign names; batch counters are not."""
    state = {"a.weight": np.zeros((2, 2)), "b.weight": np.zeros(3), "a.num_batches_tracked": np.zeros(())}
    conversion = convert(state, [LayerName("a", "a", "conv")])
    assert conversion.missing == ("a.weight",) and conversion.extra == ("b.weight",)


@pytest.mark.parametrize("name", zoo.list_models("efficientnet_lite*"))
def test_every_layer_has_one_name(name):
    """A variant's table of names has no layer and no prefix twice."""
    rows = list(names.layer_names(**zoo.find(name).arguments))
    assert len({row.ours for row in rows}) == len({row.theirs for row in rows}) == len(rows)
