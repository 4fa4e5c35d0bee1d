"""Models by name: the only caller of the families' builders and of the weights."""

import importlib
import math
import re
from pathlib import Path

import keras

from zoo import registry
from zoo.description import Description
from zoo.description import describe as describe_model
from zoo.errors import ConfigError
from zoo.families.applications import table as applications
from zoo.head import activate, classifier, pool
from zoo.preprocessing import normalize
from zoo.sequential import arguments as checks
from zoo.spec import Variant
from zoo.weights import load
from zoo.weights.assign import assign_weights
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.load import Pretrained
from zoo.weights.sources import DEFAULT_CACHE_DIR
from zoo.weights.weight_file import ReadLimits

STEMS = ("standard", "small")
ACTIVATIONS = ("softmax", "sigmoid")
# Five halvings: a smaller picture leaves less than one cell of the last feature map.
MIN_IMAGE_SIZE = 32


def create(
    name: str,
    *,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    weights: str | Path | Pretrained | None = "imagenet",
    dropout: float | None = None,
    classifier_activation: str | None = "softmax",
    stem: str = "standard",
    cache_dir: str | Path | None = DEFAULT_CACHE_DIR,
) -> keras.Model:
    """Build a classification model as one flat graph, from pixels to probabilities.

    Args:
        name: model, as `list_models` gives it; "hub:" and a preset of KerasHub; or the path of a run directory or of a
            `.keras` file, which is cut before its head. To a `.keras` file that is not of the zoo, pixels in [0, 255]
            go as they are, in the size of its input.
        input_shape: (height, width, channels); by default the square that the weights were trained with, in RGB. For
            other numbers of channels the pretrained stem is adapted: summed for one, repeated and scaled for more.
        num_classes: outputs; by default those of the weights, or 1000.
        weights: "imagenet" for the model's own, a full tag, None for random weights, or a file: `.pth`,
            `.safetensors`, `.keras` or `.weights.h5`, or `.h5` as keras.applications publishes them. The pretrained
            classifier is kept when `num_classes` is its number, otherwise the head starts from random weights.
            What `read_weights` gave is taken as it is.
        dropout: rate before the classifier, [0, 1); by default that of the model's source.
        classifier_activation: "softmax" for probabilities, "sigmoid" for one of each label, None for logits.
        stem: "small" for pictures under 64 pixels: the stem keeps their size. Only with random weights.
        cache_dir: keeps downloaded, imported and converted weights; None keeps nothing.

    Returns:
        Model from pixels (batch, height, width, channels) in [0, 255] to (batch, num_classes) float32.

    Raises:
        ConfigError: unknown model or tag, or an argument is impossible.
        ModelFileError: weights are not at hand or do not fit.

    Example:
        >>> model = create("efficientnet_lite0", input_shape=(64, 64, 3), num_classes=10, weights=None)
        >>> model.output_shape
        (None, 10)
    """
    variant = registry.find(name)
    dropout = variant.dropout if dropout is None else checks.rate("dropout", dropout)
    if classifier_activation is not None:
        checks.one_of("classifier_activation", classifier_activation, ACTIVATIONS)
    pretrained = _read(variant, weights, stem, cache_dir)
    num_classes = _num_classes(name, num_classes, pretrained, classifier_activation)
    inputs, features = _features(variant, pretrained, input_shape, stem)
    logits = classifier(pool(features), num_classes, dropout=dropout)
    model = keras.Model(inputs, activate(logits, classifier_activation), name=_model_name(variant))
    if pretrained:
        assign_weights(model, pretrained, head=num_classes == pretrained.num_classes)
    return model


def _num_classes(name: str, asked: int | None, pretrained: Pretrained | None, activation: str | None) -> int:
    """Return how many outputs: as many as asked for, or those of the weights, or 1000."""
    known = pretrained.num_classes if pretrained else 1000
    if asked is None and known is None:
        raise ConfigError(f"the weights of {name} hold no classifier that fits; say how many classes: num_classes=10")
    found = checks.positive("num_classes", known if asked is None else asked)
    if found == 1 and activation == "softmax":
        raise ConfigError(
            "num_classes must be at least 2 for classifier_activation='softmax', which over one class is always 1; "
            "received 1. For yes or no take 'sigmoid', for a number None."
        )
    return found


def backbone(
    name: str,
    *,
    input_shape: tuple[int, int, int] | None = None,
    weights: str | Path | Pretrained | None = "imagenet",
    stem: str = "standard",
    cache_dir: str | Path | None = DEFAULT_CACHE_DIR,
) -> keras.Model:
    """Build a model without its head: from pixels in [0, 255] to the last feature map (batch, h, w, channels).

    Args and errors are those of `create`.

    Example:
        >>> backbone("efficientnet_lite0", input_shape=(64, 64, 3), weights=None).output_shape
        (None, 2, 2, 1280)
    """
    variant = registry.find(name)
    pretrained = _read(variant, weights, stem, cache_dir)
    inputs, features = _features(variant, pretrained, input_shape, stem)
    model = keras.Model(inputs, features, name=f"{_model_name(variant)}_backbone")
    if pretrained:
        assign_weights(model, pretrained, head=False)
    return model


