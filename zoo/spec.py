"""What a row of the zoo says: the architecture, where its weights are, and how pictures must be prepared for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input.

    Outside the model the one decoder gives RGB, crops the centred square of the shorter side and resizes it to
    `image_size`; inside the model every channel of that square, float32 in [0, 255], becomes `(x - mean) / std`.

    Attributes:
        image_size: side of the square in pixels.
        mean: subtracted from red, green, blue; in units of [0, 255].
        std: divides red, green, blue; a standard deviation, not a variance; in units of [0, 255].
        interpolation: "bicubic" or "bilinear", as Pillow computes them (antialiased).
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"


@dataclass(frozen=True)
class Weights:
    """One set of pretrained weights.

    Attributes:
        tag: full name, "variant.origin".
        package: distribution on the Python package index that carries the file, nothing else is downloaded.
        module: import name of that distribution.
        member: path of the file inside the module's folder, with forward slashes.
        sha256: of that file, in hexadecimal.
        licence: of the weights, as their publisher states it.
        num_classes: outputs of the original head.
        top1: ImageNet-1k top-1 accuracy in percent that the publisher reports.
        preprocessing: what the weights were trained with.
    """

    tag: str
    package: str
    module: str
    member: str
    sha256: str
    licence: str
    num_classes: int
    top1: float
    preprocessing: Preprocessing


@dataclass(frozen=True)
class Variant:
    """One architecture of a family.

    Attributes:
        name: what a user types.
        family: folder under `zoo/families`.
        parameters: trainable parameters with 1000 classes, exactly.
        preprocessing: used when no weights say otherwise.
        arguments: what the family's builder needs, as plain values.
        dropout: rate before the classifier in the source.
        weights: rows of pretrained weights, the default first.
        reported_top1: ImageNet-1k top-1 accuracy in percent that the architecture's authors report.
    """

    name: str
    family: str
    parameters: int
    preprocessing: Preprocessing
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    dropout: float = 0.2
    weights: tuple[Weights, ...] = ()
    reported_top1: float | None = None


@dataclass(frozen=True)
class Naming:
    """How one publisher names the arrays of a family's models.

    Attributes:
        layers: the variant's arguments as keywords to our layers, theirs, and their kinds; the head included.
        rename: applied to every foreign name first, for spellings that changed over time.
    """

    layers: Callable[..., Iterator["LayerName"]]
    rename: Callable[[str], str] = str


@dataclass(frozen=True)
class LayerName:
    """Where a layer's arrays are in a foreign state dict.

    Attributes:
        ours: name of the layer in our models.
        theirs: prefix of its arrays, before ".weight" and the like.
        kind: "conv", "depthwise", "dense" or "norm"; decides which arrays there are and how their axes are ordered.
    """

    ours: str
    theirs: str
    kind: str
