"""EfficientNet-Lite with timm's names and torch's padding, against an independent torch computation."""

import pytest
import torch_parity

pytestmark = pytest.mark.keras
PICTURES = torch_parity.read_pictures()
CASE = "efficientnet_lite_timm"
TORCH_STYLE = {"padding": "symmetric", "epsilon": 1e-5}


@pytest.mark.parametrize("size", PICTURES)
def test_logits_are_those_of_torch(size):
    """With symmetric padding and torch's epsilon the network with a file's weights computes what torch does."""
    model = torch_parity.narrow_network(CASE, "timm", **TORCH_STYLE)
    expected = torch_parity.read_case(CASE)["logits"][size]
    assert torch_parity.relative_error(model(PICTURES[size]), expected) < torch_parity.TOLERANCE


@pytest.mark.parametrize("change", [{"padding": "same"}, {"epsilon": 1e-3}])
def test_padding_and_epsilon_belong_to_the_weights(change):
    """With TensorFlow's padding or epsilon the same weights give other logits, which the test above would notice."""
    model = torch_parity.narrow_network(CASE, "timm", **TORCH_STYLE | change)
    size = next(iter(PICTURES))
    expected = torch_parity.read_case(CASE)["logits"][size]
    assert torch_parity.relative_error(model(PICTURES[size]), expected) > 10 * torch_parity.TOLERANCE
