"""Heads of one shape that learn as one: their weights side by side, so that all take a step in one go.

A head alone leaves the machine idle between its many small operations, and each has to be traced. Heads that differ in
numbers only (seed, learning rate and schedule, weight decay, L2, dropout) need neither: `benchmarks/stacked_heads.py`
measures what that is worth. Each learns what it would learn alone, from the same weights, in the same order, with the
same dropout, up to the rounding of sums.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from finetune.config import FinetuneConfig
from finetune.tasks import Task
from finetune.training.grouped_optimizer import MORE_THAN_STEPS
from finetune.training.loop import VALIDATION_BATCH
from finetune.training.losses import make_loss
from finetune.training.optimizers import OPTIMIZERS, decays
from finetune.training.schedules import Schedule

# What each example counts in the history, by task; the metrics of `tasks.py` are means of that.
_MEASURES = MappingProxyType(
    {
        "classification": keras.metrics.sparse_categorical_accuracy,
        "multi_label": partial(keras.metrics.binary_accuracy, threshold=0.0),
        "regression": keras.metrics.mean_absolute_error,
        "forecasting": keras.metrics.mean_absolute_error,
    }
)

# Layers of a head that are computed for all heads as one.
_COMPUTING = (keras.layers.Dense, keras.layers.Activation)


@dataclass(frozen=True)
class Member:
    """A head of a stack.

    Attributes:
        model: from features to logits; a chain of Dense, Activation and Dropout layers.
        config: of its run.
        schedule: from the number of steps so far to the learning rate.
    """

    model: keras.Model
    config: FinetuneConfig
    schedule: Schedule

    @cached_property
    def layers(self) -> list[keras.Layer]:
        """Its layers but for the input and Dropout, which only some of the heads may have."""
        return [layer for layer in self.model.layers if isinstance(layer, _COMPUTING)]

    @cached_property
    def dropouts(self) -> Mapping[int, keras.layers.Dropout]:
        """Its layers that drop something out, by the number of `layers` before them."""
        found, before = {}, 0
        for layer in self.model.layers:
            before += isinstance(layer, _COMPUTING)
            if isinstance(layer, keras.layers.Dropout) and layer.rate:
                found[before] = layer
        return found

    def rates(self, first: int, count: int) -> np.ndarray:
        """Return the learning rates of `count` steps from a first one, (count,) float32."""
        rates = self.schedule(keras.ops.convert_to_tensor(np.arange(first, first + count)))
        return np.broadcast_to(keras.ops.convert_to_numpy(rates), (count,)).astype("float32")


def can_be_stacked(model: keras.Model) -> bool:
    """Whether a model is a chain of layers that a stack knows how to compute."""
    chain = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    one_road = len(model.inputs) == len(model.outputs) == 1 and len(model.inputs[0].shape) == 2
    return one_road and isinstance(chain[-1], _COMPUTING) and all(_is_plain(layer) for layer in chain)


def _is_plain(layer: keras.Layer) -> bool:
    if type(layer) is keras.layers.Dropout:
        return layer.noise_shape is None
    if type(layer) is keras.layers.Activation:
        return True
    if type(layer) is not keras.layers.Dense or not layer.trainable:
        return False
    held = (layer.bias_regularizer, layer.activity_regularizer, layer.kernel_constraint, layer.bias_constraint)
    penalty = layer.kernel_regularizer
    return layer.use_bias and not any(held) and (penalty is None or type(penalty) is keras.regularizers.L2)


class Stack:
    """Heads whose weights lie side by side: a variable of shape (heads, ...) for each of one head's."""

    def __init__(
        self, members: Sequence[Member], x: tf.Tensor, y: tf.Tensor, task: Task, *, weights: np.ndarray | None = None
    ):
        """Begin with the weights that the members have.

        Args:
            members: heads that differ in numbers only; optimizer and loss are those of the first.
            x: (n, features) float32.
            y: (n, ...) targets as the loss takes them.
            task: gives loss and metric.
            weights: (n,) float32 of the examples in the loss; None where all count 1.
        """
        self.members, self._x, self._y, self._task = tuple(members), x, y, task
        first = members[0]
        columns = zip(*(member.model.trainable_variables for member in members), strict=True)
        # a bias gets a dimension, so that it is added to all rows of its head
        self.variables = [keras.Variable(tf.stack([_matrix(one) for one in column])) for column in columns]
        undecayed = first.config.model_copy(update={"weight_decay": 0.0})
        self.optimizer = OPTIMIZERS[first.config.optimizer](undecayed, self._rates_now)
        self.optimizer.build(self.variables)
        loss = make_loss(first.config, task)
        self._loss = type(loss).from_config(loss.get_config() | {"reduction": "none"})
        # of each learning rate, as a plateau lowers it
        self.factors = keras.Variable(np.ones(len(members), "float32"))
        self._decayed = [decays(variable) for variable in first.model.trainable_variables]
        self._decay = _each([member.config.weight_decay for member in members])
        # of the steps of an epoch, and of the one after them
        self._rates: keras.Variable | None = None
        self._weights = None if weights is None else tf.constant(weights, "float32")
        self._compiled: dict[str, Callable] = {}

    def learn(self, orders: np.ndarray) -> dict[str, np.ndarray]:
        """Take the steps of an epoch.

        Args:
            orders: (heads, rows) of each head, indices of the rows in their order.

        Returns:
            Loss and metric of each head, (heads,) float32, as means over the epoch.
        """
        first, count = int(self.optimizer.iterations), math.ceil(orders.shape[1] / self.members[0].config.batch_size)
        rates = np.stack([member.rates(first, count + 1) for member in self.members], axis=1)
        if self._rates is None:
            self._rates = keras.Variable(rates)
        self._rates.assign(rates)
        return self._call("learn", self._epoch, tf.constant(orders))

    def judge(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return loss and metric of each head, (heads,) float64, on some rows, (rows,) indices."""
        parts = [rows[first : first + VALIDATION_BATCH] for first in range(0, len(rows), VALIDATION_BATCH)]
        found = [self._call("judge", self._judge, tf.constant(part)) for part in parts]
        shares = [len(part) / len(rows) for part in parts]
        return {name: sum(one[name] * share for one, share in zip(found, shares, strict=True)) for name in found[0]}

    def rates(self) -> np.ndarray:
        """Return the learning rate that each head has after an epoch, (heads,) float32."""
        return keras.ops.convert_to_numpy(self._rates)[-1] * keras.ops.convert_to_numpy(self.factors)

    def _rates_now(self) -> tf.Tensor:
        """Return the learning rate of each head by the number of steps so far, (heads, 1, 1)."""
        rates = tf.convert_to_tensor(self._rates)
        step = tf.convert_to_tensor(self.optimizer.iterations) % (self._rates.shape[0] - 1)
        return (rates[step] * self.factors)[:, None, None]

    def scale_rate(self, number: int, factor: float) -> None:
        """Multiply the learning rate of a head from here on."""
        factors = keras.ops.convert_to_numpy(self.factors).copy()
        factors[number] *= factor
        self.factors.assign(factors)

    def arrays(self) -> list[np.ndarray]:
        """Return the weights of all heads: an array (heads, ...) for each weight of a head's own model."""
        shapes = [variable.shape for variable in self.members[0].model.trainable_variables]
        found = [tf.convert_to_tensor(variable).numpy() for variable in self.variables]
        return [array.reshape(-1, *shape) for array, shape in zip(found, shapes, strict=True)]

    def only(self, numbers: Sequence[int]) -> "Stack":
        """Return a stack of some of the heads, that go on where they are."""
        members = [self.members[number] for number in numbers]
        found = Stack(members, self._x, self._y, self._task)
        found._weights = self._weights
        ours = [*self.variables, self.factors, *self.optimizer.variables]
        theirs = [*found.variables, found.factors, *found.optimizer.variables]
        for old, new in zip(ours, theirs, strict=True):
            held = tf.convert_to_tensor(old)
            new.assign(held if old.shape == new.shape else tf.gather(held, list(numbers)))
        return found

    def _call(self, name: str, function: Callable, rows: tf.Tensor) -> dict[str, np.ndarray]:
        if name not in self._compiled:
            # any number of rows, and as many heads as there are
            signature = tf.TensorSpec((*rows.shape[:-1], None), rows.dtype)
            compiled = tf.function(function, jit_compile=False, autograph=False)
            self._compiled[name] = compiled.get_concrete_function(signature)
        return {name: value.numpy() for name, value in self._compiled[name](rows).items()}

    def _epoch(self, orders: tf.Tensor) -> dict[str, tf.Tensor]:
        size, count = self.members[0].config.batch_size, tf.shape(orders)[1]
        nothing = tf.zeros(len(self.members))

        def take(first: tf.Tensor, loss: tf.Tensor, measure: tf.Tensor) -> tuple[tf.Tensor, ...]:
            chosen = orders[:, first : first + size]
            found = self._step(chosen)
            rows = tf.cast(tf.shape(chosen)[1], "float32")
            return first + size, loss + found["loss"] * rows, measure + found["measure"] * rows

        start = (tf.constant(0), nothing, nothing)
        _, loss, measure = tf.while_loop(lambda first, *_: first < count, take, start)
        rows = tf.cast(count, "float32")
        return {"loss": loss / rows, "measure": measure / rows}

    def _step(self, chosen: tf.Tensor) -> dict[str, tf.Tensor]:
        x, y = tf.gather(self._x, chosen), tf.gather(self._y, chosen)
        weights = None if self._weights is None else tf.gather(self._weights, chosen)
        tensors = [tf.convert_to_tensor(variable) for variable in self.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(tensors)
            found = self._found(self._logits(x, tensors, training=True), y, tensors, weights)
            # heads share nothing, so the gradient of the sum is that of each
            total = tf.reduce_sum(found["loss"])
        self._move(tape.gradient(total, tensors))
        return found

    def _move(self, gradients: Sequence[tf.Tensor]) -> None:
        """Let the optimizer take its step, each head at its own rate; decay first, as in `GroupedOptimizer`."""
        rates = self._rates_now()
        for variable, decayed in zip(self.variables, self._decayed, strict=True):
            if decayed and np.any(self._decay):
                variable.assign(variable - variable * self._decay * rates)
        if isinstance(self.optimizer, MORE_THAN_STEPS):
            self.optimizer.apply(gradients, self.variables)
            return
        for gradient, variable in zip(gradients, self.variables, strict=True):
            self.optimizer.update_step(gradient, variable, rates)
        self.optimizer.iterations.assign_add(1)

    def _judge(self, rows: tf.Tensor) -> dict[str, tf.Tensor]:
        tensors = [tf.convert_to_tensor(variable) for variable in self.variables]
        x, y = tf.gather(self._x, rows)[None], tf.gather(self._y, rows)
        logits = self._logits(x, tensors, training=False)
        y = tf.broadcast_to(y[None], tf.concat([[len(self.members)], tf.shape(y)], 0))
        return self._found(logits, y, tensors, None)

    def _logits(self, x: tf.Tensor, tensors: Sequence[tf.Tensor], *, training: bool) -> tf.Tensor:
        """Return (heads, rows, outputs) for rows of each head (heads, rows, features), or for (1, rows, features)."""
        left = iter(tensors)
        for place, layer in enumerate(self.members[0].layers):
            x = self._dropped(x, place) if training else x
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = next(left), next(left)
                x = tf.matmul(x, kernel) + bias
            x = layer.activation(x)
        return x

    def _dropped(self, x: tf.Tensor, place: int) -> tf.Tensor:
        """Return what the layer at a place takes: each head has a Dropout of its own before it, or none."""
        dropouts = [member.dropouts.get(place, lambda rows, training: rows) for member in self.members]
        if not any(place in member.dropouts for member in self.members):
            return x
        return tf.stack([dropout(rows, training=True) for dropout, rows in zip(dropouts, tf.unstack(x), strict=True)])

    def _found(
        self, logits: tf.Tensor, y: tf.Tensor, tensors: Sequence[tf.Tensor], weights: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        """Return loss and metric of each head, as means over its rows."""
        heads = len(self.members)
        # losses and metrics of Keras take one dimension of examples
        flat, answers = (tf.reshape(one, tf.concat([[-1], tf.shape(one)[2:]], 0)) for one in (logits, y))
        flat = tf.ensure_shape(flat, (None, logits.shape[-1]))
        losses = tf.reshape(self._loss(answers, flat), (heads, -1))
        measures = tf.reshape(tf.cast(_MEASURES[self._task.name](answers, flat), "float32"), (heads, -1))
        losses = losses if weights is None else losses * weights
        return {"loss": tf.reduce_mean(losses, 1) + self._penalty(tensors), "measure": tf.reduce_mean(measures, 1)}

    def _penalty(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the L2 penalties of each head, (heads,)."""
        total, left = tf.zeros(len(self.members)), iter(tensors)
        for layers in zip(*(member.layers for member in self.members), strict=True):
            if isinstance(layers[0], keras.layers.Dense):
                kernel, _ = next(left), next(left)
                penalties = [one.kernel_regularizer for one in layers]
                factors = [0.0 if one is None else float(one.l2) for one in penalties]
                if any(factors):
                    total += tf.constant(factors, "float32") * tf.reduce_sum(tf.square(kernel), (1, 2))
        return total


def _matrix(variable: keras.Variable) -> tf.Tensor:
    tensor = tf.convert_to_tensor(variable)
    return tensor[None] if len(tensor.shape) == 1 else tensor


def _each(values: Sequence[float]) -> np.ndarray:
    """Return a number of each head, (heads, 1, 1) float32, to be multiplied with what is stacked."""
    return np.array(values, "float32")[:, None, None]
