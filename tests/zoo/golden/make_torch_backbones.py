"""Writes narrow/ beside this file: small torch networks with random weights, and the logits that torch finds with them.

    pip install torch numpy safetensors
    python tests/zoo/golden/make_torch_backbones.py

Only this script needs torch; the tests read what it writes. It shares no code with the project, on purpose: the
networks are written down here once more, as torch.nn modules with the parameter names of torchvision (ResNet, ResNeXt,
DenseNet) and timm (EfficientNet-Lite), so that a full-size instance takes a published file, and a file of ours looks
like one of theirs. Only the arguments have the zoo's names.

narrow/pictures.npz holds pictures of noise, (batch, height, width, 3) uint8 in [0, 255], by name "HEIGHTxWIDTH". For
each case there is a file of weights and a .json with its name, the family, the arguments and the logits by picture
size: of the pictures less ImageNet's mean, divided by its standard deviation, in evaluation mode, in float64.

Architectures: He et al. 2016 (arXiv:1512.03385), Xie et al. 2017 (arXiv:1611.05431), Huang et al. 2017
(arXiv:1608.06993), Tan & Le 2019 (arXiv:1905.11946) with the Lite changes of github.com/tensorflow/tpu.
"""

import json
import math
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

FOLDER = Path(__file__).parent / "narrow"
SIZES = ((64, 64), (65, 97))
NUM_CLASSES = 10
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)

# file of weights: family, arguments. Widths and depths are such that every kind of block and shortcut occurs, and that
# halving a number of channels has to round.
CASES = {
    "resnet_basic.pth": (
        "resnet",
        {"block": "basic", "depths": (2, 1, 2, 1), "filters": (8, 16, 24, 32), "groups": 1, "group_width": 8},
    ),
    "resnet_bottleneck_legacy.pth": (
        "resnet",
        {"block": "bottleneck", "depths": (2, 1, 2, 1), "filters": (8, 16, 24, 32), "groups": 1, "group_width": 8},
    ),
    "resnext.safetensors": (
        "resnet",
        {"block": "bottleneck", "depths": (2, 1, 2, 1), "filters": (8, 16, 24, 32), "groups": 4, "group_width": 3},
    ),
    "densenet_old_names.pth": ("densenet", {"growth_rate": 5, "depths": (2, 3, 2, 2), "stem_filters": 9}),
    "efficientnet_lite_timm.safetensors": ("efficientnet_lite", {"width": 0.1, "depth": 0.5}),
}


def conv(channels: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Convolution as all four architectures have it: no bias, half the kernel of padding on every side."""
    return nn.Conv2d(channels, filters, kernel, stride, padding=kernel // 2, groups=groups, bias=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 in groups, 1x1; plus the input, projected where its shape differs."""

    def __init__(self, channels: int, widths: tuple[int, ...], stride: int, groups: int) -> None:
        super().__init__()
        kernels = (3, 3) if len(widths) == 2 else (1, 3, 1)
        self.length, first_3x3 = len(widths), kernels.index(3)
        current = channels
        for index, (width, kernel) in enumerate(zip(widths, kernels, strict=True)):
            here = index == first_3x3
            convolution = conv(current, width, kernel, stride if here else 1, groups if here else 1)
            setattr(self, f"conv{index + 1}", convolution)
            setattr(self, f"bn{index + 1}", nn.BatchNorm2d(width))
            current = width
        self.downsample = None
        if stride != 1 or channels != current:
            self.downsample = nn.Sequential(conv(channels, current, 1, stride), nn.BatchNorm2d(current))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, not negative."""
        y = x
        for index in range(1, self.length + 1):
            y = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(y))
            y = y.relu() if index < self.length else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ResNet(nn.Module):
    """ResNet and ResNeXt with torchvision's names."""

    def __init__(self, num_classes: int, *, block: str, depths, filters, groups: int, group_width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, filters[0], 7, 2), nn.BatchNorm2d(filters[0])
        channels = filters[0]
        for index, (depth, planes) in enumerate(zip(depths, filters, strict=True)):
            layer = nn.Sequential()
            for number in range(depth):
                width = int(planes * (group_width / filters[0])) * groups
                widths = (planes, planes) if block == "basic" else (width, width, planes * 4)
                stride = 2 if index and not number else 1
                layer.append(ResidualBlock(channels, widths, stride, groups))
                channels = widths[-1]
            setattr(self, f"layer{index + 1}", layer)
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, classes)."""
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))


class DenseLayer(nn.Module):
    """Normalization, ReLU, 1x1, normalization, ReLU, 3x3; the result is appended to the input."""

    def __init__(self, channels: int, growth_rate: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), conv(channels, 4 * growth_rate, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth_rate), conv(4 * growth_rate, growth_rate, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with the new channels behind its own."""
        return torch.cat([x, self.conv2(self.norm2(self.conv1(self.norm1(x).relu())).relu())], dim=1)


