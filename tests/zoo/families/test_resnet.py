"""ResNet and ResNeXt: logits of torch, names of torchvision, small stem."""

import keras
import numpy as np
import pytest
import torch_parity

from zoo.families.resnet.build import build
from zoo.families.resnet.names import NAMINGS
from zoo.families.resnet.stages import blocks
from zoo.families.resnet.table import VARIANTS

pytestmark = pytest.mark.keras
ROWS = {variant.name: variant for variant in VARIANTS}
PICTURES = torch_parity.read_pictures()
BASIC = torch_parity.read_case("resnet_basic")["arguments"]


@pytest.fixture(scope="module", params=["resnet_basic", "resnet_bottleneck_legacy", "resnext"])
def case(request):
    """A narrow network with the weights of a torch file, and what torch says about it."""
    return torch_parity.narrow_network(request.param, "torch"), torch_parity.read_case(request.param)


@pytest.mark.parametrize("size", PICTURES)
def test_logits_are_those_of_torch(case, size):
    """From pixels to logits, on even and odd sizes, a network with a file's weights computes what torch does."""
    model, expected = case
    assert torch_parity.relative_error(model(PICTURES[size]), expected["logits"][size]) < torch_parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_full_width_logits_are_those_of_torch(name, tmp_path):
    """At full width, too, a file written by torch gives torch's logits and has as many parameters as the row says."""
    pytest.importorskip("torch")
    error, parameters = torch_parity.full_width_error(ROWS[name], tmp_path / "weights.pth")
    assert error < torch_parity.TOLERANCE and parameters == ROWS[name].parameters


@pytest.mark.parametrize("name", ROWS)
def test_depth_is_that_of_the_name(name):
    """The convolutions on the residual path and the classifier are as many as the model's name says."""
    rows = list(NAMINGS["torch"].layers(**ROWS[name].arguments))
    counted = [row for row in rows if row.kind in ("conv", "dense") and "_shortcut_" not in row.ours]
    assert name.partition("_")[0] in (f"resnet{len(counted)}", f"resnext{len(counted)}")
    assert len({row.ours for row in rows}) == len({row.theirs for row in rows}) == len(rows)


@pytest.mark.parametrize("name", ROWS)
def test_groups_are_those_of_the_name(name):
    """The name 32x4d means 32 groups of 4 channels in the first stage; a plain ResNet has one group of 64."""
    _, _, shape = name.partition("_")
    groups, width = (int(number) for number in shape.rstrip("d").split("x")) if shape else (1, 64)
    arguments = ROWS[name].arguments
    assert (arguments["groups"], arguments["group_width"]) == (groups, width)


def test_groups_widen_with_the_stages():
    """The 3x3 convolutions have groups times width filters in the first stage, eight times that in the last."""
    convolutions = [row.convolutions[1] for row in blocks(**ROWS["resnext50_32x4d"].arguments)]
    assert (convolutions[0].filters, convolutions[-1].filters) == (128, 1024)
    assert {row.groups for row in convolutions} == {32}


@pytest.mark.parametrize(
    ("block", "filters", "projecting"),
    [
        ("basic", (8, 16), [False, False, True, False]),
        ("basic", (8, 8), [False, False, True, False]),
        ("bottleneck", (8, 16), [True, False, True, False]),
    ],
)
def test_shortcuts_project_only_where_the_shape_changes(block, filters, projecting):
    """A shortcut is the identity but in the first block of a stage that changes size or filters."""
    found = blocks(block=block, depths=(2, 2), filters=filters, group_width=8)
    assert [row.projects for row in found] == projecting


def test_small_stem_keeps_the_size():
    """The small stem has a 3x3 kernel and neither strides nor pooling, so 32 pixels end as 4 and not as 1."""
    inputs = keras.Input((32, 32, 3))
    standard, small = (keras.Model(inputs, build(inputs, **BASIC, stem=stem)) for stem in ("standard", "small"))
    assert (standard.output_shape, small.output_shape) == ((None, 1, 1, 32), (None, 4, 4, 32))
    assert [model.get_layer("stem_conv").kernel.shape[:2] for model in (standard, small)] == [(7, 7), (3, 3)]
    assert "stem_pool" not in {layer.name for layer in small.layers}


@pytest.mark.parametrize("channels", [1, 5])
def test_pictures_may_have_any_number_of_channels(channels):
    """The stem takes what the pictures have; the rest of the network is the same."""
    inputs = keras.Input((64, 64, channels))
    model = keras.Model(inputs, build(inputs, **BASIC))
    assert model.get_layer("stem_conv").kernel.shape == (7, 7, channels, 8)
    assert model.output_shape == (None, 2, 2, 32)


def test_layer_names_begin_with_the_stage(case):
    """The part before the first underscore is the stem, a stage, or a layer around the backbone."""
    model, _ = case
    stages = {"stem", "stage1", "stage2", "stage3", "stage4"}
    assert {layer.name.partition("_")[0] for layer in model.layers} == stages | {
        *("image", "preprocessing", "pool", "dropout", "logits")
    }


def test_saved_network_predicts_the_same(case, tmp_path):
    """A model, grouped convolutions included, survives save and load to the bit."""
    model, _ = case
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(PICTURES["64x64"]), loaded(PICTURES["64x64"]))
