"""Rows of DenseNet-BC.

Architecture: Huang et al., "Densely Connected Convolutional Networks" (https://arxiv.org/abs/1608.06993), table 1;
DenseNet-161: the authors' github.com/liuzhuang13/DenseNet.
Reported accuracy: torchvision's weights, which are the authors', centre crop of 224 pixels.
"""

from types import MappingProxyType

from zoo.families.torchvision import torchvision_preprocessing, torchvision_weights
from zoo.spec import Variant

# layers, growth rate, depths, filters of the stem, reported top-1, trainable parameters with 1000 classes
_ROWS = (
    (121, 32, (6, 12, 24, 16), 64, 74.4, 7_978_856),
    (161, 48, (6, 12, 36, 24), 96, 77.1, 28_681_000),
    (169, 32, (6, 12, 32, 32), 64, 75.6, 14_149_480),
    (201, 32, (6, 12, 48, 32), 64, 76.9, 20_013_928),
)

# torchvision's files: layers: first digits of the SHA-256 (they are in the file's name), top-1
_FILES = {121: ("a639ec97", 74.434), 161: ("8d451a50", 77.138), 169: ("b2777c0a", 75.6), 201: ("c1103571", 76.896)}


VARIANTS = tuple(
    Variant(
        name=f"densenet{layers}",
        family="densenet",
        parameters=parameters,
        preprocessing=torchvision_preprocessing(),
        arguments=MappingProxyType({"growth_rate": growth_rate, "depths": depths, "stem_filters": stem_filters}),
        dropout=0.0,
        weights=(torchvision_weights(f"densenet{layers}", 1, *_FILES[layers]),),
        reported_top1=top1,
    )
    for layers, growth_rate, depths, stem_filters, top1, parameters in _ROWS
)