class DenseNet(nn.Module):
    """DenseNet-BC with torchvision's names."""

    def __init__(self, num_classes: int, *, growth_rate: int, depths, stem_filters: int) -> None:
        super().__init__()
        stem = [("conv0", conv(3, stem_filters, 7, 2)), ("norm0", nn.BatchNorm2d(stem_filters)), ("relu0", nn.ReLU())]
        self.features = nn.Sequential(OrderedDict([*stem, ("pool0", nn.MaxPool2d(3, 2, padding=1))]))
        channels = stem_filters
        for stage, depth in enumerate(depths, start=1):
            layers = OrderedDict()
            for number in range(1, depth + 1):
                layers[f"denselayer{number}"] = DenseLayer(channels, growth_rate)
                channels += growth_rate
            self.features.add_module(f"denseblock{stage}", nn.Sequential(layers))
            if stage < len(depths):
                self.features.add_module(f"transition{stage}", self.transition(channels))
                channels //= 2
        self.features.add_module(f"norm{len(depths) + 1}", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)

    @staticmethod
    def transition(channels: int) -> nn.Sequential:
        """Return the layers between two blocks: half the channels, half the sides."""
        parts = {"norm": nn.BatchNorm2d(channels), "relu": nn.ReLU(), "conv": conv(channels, channels // 2, 1)}
        return nn.Sequential(OrderedDict(parts, pool=nn.AvgPool2d(2, 2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, classes)."""
        return self.classifier(self.features(x).relu().mean(dim=(2, 3)))


class InvertedResidual(nn.Module):
    """Expand (not in the first stage), depthwise, project, with a skip where the shape allows it; timm's names."""

    def __init__(self, channels: int, filters: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        names = ("conv_dw", "conv_pw") if expansion == 1 else ("conv_pw", "conv_dw", "conv_pwl")
        layers = [conv(inner, inner, kernel, stride, groups=inner), conv(inner, filters, 1)]
        layers = layers if expansion == 1 else [conv(channels, inner, 1), *layers]
        self.pairs = [(name, f"bn{number}") for number, name in enumerate(names, start=1)]
        for (name, norm), layer in zip(self.pairs, layers, strict=True):
            setattr(self, name, layer)
            setattr(self, norm, nn.BatchNorm2d(layer.out_channels))
        self.skips = stride == 1 and channels == filters

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output, of either sign."""
        y = x
        for name, norm in self.pairs:
            y = getattr(self, norm)(getattr(self, name)(y))
            y = y if norm == self.pairs[-1][1] else nn.functional.relu6(y)
        return x + y if self.skips else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite with timm's names, torch's padding and torch's epsilon of 1e-5."""

    # repeats, kernel size, stride of the first block, expansion, filters
    STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80))
    STAGES += ((3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))

    def __init__(self, num_classes: int, *, width: float, depth: float) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2), nn.BatchNorm2d(32)
        channels, self.blocks = 32, nn.Sequential()
        for index, (repeats, kernel, stride, expansion, filters) in enumerate(self.STAGES):
            fixed = index in (0, len(self.STAGES) - 1)
            stage = nn.Sequential()
            for number in range(repeats if fixed else math.ceil(repeats * depth)):
                scaled = self.round_to_8(filters * width)
                stage.append(InvertedResidual(channels, scaled, kernel, 1 if number else stride, expansion))
                channels = scaled
            self.blocks.append(stage)
        self.conv_head, self.bn2 = conv(channels, 1280, 1), nn.BatchNorm2d(1280)
        self.classifier = nn.Linear(1280, num_classes)

    @staticmethod
    def round_to_8(exact: float) -> int:
        """Return the multiple of 8 nearest to a number of filters, at least 0.9 times that number."""
        rounded = max(8, int(exact + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * exact else rounded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits (batch, classes)."""
        x = self.blocks(nn.functional.relu6(self.bn1(self.conv_stem(x))))
        x = nn.functional.relu6(self.bn2(self.conv_head(x)))
        return self.classifier(x.mean(dim=(2, 3)))


NETWORKS = {"resnet": ResNet, "densenet": DenseNet, "efficientnet_lite": EfficientNetLite}


def random_network(family: str, arguments: dict[str, object], num_classes: int, seed: int) -> nn.Module:
    """Return a network in evaluation mode in which no scale is 1, no offset 0, and no statistic that of a batch.

    The running statistics start as those of a batch of noise, so that activations keep a sensible size through any
    depth, and are then moved away from it.
    """
    generator = torch.manual_seed(seed)
    network = NETWORKS[family](num_classes, **arguments)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
        nn.init.normal_(norm.bias, std=0.3, generator=generator)
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.randn((8, 3, 96, 96), generator=generator))
        for norm in norms:
            noise = torch.randn(norm.num_features, generator=generator)
            norm.running_mean += 0.2 * noise * norm.running_var.sqrt()
            norm.running_var *= torch.empty(norm.num_features).uniform_(0.5, 2.0, generator=generator)
    return network.eval()


def logits_of(network: nn.Module, pictures: np.ndarray) -> np.ndarray:
    """Return the logits (batch, classes) float64 of pictures (batch, height, width, 3); the network becomes float64."""
    scaled = (pictures.astype(np.float64) - MEAN) / STD
    with torch.no_grad():
        return network.double()(torch.from_numpy(scaled).permute(0, 3, 1, 2)).numpy()


def old_spelling(name: str) -> str:
    """Return a DenseNet's parameter name as torchvision's published files have it."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", name)


def save(network: nn.Module, path: Path) -> None:
    """Write the state dict in the format and spelling that the file's name says."""
    state = network.state_dict()
    if "old_names" in path.stem:
        state = OrderedDict((old_spelling(name), value) for name, value in state.items())
    if path.suffix == ".safetensors":
        path.write_bytes(safetensors.torch.save(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization="legacy" not in path.stem)


def make(file: str, pictures: dict[str, np.ndarray]) -> None:
    """Write the weights and the logits of one case."""
    family, arguments = CASES[file]
    network = random_network(family, arguments, NUM_CLASSES, seed=list(CASES).index(file))
    save(network, FOLDER / file)
    logits = {size: logits_of(network, batch).round(12).tolist() for size, batch in pictures.items()}
    case = {"file": file, "family": family, "arguments": arguments, "torch": torch.__version__, "logits": logits}
    # One line for each list of numbers.
    text = re.sub(r"\[[^][]*\]", lambda found: "[" + " ".join(found[0][1:-1].split()) + "]", json.dumps(case, indent=2))
    (FOLDER / file).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    least, most = np.min(list(logits.values())), np.max(list(logits.values()))
    print(f"{file}: {(FOLDER / file).stat().st_size:,} bytes, logits {least:.2f} to {most:.2f}")


def main() -> None:
    """Write the pictures and all cases."""
    FOLDER.mkdir(exist_ok=True)
    generator = np.random.default_rng(0)
    pictures = {f"{h}x{w}": generator.integers(0, 256, (2, h, w, 3), dtype="uint8") for h, w in SIZES}
    np.savez_compressed(FOLDER / "pictures.npz", **pictures)
    for file in CASES:
        make(file, pictures)


if __name__ == "__main__":
    main()
