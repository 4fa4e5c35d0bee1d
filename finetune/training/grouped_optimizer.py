"""One optimizer for each group of variables at its own rate, with everything that must see all groups at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from finetune.training.groups import Clipping, Group, squared_norm

# Optimizers whose `apply` does more than weight decay and `update_step` for each variable.
MORE_THAN_STEPS = (keras.optimizers.Muon, keras.optimizers.Nadam)
# What is kept of the norm of each part's gradient; float32 counts to 16 million.
_MEASURED = ("last", "max", "sum", "non_finite", "updates")
_COUNTS = ("non_finite", "updates")


@dataclass(frozen=True)
class _Inner:
    """The groups' optimizers, and what their weight decay takes from; a record as `_Own` is."""

    optimizers: tuple[keras.optimizers.Optimizer, ...]
    decays: Callable[[keras.Variable], bool]


@dataclass(frozen=True)
class _Own:
    """Variables in the order of the model's, held in a record because an optimizer keeps whatever is set on it."""

    places: dict[int, int]
    variables: tuple[keras.Variable, ...]
    accumulators: tuple[keras.Variable, ...]
    averages: tuple[keras.Variable, ...]


class GroupedOptimizer(keras.optimizers.MultiOptimizer):
    """A Keras optimizer for each group, moved by one learning rate; see `make_optimizer`.

    A group's rate is the schedule's at the number of updates so far, times a factor that `learning_rate` and
    `scale_learning_rate` set, times the group's multiplier. All that changes over time is in `variables`.
    `iterations` counts updates, not batches.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        schedule: Callable,
        make_inner: Callable[[Callable, Group], keras.optimizers.Optimizer],
        *,
        decays: Callable[[keras.Variable], bool] = lambda variable: True,
        clipping: Clipping | None = None,
        accumulation_steps: int = 1,
        ema: float | None = None,
    ):
        inner = [make_inner(self._rate_of(group), group) for group in groups]
        group_of = {id(variable): index for index, group in enumerate(groups) for variable in group.variables}
        if len(group_of) != sum(len(group.variables) for group in groups):
            raise ValueError("a variable is in two groups")
        super().__init__(lambda variable: inner[group_of[id(variable)]], name="grouped")
        self._groups, self._group_of, self._schedule = tuple(groups), group_of, schedule
        self._inner = _Inner(tuple(inner), decays)
        self._clipping, self._accumulation_steps, self._ema = clipping, accumulation_steps, ema
        self._factor = self.add_variable((), "ones", name="factor")
        self._batches = self.add_variable((), dtype="int", name="batches")
        parts = [part for group in groups for part in group.measured]
        # frozen records, for an optimizer keeps whatever is set on it
        self._part_names = tuple(name for name, _ in parts)
        self._part_of = {id(variable): index for index, (_, own) in enumerate(parts) for variable in own}
        # one variable, which a step reads and writes once
        self._norms = self.add_variable((len(_MEASURED), len(parts)), name="norms")
        self._own = None

    def _rate_of(self, group: Group) -> Callable:
        return lambda: self.learning_rate * group.multiplier

    @property
    def learning_rate(self) -> object:
        """The rate of a group whose multiplier is 1, now: a float32 scalar; setting it moves all groups."""
        return self._schedule(self.iterations) * self._factor

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        planned = float(self._schedule(self.iterations))
        if planned == 0:
            raise ValueError("the schedule's rate is 0 at this step, which no factor turns into another")
        self._factor.assign(value / planned)

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the rate of this and all later steps."""
        self._factor.assign(self._factor * factor)

    @property
    def optimizers(self) -> list:
        """Not there: callbacks of Keras that find it set each group's rate alone, instead of `learning_rate`."""
        raise AttributeError("optimizers")

    def build(self, var_list: Sequence[keras.Variable]) -> None:
        """Make the variables of all groups' optimizers, the sums of gradients, and the averages.

        Raises:
            ValueError: a variable is in no group.
        """
        if self.built:
            return
        lost = [variable.path for variable in var_list if id(variable) not in self._group_of]
        if lost:
            raise ValueError(f"in no group: {', '.join(lost)}")
        super().build(var_list)
        summed = var_list if self._accumulation_steps > 1 else ()
        averaged = var_list if self._ema else ()
        self._own = _Own(
            {id(variable): place for place, variable in enumerate(var_list)},
            tuple(var_list),
            tuple(self.add_variable_from_reference(variable, "sum") for variable in summed),
            tuple(self.add_variable_from_reference(v, "average", _CopyOf(v)) for v in averaged),
        )

    def apply(self, grads: Sequence, trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        """Take the gradients of one batch: an update of the weights, or a part of one.

        Args:
            grads: a tensor or None for each variable.
            trainable_variables: those that `build` was given; None for their order.
        """
        if not self.built:
            self.build(list(trainable_variables))
        own = self._own
        variables = list(own.variables if trainable_variables is None else trainable_variables)
        grads = [_dense(gradient, variable) for gradient, variable in zip(grads, variables, strict=True)]
        if self._accumulation_steps == 1:
            self._update(grads, variables)
            return
        sums = [own.accumulators[own.places[id(variable)]] for variable in variables]
        for gradient, total in zip(grads, sums, strict=True):
            if gradient is not None:
                total.assign(total + gradient)
        self._batches.assign_add(1)

        def update() -> None:
            means = [g if g is None else total / self._accumulation_steps for g, total in zip(grads, sums, strict=True)]
            self._update(means, variables)
            for variable in (*sums, self._batches):
                variable.assign(keras.ops.zeros(variable.shape, variable.dtype))

        full = keras.ops.equal(self._batches, self._accumulation_steps)
        _only_if(full, update, [*variables, *self.variables])

    def _update(self, gradients: list, variables: list) -> None:
        squares = [keras.ops.zeros(()) for _ in self._part_names]
        for gradient, variable in zip(gradients, variables, strict=True):
            if gradient is not None:
                squares[self._part_of[id(variable)]] += squared_norm(gradient)
        squares = keras.ops.stack(squares)
        self._note(keras.ops.sqrt(squares))
        if self._clipping:
            gradients = self._clipping(gradients, keras.ops.sqrt(keras.ops.sum(squares)))
        self._move(gradients, variables)
        self._average()

    def _move(self, gradients: list, variables: list) -> None:
        """Let each group's optimizer take its step: what its `apply` does, without what it does for many devices.

        That is a gradient of its own on TensorFlow, which TensorFlow never forgets, and with it the graph of the whole
        step: 4 MB for each small network that learned in a process.
        """
        if all(gradient is None for gradient in gradients):
            raise ValueError("No gradients provided for any variable.")
        for number, inner in enumerate(self._inner.optimizers):
            own = [(g, v) for g, v in zip(gradients, variables, strict=True) if self._group_of[id(v)] == number]
            own = [(gradient, variable) for gradient, variable in own if gradient is not None]
            if isinstance(inner, MORE_THAN_STEPS):
                inner.apply(*zip(*own, strict=True)) if own else None
            else:
                self._step(inner, own)
        self.iterations.assign_add(1)

    def _step(self, inner: keras.optimizers.Optimizer, own: Sequence[tuple]) -> None:
        learning_rate = inner.learning_rate
        for _, variable in own:
            if inner.weight_decay and self._inner.decays(variable):
                rate, decay = (keras.ops.cast(x, variable.dtype) for x in (learning_rate, inner.weight_decay))
                variable.assign(variable - variable * decay * rate)
        for gradient, variable in own:
            inner.update_step(gradient, variable, learning_rate)
        for _, variable in own:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        inner.iterations.assign_add(1)

    def _note(self, norms: object) -> None:
        finite = keras.ops.isfinite(norms)
        known, ones = keras.ops.where(finite, norms, 0.0), keras.ops.ones_like(norms)
        _, largest, total, non_finite, updates = keras.ops.unstack(keras.ops.convert_to_tensor(self._norms))
        lost = keras.ops.cast(keras.ops.logical_not(finite), "float32")
        now = [norms, keras.ops.maximum(largest, known), total + known, non_finite + lost, updates + ones]
        self._norms.assign(keras.ops.stack(now))

    def _average(self) -> None:
        if not self._ema:
            return
        updates = keras.ops.cast(self.iterations, "float32")
        # early averages forget faster, as with num_updates of tf.train.ExponentialMovingAverage
        # (https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage)
        kept = keras.ops.minimum(self._ema, (1 + updates) / (10 + updates))
        own = self._own
        for variable, average in zip(own.variables, own.averages, strict=True):
            average.assign(average + (variable - average) * keras.ops.cast(1 - kept, average.dtype))

    def swap_averages(self) -> None:
        """Exchange the model's variables and their averages; a second call puts everything back, bit for bit.

        Does nothing without averages. Statistics of BatchNormalization are no trained variables and stay.
        """
        own = self._own
        if self._ema and own:
            for variable, average in zip(own.variables, own.averages, strict=True):
                value, mean = _value(variable), _value(average)
                variable.assign(mean)
                average.assign(value)

    def read_norms(self) -> dict[str, dict[str, float]]:
        """Return for each part of the groups the L2 norms of its gradients since `reset_norms`, before clipping.

        Returns:
            Name to last, max and sum (of the finite ones), non_finite and updates (how many there were).
        """
        columns = keras.ops.convert_to_numpy(self._norms).T.tolist()
        return {
            part: {name: int(value) if name in _COUNTS else value for name, value in zip(_MEASURED, found, strict=True)}
            for part, found in zip(self._part_names, columns, strict=True)
        }

    def reset_norms(self) -> None:
        """Begin a new epoch of norms."""
        self._norms.assign(np.zeros(self._norms.shape, "float32"))

    def get_config(self) -> dict:
        """Return names and multipliers for the record; a saved model is loaded with `compile=False`."""
        return {"name": self.name, "groups": {group.name: group.multiplier for group in self._groups}}


class _CopyOf(keras.initializers.Initializer):
    def __init__(self, variable: keras.Variable):
        self._variable = variable

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> object:
        return keras.ops.cast(_value(self._variable), dtype)


def _value(variable: keras.Variable) -> object:
    """Return what a variable holds, which no later assignment changes."""
    return keras.ops.copy(keras.ops.convert_to_tensor(variable))


def _dense(gradient: object, variable: keras.Variable) -> object:
    """Return a gradient of embeddings, rows with their numbers on TensorFlow, as the tensor it stands for."""
    if gradient is None or hasattr(gradient, "ndim"):
        return gradient
    return keras.ops.add(gradient, keras.ops.zeros(variable.shape, variable.dtype))


def _only_if(condition: object, action: Callable[[], None], variables: Sequence[keras.Variable]) -> None:
    """Do something that changes variables, or nothing."""
    if keras.backend.backend() != "jax":
        keras.ops.cond(condition, action, lambda: None)
        return
    # a branch of JAX cannot assign: do it, and put everything back
    before = [_value(variable) for variable in variables]
    action()
    for variable, value in zip(variables, before, strict=True):
        variable.assign(keras.ops.where(condition, _value(variable), value))
