"""Rows of ResNet and ResNeXt.

Architecture: He et al., "Deep Residual Learning for Image Recognition" (https://arxiv.org/abs/1512.03385), table 1, but
a bottleneck's strides are on its 3x3 convolution, as torchvision and timm have them. The depths of ResNet-200: He et
al., "Identity Mappings in Deep Residual Networks" (https://arxiv.org/abs/1603.05027). ResNeXt: Xie et al., "Aggregated
Residual Transformations for Deep Neural Networks" (https://arxiv.org/abs/1611.05431).
Reported accuracy: torchvision's first weights, trained by one plain recipe, centre crop of 224 pixels; of ResNeXt-101
64x4d, where torchvision has a stronger recipe only, that of its authors (github.com/facebookresearch/ResNeXt).
"""

from types import MappingProxyType

from zoo.families.torchvision import torchvision_preprocessing, torchvision_weights
from zoo.spec import Variant, Weights

_FILTERS = (64, 128, 256, 512)

# name, block, depths, groups, width of a group in the first stage, reported top-1, trainable parameters, 1000 classes
_ROWS = (
    ("resnet18", "basic", (2, 2, 2, 2), 1, 64, 69.8, 11_689_512),
    ("resnet34", "basic", (3, 4, 6, 3), 1, 64, 73.3, 21_797_672),
    ("resnet50", "bottleneck", (3, 4, 6, 3), 1, 64, 76.1, 25_557_032),
    ("resnet101", "bottleneck", (3, 4, 23, 3), 1, 64, 77.4, 44_549_160),
    ("resnet152", "bottleneck", (3, 8, 36, 3), 1, 64, 78.3, 60_192_808),
    ("resnet200", "bottleneck", (3, 24, 36, 3), 1, 64, None, 64_673_832),
    ("resnext50_32x4d", "bottleneck", (3, 4, 6, 3), 32, 4, 77.6, 25_028_904),
    ("resnext101_32x8d", "bottleneck", (3, 4, 23, 3), 32, 8, 79.3, 88_791_336),
    ("resnext101_64x4d", "bottleneck", (3, 4, 23, 3), 64, 4, 79.6, 83_455_272),
)

# torchvision's files: name: version, first digits of the SHA-256 (they are in the file's name), top-1, resize
_FILES = {
    "resnet18": ((1, "f37072fd", 69.758),),
    "resnet34": ((1, "b627a593", 73.314),),
    "resnet50": ((1, "0676ba61", 76.130), (2, "11ad3fa6", 80.858, 232)),
    "resnet101": ((1, "63fe2227", 77.374), (2, "cd907fc2", 81.886, 232)),
    "resnet152": ((1, "394f9c45", 78.312), (2, "f82ba261", 82.284, 232)),
    "resnext50_32x4d": ((1, "7cdf4587", 77.618), (2, "1a0047aa", 81.198, 232)),
    "resnext101_32x8d": ((1, "8ba56ff5", 79.312), (2, "110c445d", 82.834, 232)),
    "resnext101_64x4d": ((1, "173b62eb", 83.246, 232),),
}


def _own(name: str) -> Weights:
    """Return the row of a model whose weights nobody serves for it: a file of the user's with timm's names."""
    return Weights(f"{name}.timm", "", "that of the file", 1000, torchvision_preprocessing())


VARIANTS = tuple(
    Variant(
        name=name,
        family="resnet",
        parameters=parameters,
        preprocessing=torchvision_preprocessing(),
        arguments=MappingProxyType(
            {"block": block, "depths": depths, "filters": _FILTERS, "groups": groups, "group_width": group_width}
        ),
        dropout=0.0,
        weights=tuple(torchvision_weights(name, *file) for file in _FILES.get(name, ())) or (_own(name),),
        reported_top1=top1,
    )
    for name, block, depths, groups, group_width, top1, parameters in _ROWS
)
