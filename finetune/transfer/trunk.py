"""The frozen part of a model: cut off to run alone, and joined again with the head that learned on its output."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np

import zoo
from finetune.config import FinetuneConfig
from zoo import registry
from zoo.errors import RunStateError
from zoo.head import LOGITS_LAYER, activate, classifier, pool
from zoo.spec import Preprocessing
from zoo.weights.load import read_weights

# Largest difference that one network may show between its two paths; float32 sums in another order differ by 1e-5.
JOIN_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Trunk:
    """A frozen pretrained network and what its output depends on.

    Attributes:
        model: pictures (batch, image_size, image_size, 3) in [0, 255] to pooled features (batch, channels) float32.
        preprocessing: how pictures are prepared for it.
        weights_sha256: of the file that its weights came from.
    """

    model: keras.Model
    preprocessing: Preprocessing
    weights_sha256: str


def build_trunk(config: FinetuneConfig) -> Trunk:
    """Return the trunk that a resolved config names.

    Raises:
        ModelFileError: the weights are not at hand or do not fit.
    """
    pretrained = read_weights(registry.find(config.model), config.weights, config.cache_path)
    shape = (config.image_size, config.image_size, 3)
    backbone = zoo.backbone(config.model, input_shape=shape, weights=pretrained)
    model = keras.Model(backbone.input, pool(backbone.output), name=config.model)
    model.trainable = False
    return Trunk(model, replace(pretrained.preprocessing, image_size=config.image_size), pretrained.sha256)


def new_head(num_features: int, num_classes: int, *, dropout: float, seed: int) -> keras.Model:
    """Return a head of its own: features (batch, num_features) float32 to logits (batch, num_classes)."""
    inputs = keras.Input((num_features,), name="features")
    return keras.Model(inputs, classifier(inputs, num_classes, dropout=dropout, seed=seed), name="head")


def join(trunk: keras.Model, head: keras.Model, *, dropout: float) -> keras.Model:
    """Return one flat model, pictures to probabilities, with the trunk's layers and the head's weights."""
    learned = head.get_layer(LOGITS_LAYER)
    logits = classifier(trunk.output, learned.units, dropout=dropout)
    model = keras.Model(trunk.input, activate(logits, "softmax"), name=trunk.name)
    model.get_layer(LOGITS_LAYER).set_weights(learned.get_weights())
    return model


def forward(model: keras.Model, batches: Iterable[np.ndarray], *, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the model's output for each batch of at most `batch_size` pictures.

    A short batch is filled up with zeros and its output cut, so that the graph is traced for one shape only.
    """
    for batch in batches:
        short = batch_size - len(batch)
        if short:
            batch = np.concatenate([batch, np.zeros((short, *batch.shape[1:]), batch.dtype)])
        yield np.asarray(model.predict_on_batch(batch))[: batch_size - short]


def probabilities(head: keras.Model, features: np.ndarray, *, batch_size: int = 1024) -> np.ndarray:
    """Return the probabilities (n, classes) float32 that a head gives for features (n, channels), read in batches."""
    batches = (features[start : start + batch_size] for start in range(0, len(features), batch_size))
    logits = np.concatenate(list(forward(head, batches, batch_size=min(batch_size, len(features)))))
    return np.asarray(keras.ops.softmax(logits))


def verify_joined(model: keras.Model, head: keras.Model, pictures: np.ndarray, features: np.ndarray) -> float:
    """Compare the joined model on pictures with the head on the cached features of the same pictures.

    Args:
        model: pictures to probabilities.
        head: features to logits.
        pictures: (batch, image_size, image_size, 3) uint8.
        features: (batch, channels) float32, as cached.

    Returns:
        The largest absolute difference between the two paths' probabilities.

    Raises:
        RunStateError: the paths differ, so the cached features are not those of these pictures.
    """
    joined = np.asarray(model.predict_on_batch(pictures))
    cached = probabilities(head, features)
    difference = float(np.abs(joined - cached).max())
    if not difference <= JOIN_TOLERANCE:
        raise RunStateError(
            f"the joined model differs from the head on cached features by {difference:.2g} in a probability: "
            f"the cached features are damaged. Delete the folder `features` of the cache and run again"
        )
    return difference
