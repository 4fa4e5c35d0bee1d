"""DenseNet: logits of torch, names of torchvision old and new, small stem."""

import keras
import numpy as np
import pytest
import torch_parity

from zoo.families.densenet.build import build
from zoo.families.densenet.names import NAMINGS
from zoo.families.densenet.table import VARIANTS

pytestmark = pytest.mark.keras
ROWS = {variant.name: variant for variant in VARIANTS}
PICTURES = torch_parity.read_pictures()
NARROW = torch_parity.read_case("densenet_old_names")


@pytest.fixture(scope="module")
def model():
    """A narrow network with the weights of a torch file in the old spelling."""
    return torch_parity.narrow_network("densenet_old_names", "torch")


@pytest.mark.parametrize("size", PICTURES)
def test_logits_are_those_of_torch(model, size):
    """From pixels to logits, on even and odd sizes, a network with a file's weights computes what torch does."""
    assert torch_parity.relative_error(model(PICTURES[size]), NARROW["logits"][size]) < torch_parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["densenet121"])
def test_full_width_logits_are_those_of_torch(name, tmp_path):
    """At full width, too, a file written by torch gives torch's logits and has as many parameters as the row says."""
    pytest.importorskip("torch")
    error, parameters = torch_parity.full_width_error(ROWS[name], tmp_path / "weights.pth")
    assert error < torch_parity.TOLERANCE and parameters == ROWS[name].parameters


@pytest.mark.parametrize("name", ROWS)
def test_depth_is_that_of_the_name(name):
    """Convolutions and classifier are as many as the model's name says, and no name stands for two layers."""
    rows = list(NAMINGS["torch"].layers(**ROWS[name].arguments))
    assert name == f"densenet{sum(row.kind in ('conv', 'dense') for row in rows)}"
    assert len({row.ours for row in rows}) == len({row.theirs for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("denseblock1.denselayer1.norm.1.weight", "denseblock1.denselayer1.norm1.weight"),
        ("denseblock4.denselayer12.conv.2.weight", "denseblock4.denselayer12.conv2.weight"),
        ("denseblock4.denselayer12.norm2.running_var", "denseblock4.denselayer12.norm2.running_var"),
        ("transition1.norm.weight", "transition1.norm.weight"),
    ],
)
def test_old_spelling_is_understood(old, new):
    """The dot that old files have within a layer's name goes; every other name stays."""
    assert NAMINGS["torch"].rename(f"features.{old}") == f"features.{new}"


def test_small_stem_keeps_the_size():
    """The small stem has a 3x3 kernel and neither strides nor pooling, so 32 pixels end as 4 and not as 1."""
    inputs = keras.Input((32, 32, 1))
    models = [keras.Model(inputs, build(inputs, **NARROW["arguments"], stem=stem)) for stem in ("standard", "small")]
    assert [model.output_shape for model in models] == [(None, 1, 1, 21), (None, 4, 4, 21)]
    assert [model.get_layer("stem_conv").kernel.shape for model in models] == [(7, 7, 1, 9), (3, 3, 1, 9)]


def test_layer_names_begin_with_the_stage(model):
    """The part before the first underscore is the stem, a stage, the top, or a layer around the backbone."""
    stages = {"stem", "stage1", "stage2", "stage3", "stage4", "top"}
    assert {layer.name.partition("_")[0] for layer in model.layers} == stages | {
        *("image", "preprocessing", "pool", "dropout", "logits")
    }


def test_saved_network_predicts_the_same(model, tmp_path):
    """A model survives save and load to the bit."""
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(PICTURES["64x64"]), loaded(PICTURES["64x64"]))
