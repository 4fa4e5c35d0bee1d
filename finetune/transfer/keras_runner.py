"""A frozen network run by Keras in another precision than its own, or by XLA: what is fast on a GPU."""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from finetune.training.precision import computing_in
from finetune.transfer.runtime_names import CannotRun
from finetune.transfer.trunk import forward

# What TensorFlow, JAX and XLA raise for what they cannot compile or hold: errors of their own among them.
_REFUSALS = (RuntimeError, ValueError, TypeError, NotImplementedError)


class KerasRunner:
    """A network from pictures to features, compiled once for batches of one size; its layers stay as they are."""

    def __init__(self, model: keras.Model, *, batch_size: int, precision: str = "float32", xla: bool = False):
        """Compile a network.

        Args:
            model: pictures (batch, height, width, channels) in [0, 255] to features.
            batch_size: of all batches.
            precision: "float32", "mixed_bfloat16" or "mixed_float16"; what prepares pictures stays in float32.
            xla: have it compiled by XLA.

        Raises:
            CannotRun: the backend cannot compile the network so, or has not the memory.
        """
        # a view of the layers, so that what is compiled here is not what the network's own calls run
        self._model, self._batch_size = keras.Model(model.input, model.output), batch_size
        # JAX compiles by XLA or not at all
        self._model.compile(jit_compile=xla or keras.backend.backend() == "jax")
        try:
            # traced at the first batch, in the policies of that moment
            with computing_in(model, precision):
                self._model.predict_on_batch(np.zeros((batch_size, *model.input_shape[1:]), "uint8"))
        except Exception as error:
            if not isinstance(error, _REFUSALS) and not _is_of_backend(error):
                raise
            raise CannotRun(" ".join(str(error).split())[-200:]) from error

    def __call__(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the network's output (n, ...) float32 for each batch (n, ...) uint8, in order."""
        for array in forward(self._model, batches, batch_size=self._batch_size):
            yield array.astype("float32")


def _is_of_backend(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in ("tensorflow", "jax", "jaxlib")
