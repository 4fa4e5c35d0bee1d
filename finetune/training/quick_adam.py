"""Adam in half as many passes over memory: TensorFlow's operations where one does what several of Keras' do.

Most of a head's step is that: Dense(128) on 1,280 features has 164,000 weights, whose update took 309 microseconds by
Keras' operations and 194 by these (`benchmarks/head_trainer.py`). On a CPU each number is rounded as Keras rounds it.
TensorFlow's own Adam, one pass, took 97, but takes 1 - beta_2 from numbers near 1: moments differ by 1e-5, and losses
by 4e-4 after ten epochs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf


@dataclass(frozen=True)
class _Moments:
    """The moments of each variable by its handle; a record, because an optimizer keeps whatever is set on it."""

    of: dict[int, tuple[keras.Variable, keras.Variable]]


class _InFewPasses:
    """The step of an Adam (https://arxiv.org/abs/1412.6980) in float32, by the formula that Keras has for it."""

    def build(self, var_list: Sequence[keras.Variable]) -> None:
        """Make the moments of all variables."""
        if self.built:
            return
        super().build(var_list)
        first, second = ([v for v in self.variables if v.name.endswith(name)] for name in ("momentum", "velocity"))
        self._moments = _Moments({id(one.handle): pair for one, *pair in zip(var_list, first, second, strict=True)})

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Change a variable and its moments, at a rate that is one number, or has a shape that goes with its own.

        Keras does it for other numbers than float32, of which not all devices have the operations, and with amsgrad.
        """
        if variable.dtype != "float32" or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        first, second = self._moments.of[id(variable.handle)]
        gradient, learning_rate, step = (
            keras.ops.cast(one, "float32") for one in (gradient, learning_rate, self.iterations + 1)
        )
        left = [1 - keras.ops.power(keras.ops.cast(beta, "float32"), step) for beta in (self.beta_1, self.beta_2)]
        rate = learning_rate * keras.ops.sqrt(left[1]) / left[0]
        _move_towards(first, gradient, 1 - self.beta_1)
        _move_towards(second, keras.ops.square(gradient), 1 - self.beta_2)
        if keras.ops.ndim(rate):
            moved = keras.ops.multiply(first, rate) / (keras.ops.sqrt(second) + self.epsilon)
            self.assign_sub(variable, moved)
            return
        tf.raw_ops.ResourceApplyAdagradV2(
            var=variable.handle,
            accum=second.handle,
            lr=rate,
            epsilon=self.epsilon,
            grad=first.value,
            update_slots=False,
        )


def _move_towards(mean: keras.Variable, value: tf.Tensor, share: float) -> None:
    """Move a running mean by a share of the way to a value."""
    tf.raw_ops.ResourceApplyGradientDescent(var=mean.handle, alpha=share, delta=mean.value - value)


class QuickAdam(_InFewPasses, keras.optimizers.Adam):
    """`keras.optimizers.Adam` on TensorFlow."""


class QuickAdamW(_InFewPasses, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` on TensorFlow."""
