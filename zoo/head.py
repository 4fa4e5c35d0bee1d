"""Heads: what turns a backbone's features into an answer."""

import keras

POOL_LAYER = "pool"
LOGITS_LAYER = "logits"
DROPOUT_LAYER, PROBABILITIES_LAYER = "dropout", "probabilities"
HEAD_LAYERS = (POOL_LAYER, DROPOUT_LAYER, LOGITS_LAYER, PROBABILITIES_LAYER)


def pool(x: keras.KerasTensor) -> keras.KerasTensor:
    """Average a feature map (batch, height, width, channels) over space to (batch, channels)."""
    return keras.layers.GlobalAveragePooling2D(name=POOL_LAYER)(x)


def classifier(x: keras.KerasTensor, num_classes: int, *, dropout: float, seed: int | None = None) -> keras.KerasTensor:
    """Return logits (batch, num_classes) from pooled features (batch, channels).

    Training works on logits, where cross-entropy keeps its precision; `activate` turns them into probabilities.

    Args:
        x: pooled features.
        num_classes: number of outputs.
        dropout: rate before the classifier, [0, 1).
        seed: of the initial weights and of dropout; None draws one from Keras' global generator.
    """
    x = keras.layers.Dropout(dropout, seed=seed, name=DROPOUT_LAYER)(x)
    initializer = keras.initializers.GlorotUniform(seed)
    return keras.layers.Dense(num_classes, kernel_initializer=initializer, name=LOGITS_LAYER)(x)


def activate(x: keras.KerasTensor, activation: str | None) -> keras.KerasTensor:
    """Return the activation of logits as a layer of its own, or the logits themselves for None."""
    if not activation:
        return x
    # float32 whatever the policy: probabilities in half precision do not sum to 1
    return keras.layers.Activation(activation, dtype="float32", name=PROBABILITIES_LAYER)(x)
