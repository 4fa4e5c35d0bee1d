"""A network run by OpenVINO on this CPU: the same graph, its weights as constants in it, several batches in flight."""

import importlib
import importlib.util
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import tensorflow as tf

from finetune.transfer.trunk import as_inputs, filled_up

PACKAGE = "openvino"
_TELEMETRY = "openvino_telemetry"
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
# What OpenVINO and TensorFlow raise for a network that they cannot turn into one another's.
_NOT_CONVERTED = (RuntimeError, ValueError, TypeError, NotImplementedError, tf.errors.OpError)


class NotConverted(Exception):
    """OpenVINO cannot run this network; the text is the reason in one line."""


class OpenVinoRunner:
    """A network from pictures to features, compiled for one batch size.

    Pictures go in as the bytes they are. The hint for throughput lets OpenVINO decide into how many streams it divides
    the cores; that many batches are in flight, so that it computes while pictures are decoded.
    """

    def __init__(self, model: keras.Model, *, batch_size: int, precision: str = "float32"):
        """Convert and compile `model`.

        Args:
            model: pictures (batch, height, width, channels) in [0, 255] to one tensor.
            batch_size: of all batches; shorter ones are filled up.
            precision: "float32", or "bfloat16" where `has_bfloat16`.

        Raises:
            NotConverted: the network has something that OpenVINO does not know.
        """
        self._batch_size = batch_size
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _PRECISIONS[precision]}
        try:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "network.pb"
                file.write_bytes(_constant_graph(model, batch_size))
                core = _library().Core()
                self._compiled = core.compile_model(_of_bytes(core.read_model(file)), "CPU", options)
        except _NOT_CONVERTED as error:
            raise NotConverted(" ".join(str(error).split())[-200:]) from error

    @property
    def in_flight(self) -> int:
        """How many batches are computed at a time."""
        return self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")

    def __call__(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the network's output (n, ...) float32 for each batch (n, ...) uint8 with n <= batch_size, in order."""
        idle = [self._compiled.create_infer_request() for _ in range(self.in_flight)]
        running: deque = deque()
        for batch in batches:
            request = idle.pop()
            pictures = filled_up(batch, self._batch_size)
            request.set_input_tensor(_library().Tensor(pictures, shared_memory=True))
            request.start_async()
            running.append((request, len(batch), pictures))
            if not idle:
                yield _finished(*running[0][:2])
                idle.append(running.popleft()[0])
        while running:
            yield _finished(*running.popleft()[:2])


def is_installed() -> bool:
    """Whether the extra `fast` is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU."""
    return "BF16" in _library().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def version() -> str:
    """Return OpenVINO's version."""
    return _library().__version__


def _library() -> ModuleType:
    """Return OpenVINO, imported so that it tells nobody.

    `import openvino` reports itself to Google Analytics unless the package that does it is not there; it is hidden
    while OpenVINO is imported, which then takes a substitute of its own that sends nothing.
    """
    if PACKAGE not in sys.modules:
        hidden = sys.modules.get(_TELEMETRY)
        sys.modules[_TELEMETRY] = None
        try:
            importlib.import_module(PACKAGE)
        finally:
            del sys.modules[_TELEMETRY]
            if hidden:
                sys.modules[_TELEMETRY] = hidden
    return sys.modules[PACKAGE]


def _constant_graph(model: keras.Model, batch_size: int) -> bytes:
    """Return a network as a TensorFlow graph without variables; `Model.export` takes four times as long."""
    values = [[np.asarray(v) for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)]

    def run(pictures: tf.Tensor) -> tf.Tensor:
        constants = [[tf.constant(value) for value in side] for side in values]
        # inside a scope, layers may be called as they like; at the root no name may begin with an underscore
        with tf.name_scope("network"):
            outputs, _ = model.stateless_call(*constants, as_inputs(model, pictures), training=False)
        return outputs

    signature = tf.TensorSpec((batch_size, *model.input_shape[1:]), "float32")
    return tf.function(run, autograph=False).get_concrete_function(signature).graph.as_graph_def().SerializeToString()


def _of_bytes(model: object) -> object:
    """Return a converted network that takes uint8 where it took float32."""
    wrapped = importlib.import_module(f"{PACKAGE}.preprocess").PrePostProcessor(model)
    wrapped.input().tensor().set_element_type(_library().Type.u8)
    return wrapped.build()


def _finished(request: object, count: int) -> np.ndarray:
    request.wait()
    return request.get_output_tensor().data[:count].copy()
