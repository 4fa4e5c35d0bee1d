"""Foreign names and axes to ours."""

import dataclasses
import importlib

import numpy as np
import pytest

import zoo
from zoo.spec import LayerName, Naming
from zoo.weights.convert import convert


def one(layer):
    """Return a naming of a single layer."""
    return Naming(lambda: iter([layer]))


def namings_of(variant):
    """Return the namings of a variant's family."""
    return importlib.import_module(f"zoo.families.{variant.family}.names").NAMINGS


@pytest.mark.parametrize(
    ("kind", "foreign", "ours"),
    [("conv", (8, 3, 5, 7), (5, 7, 3, 8)), ("depthwise", (8, 1, 5, 7), (5, 7, 8, 1)), ("dense", (10, 4), (4, 10))],
)
def test_axes_follow_the_kind_of_layer(kind, foreign, ours):
    """Each kernel comes out in the order of axes that Keras keeps for its layer."""
    state = {"theirs.weight": np.arange(np.prod(foreign)).reshape(foreign), "theirs.bias": np.zeros(foreign[0])}
    conversion = convert(state, one(LayerName("ours", "theirs", kind)), {})
    assert conversion.arrays["ours/kernel"].shape == ours and not conversion.missing and not conversion.extra


def test_what_does_not_match_is_named():
    """Missing, left-over and wrongly ranked arrays are reported by their foreign names; batch counters are not."""
    state = {"a.weight": np.zeros((2, 2)), "b.weight": np.zeros(3), "a.num_batches_tracked": np.zeros(())}
    conversion = convert(state, one(LayerName("a", "a", "conv")), {})
    assert conversion.missing == ("a.weight",) and conversion.extra == ("b.weight",)


def test_old_spellings_are_renamed_first():
    """A naming's rename is applied before names are looked up."""
    naming = dataclasses.replace(one(LayerName("a", "a", "conv")), rename=lambda name: name.replace("old.", "a."))
    assert list(convert({"old.weight": np.zeros((1, 1, 1, 1))}, naming, {}).arrays) == ["a/kernel"]


@pytest.mark.parametrize(
    ("variant", "naming"),
    [(zoo.find(name), naming) for name in zoo.list_models() for naming in namings_of(zoo.find(name))],
)
def test_every_layer_has_one_name(variant, naming):
    """A variant's table of names has no layer and no prefix twice."""
    rows = list(namings_of(variant)[naming].layers(**variant.arguments))
    assert len({row.ours for row in rows}) == len({row.theirs for row in rows}) == len(rows)
