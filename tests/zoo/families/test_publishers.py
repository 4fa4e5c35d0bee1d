"""Files as torchvision and timm write them, through `zoo.create`, against the publishers' own networks."""

import numpy as np
import pytest

import zoo
from zoo.errors import ModelFileError
from zoo.weights.load import read_weights
from zoo.weights.verify import find_row

pytestmark = [pytest.mark.keras, pytest.mark.slow]
# Ours in float32 against theirs in float64: depth adds up to some 1e-5.
TOLERANCE = 1e-4


def random_state(network, torch):
    """Give a torch network statistics and biases that are not their first values, and return it in double precision."""
    torch.manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean") or name.endswith("bias"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
    return network.double().eval()


def relative_error(name, path, network, torch, *, mean, std, size=128):
    """Return how far our logits on a file are from the network that wrote it, relative to the largest logit."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype="uint8")
    prepared = (pictures / 255 - np.array(mean)) / np.array(std)
    with torch.no_grad():
        theirs = network(torch.tensor(prepared.transpose(0, 3, 1, 2))).numpy()
    model = zoo.create(name, input_shape=(size, size, 3), weights=path, classifier_activation=None, cache_dir=None)
    assert theirs.shape == (2, 1000) and np.abs(theirs).max() > 0
    return np.abs(np.asarray(model(pictures)) - theirs).max() / np.abs(theirs).max()


HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "densenet121"])
def test_files_of_torchvision_give_its_logits(name, tmp_path):
    """A state dict of torchvision's own network, given as `weights=FILE`, computes what torchvision computes."""
    torch, models = pytest.importorskip("torch"), pytest.importorskip("torchvision.models")
    network = random_state(getattr(models, name)(weights=None), torch)
    torch.save(
        {"state_dict": {f"module.{key}": value.float() for key, value in network.state_dict().items()}},
        tmp_path / f"{name}.pth",
    )
    assert relative_error(name, tmp_path / f"{name}.pth", network, torch, **IMAGENET) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        *((name, name) for name in ("resnet18", "resnet200", "resnext50_32x4d", "densenet121")),
        ("efficientnet_lite1", "tf_efficientnet_lite1"),
    ],
)
def test_files_of_timm_give_its_logits(name, theirs, tmp_path):
    """A safetensors file of timm's own network, given as `weights=FILE`, computes what timm computes."""
    torch, path = pytest.importorskip("torch"), tmp_path / "model.safetensors"
    network = written_by_timm(theirs, path, torch)
    prepared = HALF if name.startswith("efficientnet") else IMAGENET
    assert relative_error(name, path, network, torch, **prepared) < TOLERANCE


def test_tag_says_how_a_file_pads(tmp_path):
    """Two origins name their arrays alike and pad otherwise: with the tag, timm's own Lite0 is computed as it was."""
    torch, path = pytest.importorskip("torch"), tmp_path / "model.safetensors"
    network = written_by_timm("efficientnet_lite0", path, torch)
    with pytest.raises(ModelFileError, match="differ in padding"):
        zoo.create("efficientnet_lite0", weights=path, cache_dir=None)
    pretrained = read_weights(
        zoo.find("efficientnet_lite0"), find_row("efficientnet_lite0.timm_ra_in1k"), None, path=path
    )
    assert relative_error("efficientnet_lite0", pretrained, network, torch, **IMAGENET) < TOLERANCE


def written_by_timm(name, path, torch):
    """Save a random network of timm as safetensors; return it in double precision."""
    timm, safetensors = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
    network = random_state(timm.create_model(name), torch)
    state = network.state_dict()
    safetensors.save_file({key: value.float() if value.ndim else value for key, value in state.items()}, path)
    return network
