"""The pretrained part of a network, run alone; and the check that what it gave is what the whole network gives."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np

import zoo
from finetune.config import FinetuneConfig
from finetune.tasks import Scale, Task, outputs_of
from zoo import registry
from zoo.errors import RunStateError
from zoo.head import classifier, pool
from zoo.spec import Preprocessing
from zoo.weights.keras_model import check_loadable
from zoo.weights.load import read_weights

# Largest difference that one network may show between its two paths; float32 sums in another order differ by 1e-5.
JOIN_TOLERANCE = 1e-3
DAMAGED = "the cached features are damaged. Delete the folder `features` of the cache and run again"


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
        ModelFileError: the weights are not at hand or do not fit, or a model with these layers could not be opened
            again once it is saved.
    """
    pretrained = read_weights(registry.find(config.model), config.weights, config.cache_path)
    shape = (config.image_size, config.image_size, 3)
    backbone = zoo.backbone(config.model, input_shape=shape, weights=pretrained)
    model = keras.Model(backbone.input, pool(backbone.output), name=backbone.name.removesuffix("_backbone"))
    model.trainable = False
    check_loadable(model, config.model)
    return Trunk(
        model, replace(pretrained.preprocessing, image_size=config.image_size, resize=config.resize), pretrained.sha256
    )


def new_head(num_features: int, num_outputs: int, *, dropout: float, seed: int) -> keras.Model:
    """Return a head of its own: features (batch, num_features) float32 to logits (batch, num_outputs)."""
    inputs = keras.Input((num_features,), name="features")
    return keras.Model(inputs, classifier(inputs, num_outputs, dropout=dropout, seed=seed), name="head")


def forward(model: keras.Model, batches: Iterable[np.ndarray], *, batch_size: int) -> Iterator[np.ndarray]:
    """Yield the model's output for each batch of at most `batch_size` pictures.

    A short batch is filled up with zeros and its output cut, so that the graph is traced for one shape only.
    """
    for batch in batches:
        yield np.asarray(model.predict_on_batch(filled_up(batch, batch_size)))[: len(batch)]


def filled_up(batch: np.ndarray, size: int) -> np.ndarray:
    """Return a batch with rows of zeros behind its own where it has fewer than `size`."""
    short = size - len(batch)
    return np.concatenate([batch, np.zeros((short, *batch.shape[1:]), batch.dtype)]) if short else batch


def as_inputs(model: keras.Model, batch: object) -> object:
    """Return a batch as calling a model takes it: a list of one where it was made from a list."""
    return [batch] if isinstance(model.input, list) else batch


def head_outputs(
    head: keras.Model,
    features: np.ndarray,
    task: Task,
    scale: Scale | None = None,
    *,
    indices: np.ndarray | None = None,
    batch_size: int = 1024,
) -> np.ndarray:
    """Return a task's outputs (n, outputs) float32 for features (n, ...) or some of them, which are read in batches."""
    count = len(features) if indices is None else len(indices)
    parts = (slice(start, min(start + batch_size, count)) for start in range(0, count, batch_size))
    batches = (features[part if indices is None else indices[part]] for part in parts)
    logits = np.concatenate(list(forward(head, batches, batch_size=min(batch_size, count))))
    return outputs_of(logits, task, scale)


def verify_joined(model: keras.Model, inputs: object, expected: np.ndarray, scale: Scale | None = None) -> float:
    """Compare the joined model on raw inputs with what the head gave for the features of the same examples.

    Args:
        model: from raw inputs to outputs.
        inputs: what the model takes, for a batch of examples.
        expected: (batch, outputs) float32, as `head_outputs` gave them.
        scale: of outputs that are numbers; the difference is then relative to their standard deviation.

    Returns:
        The largest difference between the two paths: absolute for probabilities.

    Raises:
        RunStateError: the paths differ, so the cached features are not those of these examples.
    """
    if isinstance(inputs, dict):
        joined = np.asarray(model.predict_on_batch(inputs))  # columns may hold texts, which a mere call refuses
    else:
        # without a trace, which takes longer than these few examples do
        joined = np.asarray(model(as_inputs(model, inputs), training=False))
    unit = scale.std if scale else 1
    # a network that has hardly learned may answer with huge numbers, of which float32 keeps seven digits
    largest = max(1.0, float((np.abs(expected - (scale.mean if scale else 0)) / unit).max()))
    difference = float((np.abs(joined - expected) / unit).max()) / largest
    if not difference <= JOIN_TOLERANCE:
        raise RunStateError(
            f"the joined model differs from the head on cached features by {difference:.2g} in an output: {DAMAGED}"
        )
    return difference
