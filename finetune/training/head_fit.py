"""Many steps in one call: what Keras does in a step, in a compiled loop, without Python between two steps."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from finetune.devices import has_gpu
from finetune.training.lessons import Lessons

Arrays = tuple[np.ndarray, ...]
Metrics = Mapping[str, float]
# Of which TensorFlow picks rows on a GPU; others would travel there and back in every step.
_PICKED_ON_GPU = ("bool", "int32", "int64", "float16", "float32", "float64")


class CompiledSteps:
    """Steps of a compiled model on the TensorFlow backend, several batches a call.

    A step is the model's own `train_step`, so optimizer, loss, metrics and random layers do what they do in
    `Model.fit`; only the loop around it is part of the graph. That is worth a factor of 3 to 5 for heads, whose steps
    take less time than Python needs to start one.
    """

    def __init__(self, model: keras.Model, *, batch_size: int):
        self._model, self._batch_size = model, batch_size
        self._compiled: dict[str, Callable] = {}
        self._held: tuple[tf.Tensor, ...] | None = None

    def hold(self, lessons: Lessons) -> Lessons:
        """Keep all rows as tensors where they are few, before the first step; return what calls come from then.

        Calls are then numbers of rows, which the graph picks: no row is copied by Python.
        """
        rows = (lessons.x, lessons.y) if lessons.weights is None else (lessons.x, lessons.y, lessons.weights)
        if not lessons.are_few or (has_gpu() and not all(one.dtype.name in _PICKED_ON_GPU for one in rows)):
            return lessons
        self._held = tuple(map(tf.convert_to_tensor, rows))
        return lessons.by_number()

    def train(self, arrays: Arrays) -> Metrics:
        """Take one step for each batch of rows in (x, y) or (x, y, weights); the last batch may be smaller.

        Args:
            arrays: rows, or the numbers in x and in y of those that are held.

        Returns:
            The model's metrics as they stand then.
        """
        return self._run("train_step", arrays)

    def test(self, arrays: Arrays) -> Metrics:
        """Add rows (x, y), or those of such numbers, to the model's metrics as one batch, and return those."""
        return self._run("test_step", arrays)

    def _run(self, name: str, arrays: Arrays) -> Metrics:
        tensors = tuple(map(tf.convert_to_tensor, arrays))
        if name not in self._compiled:
            # any number of rows, so that one trace serves all calls: tracing takes as long as many epochs of a head
            signature = tuple(tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype) for tensor in tensors)
            # a loop is traced for longer than what is in it
            steps = self._loop if name == "train_step" else self._judge
            # called as it was traced: TensorFlow would warn of retracing after a few models of one process
            compiled = tf.function(steps, jit_compile=False, autograph=False)
            self._compiled[name] = compiled.get_concrete_function(signature)
        return {name: float(value) for name, value in self._compiled[name](tensors).items()}

    def _loop(self, arrays: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        batch_size = self._batch_size

        def take(first: tf.Tensor) -> tuple[tf.Tensor]:
            self._model.train_step(self._rows(tuple(array[first : first + batch_size] for array in arrays)))
            return (first + batch_size,)

        count = tf.shape(arrays[0])[0]
        tf.while_loop(lambda first: first < count, take, (tf.constant(0),))
        # read in the graph: from Python each of them takes as long as some steps of a head
        return self._model.get_metrics_result()

    def _judge(self, arrays: tuple[tf.Tensor, ...]) -> dict[str, tf.Tensor]:
        return self._model.test_step(self._rows(arrays)[:2])

    def _rows(self, arrays: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        """Return rows, or those of such numbers in x and y; weights lie as y does."""
        if self._held is None:
            return arrays
        numbers = (*arrays, arrays[-1])[: len(self._held)]
        return tuple(tf.gather(held, rows) for held, rows in zip(self._held, numbers, strict=True))


class SingleSteps:
    """The same by Keras' public methods for one batch, on every backend."""

    def __init__(self, model: keras.Model, *, batch_size: int):
        self._model, self._batch_size = model, batch_size

    def hold(self, lessons: Lessons) -> Lessons:
        """Return what calls come from: the rows themselves."""
        return lessons

    def train(self, arrays: Arrays) -> Metrics:
        """Take one step for each batch of rows in (x, y) or (x, y, weights); return the model's metrics then."""
        for batch in self._batches(arrays):
            self._model.train_on_batch(*batch)
        return measured(self._model)

    def test(self, arrays: Arrays) -> Metrics:
        """Add rows to the model's metrics as one batch, and return those."""
        self._model.test_on_batch(*arrays)
        return measured(self._model)

    def _batches(self, arrays: Arrays) -> list[Arrays]:
        starts = range(0, len(arrays[0]), self._batch_size)
        return [tuple(array[first : first + self._batch_size] for array in arrays) for first in starts]


def steps_for(model: keras.Model, *, batch_size: int) -> "CompiledSteps | SingleSteps":
    """Return the fastest way to take steps that the backend has."""
    kind = CompiledSteps if keras.backend.backend() == "tensorflow" else SingleSteps
    return kind(model, batch_size=batch_size)


def measured(model: keras.Model) -> Metrics:
    """Return the model's metrics as they stand."""
    return {name: float(value) for name, value in model.get_metrics_result().items()}
