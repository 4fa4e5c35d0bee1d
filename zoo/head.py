"""Heads: what turns a backbone's features into an answer."""

import keras

POOL_LAYER = "pool"
LOGITS_LAYER = "logits"


def pool(x: keras.KerasTensor) -> keras.KerasTensor:
    """Average a feature map (batch, height, width, channels) over space to (batch, channels)."""
    return keras.layers.GlobalAveragePooling2D(name=POOL_LAYER)(x)


def classifier(x: keras.KerasTensor, num_classes: int, *, dropout: float) -> keras.KerasTensor:
    """Return logits (batch, num_classes) from pooled features (batch, channels).

    Training works on logits, where cross-entropy keeps its precision; `activate` turns them into probabilities.
    """
    x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(num_classes, name=LOGITS_LAYER)(x)


def activate(x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
    """Return the activation of logits as a layer of its own, or the logits themselves for None."""
    # float32 whatever the policy: probabilities in half precision do not sum to 1
    return keras.layers.Activation(activation, dtype="float32", name="probabilities")(x) if activation else x
