"""Moving statistics of batch normalization that follow the data in time, however few steps an epoch has."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from finetune.training.precision import layers_within

# Steps that are averaged over at least: a last batch of one example then counts a fifth.
_FEWEST = 5


@contextmanager
def following_within(model: keras.Model, steps: int) -> Iterator[None]:
    """Let batch normalization that learns average over no more than an epoch within the block.

    Keras' momentum of 0.99 spans a hundred steps. Where an epoch has six of them, the statistics are those of weights
    long gone: EfficientNet-Lite0 from random weights, 170 pictures at 96 px for 30 epochs, then knows every training
    picture and 18 % of other pictures; with an average over an epoch 61 %. A shorter average of a layer's own stays.

    Args:
        model: whose layers are looked at, inner ones too. What is compiled within the block averages so for good;
            after it every layer has its own momentum again, which is what is saved.
        steps: of an epoch.
    """
    found = [layer for layer in layers_within(model) if isinstance(layer, keras.layers.BatchNormalization)]
    own = [layer.momentum for layer in found]
    for layer in found:
        layer.momentum = min(layer.momentum, 1 - 1 / max(steps, _FEWEST))
    try:
        yield
    finally:
        for layer, momentum in zip(found, own, strict=True):
            layer.momentum = momentum
