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


def find_classifier(model: keras.Model) -> keras.layers.Dense | None:
    """Return the Dense layer of a model that ends as `classifier` and `activate` make it: in logits or probabilities.

    None where the end is another: more layers, another pooling, an activation other than softmax, or one output alone,
    which is a number and no class.
    """
    kinds = {POOL_LAYER: keras.layers.GlobalAveragePooling2D, DROPOUT_LAYER: keras.layers.Dropout}
    kinds |= {LOGITS_LAYER: keras.layers.Dense}
    layers = {layer.name: layer for layer in model.layers}
    if not all(isinstance(layers.get(name), kind) for name, kind in kinds.items()) or len(model.outputs) != 1:
        return None
    pooling, dropout, logits = (layers[name] for name in kinds)
    plain = logits.use_bias and logits.activation is keras.activations.linear and logits.units > 1
    chained = dropout.input is pooling.output and logits.input is dropout.output
    last = layers.get(PROBABILITIES_LAYER)
    end = model.outputs[0]
    softmax = isinstance(last, keras.layers.Activation) and last.activation is keras.activations.softmax
    ends = end is logits.output or (softmax and last.input is logits.output and end is last.output)
    return logits if plain and chained and ends else None