def read_weights(
    name: str,
    weights: str | Path = "imagenet",
    *,
    limits: ReadLimits | KerasLimits | None = None,
    cache_dir: str | Path | None = DEFAULT_CACHE_DIR,
) -> Pretrained:
    """Read weights once, to give them to `create` and `backbone` of the same model, or to let a file ask for more.

    Args:
        name: model, as for `create`. One that is a path, or KerasHub's, is opened within the default limits.
        weights: "imagenet", a full tag, or a file.
        limits: how much a file may ask for before it is refused: `ReadLimits`, or `KerasLimits` for what only files of
            Keras have; None for the defaults.
        cache_dir: keeps downloaded, imported and converted weights; None keeps nothing.

    Raises:
        ConfigError: unknown model or tag, or limits of another kind.
        ModelFileError: weights are not at hand, damaged, over a limit, or another model's.

    Example:
        >>> weights = read_weights("efficientnet_lite0", limits=ReadLimits(file_bytes=8 * 2**30))
        >>> create("efficientnet_lite0", weights=weights).output_shape
        (None, 1000)
    """
    return load.read_weights(registry.find(name), _named(weights), _folder(cache_dir), limits=load.all_limits(limits))


def describe(name: str, input_shape: tuple[int, int, int] | None = None, *, num_classes: int = 1000) -> Description:
    """Describe a model layer by layer: output size, receptive field, parameters, multiply-adds, memory; and in total.

    Args:
        name: model, as `list_models` gives it.
        input_shape: (height, width, channels); by default the square that its weights were trained with.
        num_classes: outputs of the head.

    Raises:
        ConfigError: unknown model or impossible shape.

    Example:
        >>> round(describe("efficientnet_lite0").totals.multiply_adds / 1e9, 2)
        0.39
    """
    model = create(name, input_shape=input_shape, num_classes=num_classes, weights=None, classifier_activation=None)
    return describe_model(model)


def stage_outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return the last output of each stage, from "stem" to "top", in the order of the graph.

    Works on what `create` and `backbone` give, out of runs too. Models of keras.applications have "stage1" to "stage5".
    Of models whose layers tell no stages, as KerasHub's, "stage1" is the last feature map that leaves half of the
    picture, "stage2" a quarter, and so on.

    Example:
        >>> model = backbone("efficientnet_lite0", input_shape=(64, 64, 3), weights=None)
        >>> {name: tensor.shape[1:] for name, tensor in stage_outputs(model).items()}["stage2"]
        (16, 16, 24)
    """
    variant = applications.BY_NAME.get(model.name.removesuffix("_backbone"))
    layers = applications.stage_layers(variant.arguments["function"]) if variant else {}
    # a saved model may be called so without being one
    if layers and set(layers.values()) <= {layer.name for layer in model.layers}:
        return {stage: model.get_layer(layer).output for stage, layer in layers.items()}
    stages = {}
    for layer in model.layers:
        stage = layer.name.partition("_")[0]
        if stage in ("stem", "top") or stage.startswith("stage"):
            stages[stage] = layer.output
    return stages or _halvings(model)


def _halvings(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return the last feature map of each size, named by how often the picture was halved until then."""
    stages = {}
    for layer in model.layers:
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and None not in shape[1:3] and 0 < shape[1] < model.input_shape[1]:
            stages[f"stage{round(math.log2(model.input_shape[1] / shape[1]))}"] = layer.output
    return {name: stages[name] for name in sorted(stages) if name != "stage0"}


def _model_name(variant: Variant) -> str:
    # Keras takes no "/" there, and a preset of KerasHub is named by its folder
    return re.sub(r"\W+", "_", variant.model_name or variant.name)


def _read(
    variant: Variant, weights: str | Path | Pretrained | None, stem: str, cache_dir: str | Path | None
) -> Pretrained | None:
    if stem not in STEMS:
        raise ConfigError(f"stem must be one of {', '.join(STEMS)}; received {stem!r}")
    if weights is None:
        return None
    if stem == "small":
        raise ConfigError('stem="small" has no pretrained weights: the stem differs from theirs; add weights=None')
    if not isinstance(weights, Pretrained):
        return load.read_weights(variant, _named(weights), _folder(cache_dir))
    # two variants of a family may differ in numbers alone: these weights would build the other one under this name
    if weights.variant != variant.name:
        raise ConfigError(f"these weights were read for {weights.variant}; read them anew for {variant.name}")
    return weights


def _named(weights: object) -> str | Path:
    if not isinstance(weights, str | Path):
        raise ConfigError(f"weights must be a tag, the path of a file, or what read_weights gave; received {weights!r}")
    return weights


def _folder(cache_dir: str | Path | None) -> Path | None:
    return None if cache_dir is None else Path(cache_dir).expanduser()


def _features(
    variant: Variant, pretrained: Pretrained | None, input_shape: tuple[int, int, int] | None, stem: str
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    preprocessing = pretrained.preprocessing if pretrained else variant.preprocessing
    arguments = pretrained.arguments if pretrained else variant.arguments
    shape = (preprocessing.image_size, preprocessing.image_size, 3) if input_shape is None else input_shape
    shape = checks.shape(shape, ("height", "width", "channels"))
    if min(shape[:2]) < MIN_IMAGE_SIZE:
        raise ConfigError(
            f"input_shape must be (height, width, channels) with sides of at least {MIN_IMAGE_SIZE}; received {shape}"
        )
    build = importlib.import_module(f"zoo.families.{variant.family}.build").build
    inputs = keras.Input(shape, name="image")
    return inputs, build(normalize(inputs, preprocessing), stem=stem, **arguments)
