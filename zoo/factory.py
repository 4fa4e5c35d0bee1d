"""Models by name: the only caller of the families' builders and of the weights."""

import importlib
from pathlib import Path

import keras

from zoo import registry
from zoo.errors import ConfigError
from zoo.head import activate, classifier, pool
from zoo.preprocessing import normalize
from zoo.spec import Variant, Weights
from zoo.weights import sources
from zoo.weights.load import load_weights

# Five halvings: a smaller picture leaves less than one cell of the last feature map.
MIN_IMAGE_SIZE = 32


def create(
    name: str,
    *,
    input_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    weights: str | Path | None = "imagenet",
    dropout: float | None = None,
    classifier_activation: str | None = "softmax",
    cache_dir: str | Path | None = None,
) -> keras.Model:
    """Build a classification model as one flat graph, from pixels to probabilities.

    Args:
        name: model, as `list_models` gives it.
        input_shape: (height, width, 3); by default the square that the weights were trained with.
        num_classes: outputs; by default those of the weights, or 1000.
        weights: "imagenet", a full tag, a file, or None for random weights. The pretrained classifier is kept when
            `num_classes` is its number, otherwise the head starts from random weights.
        dropout: rate before the classifier; by default that of the model's source.
        classifier_activation: "softmax" for probabilities, None for logits.
        cache_dir: keeps converted weights; None converts each time.

    Returns:
        Model from RGB (batch, height, width, 3) in [0, 255] to (batch, num_classes) float32.

    Raises:
        ConfigError: unknown model, tag or impossible shape.
        ModelFileError: weights are not at hand or do not fit.

    Example:
        >>> model = create("efficientnet_lite0", input_shape=(64, 64, 3), num_classes=10, weights=None)
        >>> model.output_shape
        (None, 10)
    """
    variant = registry.find(name)
    chosen = None if weights is None else sources.choose(variant, weights)
    pretrained = chosen.num_classes if isinstance(chosen, Weights) else 1000
    num_classes = pretrained if num_classes is None else num_classes
    if num_classes < 1:
        raise ConfigError(f"num_classes must be at least 1; received {num_classes}")
    inputs, features = _features(variant, chosen, input_shape)
    logits = classifier(pool(features), num_classes, dropout=variant.dropout if dropout is None else dropout)
    model = keras.Model(inputs, activate(logits, classifier_activation), name=name)
    if chosen is not None:
        cache = None if cache_dir is None else Path(cache_dir)
        load_weights(model, variant, chosen, head=num_classes == pretrained, cache_dir=cache)
    return model


def backbone(
    name: str,
    *,
    input_shape: tuple[int, int, int] | None = None,
    weights: str | Path | None = "imagenet",
    cache_dir: str | Path | None = None,
) -> keras.Model:
    """Build a model without its head: from RGB in [0, 255] to the last feature map (batch, h, w, channels).

    Args and errors are those of `create`.

    Example:
        >>> backbone("efficientnet_lite0", input_shape=(64, 64, 3), weights=None).output_shape
        (None, 2, 2, 1280)
    """
    variant = registry.find(name)
    chosen = None if weights is None else sources.choose(variant, weights)
    inputs, features = _features(variant, chosen, input_shape)
    model = keras.Model(inputs, features, name=f"{name}_backbone")
    if chosen is not None:
        load_weights(model, variant, chosen, head=False, cache_dir=None if cache_dir is None else Path(cache_dir))
    return model


def _features(
    variant: Variant, weights: Weights | Path | None, input_shape: tuple[int, int, int] | None
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    preprocessing = sources.preprocessing_of(variant, weights)
    shape = input_shape or (preprocessing.image_size, preprocessing.image_size, 3)
    if len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < MIN_IMAGE_SIZE:
        raise ConfigError(
            f"input_shape must be (height, width, 3) with sides of at least {MIN_IMAGE_SIZE}; received {tuple(shape)}"
        )
    build = importlib.import_module(f"zoo.families.{variant.family}.build").build
    inputs = keras.Input(shape, name="image")
    return inputs, build(normalize(inputs, preprocessing), **variant.arguments)
