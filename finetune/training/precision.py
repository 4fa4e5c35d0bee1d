"""Which numbers a model computes with while it learns: half precision layer by layer, and back to float32 after it."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from finetune.training.grouped_optimizer import GroupedOptimizer
from zoo.filling import FillMissing
from zoo.head import LOGITS_LAYER
from zoo.scaling import Standardize, Unstandardize

FLOAT32, BFLOAT16, FLOAT16 = "float32", "mixed_bfloat16", "mixed_float16"
# Eight bits hold no pixel between two whole numbers, and no column of a table: what prepares inputs stays exact.
_EXACT = (
    *(keras.layers.InputLayer, keras.layers.Normalization, keras.layers.Rescaling, keras.layers.Resizing),
    *(getattr(keras.layers, name) for name in dir(keras.layers) if name.startswith("Random")),
    *(FillMissing, Standardize, Unstandardize),
)
# Attributes in which Keras' wrappers and recurrent layers keep the layers that compute.
_INNER = ("layer", "cell", "forward_layer", "backward_layer")


@contextmanager
def computing_in(model: keras.Model, precision: str) -> Iterator[None]:
    """Let a model's layers compute in another precision within the block; their variables stay float32.

    What prepares inputs, and the logits with the loss behind them, compute in float32 throughout, and so do
    normalizations inside themselves. After the block every layer has the policy that it had, so that what is evaluated
    and saved is a float32 model. Layers with a policy of their own keep it. What is compiled within the block computes
    in the precision for good.

    Args:
        model: or one that shares its layers.
        precision: "mixed_bfloat16" or "mixed_float16"; anything else changes nothing.
    """
    changed = halved_layers(model) if precision in (BFLOAT16, FLOAT16) else []
    before = [layer.dtype_policy for layer in changed]
    for layer in changed:
        layer.dtype_policy = precision
    try:
        yield
    finally:
        for layer, policy in zip(changed, before, strict=True):
            layer.dtype_policy = policy
        if changed:
            # a callback may have asked the model for predictions, which compiled that in half precision
            model.make_predict_function(force=True)


def halved_layers(model: keras.Model) -> list[keras.Layer]:
    """Return the layers that half precision changes; none where only a linear head learns."""
    return [
        layer
        for layer in layers_within(model)
        if not isinstance(layer, (*_EXACT, keras.Model))
        and layer.name != LOGITS_LAYER
        and layer.dtype_policy.name == FLOAT32
    ]


def layers_within(layer: keras.Layer) -> Iterator[keras.Layer]:
    """Yield a layer, and those within it where it is a model, a wrapper or a recurrent layer."""
    inner = layer.layers if isinstance(layer, keras.Model) else (getattr(layer, name, None) for name in _INNER)
    yield layer
    for one in inner:
        if isinstance(one, keras.Layer):
            yield from layers_within(one)


class ScaledOptimizer(keras.optimizers.LossScaleOptimizer):
    """A grouped optimizer behind loss scaling: gradients that float16 would round to 0 are multiplied on their way.

    The scale finds itself: halved where a gradient is not finite, and that step is left out; doubled after 2000 steps.
    It is among the optimizer's variables, so checkpoints hold it.
    """

    def __init__(self, inner_optimizer: GroupedOptimizer, **settings: object):
        super().__init__(inner_optimizer, **settings)
        # what the loop and reports use of a grouped optimizer beside what Keras knows
        self.scale_learning_rate = inner_optimizer.scale_learning_rate
        self.swap_averages = inner_optimizer.swap_averages
        self.read_norms, self.reset_norms = inner_optimizer.read_norms, inner_optimizer.reset_norms


def scaled_for(precision: str, optimizer: GroupedOptimizer) -> GroupedOptimizer | ScaledOptimizer:
    """Return the optimizer as a precision needs it: float16 scales its loss, which bfloat16's range makes needless."""
    return ScaledOptimizer(optimizer) if precision == FLOAT16 else optimizer
