"""What torchvision's weights have in common: preprocessing, licence, and where its files are served."""

from zoo.spec import Download, Preprocessing, Weights


def torchvision_preprocessing(resize: int = 256) -> Preprocessing:
    """Return "resize to `resize`, crop 224", with mean and standard deviation of ImageNet's training pictures."""
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    return Preprocessing(224, mean, std, interpolation="bilinear", crop_fraction=224 / resize)


def torchvision_weights(name: str, version: int, sha256: str, top1: float, resize: int = 256) -> Weights:
    """Return the row of a file of torchvision's.

    Args:
        name: of the model, the same there and here.
        version: 1 or 2 of torchvision's IMAGENET1K weights.
        sha256: the digits of the file's SHA-256 that its name carries.
        top1: as torchvision reports it, in percent.
        resize: pixels that the shorter side is resized to before the crop; 232 in the later recipe.
    """
    return Weights(
        tag=f"{name}.torchvision_v{version}",
        sha256=sha256,
        licence="BSD-3-Clause",
        num_classes=1000,
        preprocessing=torchvision_preprocessing(resize),
        source=Download(f"https://download.pytorch.org/models/{name}-{sha256}.pth"),
        top1=top1,
        naming="torch",
    )
