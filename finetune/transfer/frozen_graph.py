"""A frozen network as one TensorFlow graph with its weights in it: what Keras' layers compute, traced once."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

import zoo
from finetune.transfer.trunk import as_inputs, filled_up


class FrozenGraph:
    """A network whose weights do not change any more, for TensorFlow on the CPU and for those who take its graphs.

    As its weights are constants, TensorFlow multiplies scales of normalization into kernels: EfficientNet-Lite0 at
    224 px gave 1.3 times as many pictures a second as `predict_on_batch`, and was traced in a third of the time.
    """

    def __init__(self, model: keras.Model, *, takes_pictures: bool = True):
        """Take `model`, from pictures (batch, height, width, channels) in [0, 255] to one tensor; trace nothing yet.

        Args:
            model: that does not change any more.
            takes_pictures: False where it takes what another part gives.
        """
        self._model, self.takes_pictures = model, takes_pictures

    def parts(self) -> tuple["FrozenGraph", ...]:
        """Return the layers that work on maps of half the picture's size or larger, and all others; or itself alone.

        Where no stage ends at such a size, the first part is the first stage.
        """
        ends = list(zoo.stage_outputs(self._model).values())
        half = self._model.input_shape[1] / 2
        large = [end for end in ends if len(end.shape) == 4 and end.shape[1] >= half]
        for end in large[-1:] or ends[:1]:
            with suppress(ValueError):  # where later layers take more than this
                above = keras.Model(end, self._model.output)
                return FrozenGraph(keras.Model(self._model.input, end)), FrozenGraph(above, takes_pictures=False)
        return (self,)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a picture."""
        return tuple(self._model.input_shape[1:])

    @cached_property
    def _function(self) -> tf.types.experimental.ConcreteFunction:
        sides = (self._model.trainable_variables, self._model.non_trainable_variables)
        values = [[np.asarray(variable) for variable in side] for side in sides]

        def run(pictures: tf.Tensor) -> tf.Tensor:
            constants = [[tf.constant(value) for value in side] for side in values]
            # inside a scope, layers may be called as they like; at the root no name may begin with an underscore
            with tf.name_scope("network"):
                outputs, _ = self._model.stateless_call(*constants, as_inputs(self._model, pictures), training=False)
            return outputs

        signature = tf.TensorSpec((None, *self.picture_shape), "float32")
        return tf.function(run, autograph=False).get_concrete_function(signature)

    def run(self, batches: Iterable[np.ndarray], *, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the output (n, ...) float32 for each batch of n <= `batch_size` pictures, in order.

        A short batch is filled up and its output cut, so that what a picture gives does not depend on their number.
        """
        for batch in batches:
            pictures = tf.constant(filled_up(batch, batch_size).astype("float32"))
            yield np.asarray(self._function(pictures))[: len(batch)]

    @property
    def output_name(self) -> str:
        """Name of the tensor that the graph gives, among others that nobody asked for."""
        return self._function.outputs[0].name

    def as_bytes(self) -> bytes:
        """Return the graph for any number of pictures, as TensorFlow writes it."""
        return self._function.graph.as_graph_def().SerializeToString()
