"""A network run by OpenVINO on this CPU: the same graph, its weights as constants in it, several pictures in flight."""

import importlib
import importlib.metadata
import importlib.util
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import tensorflow as tf

from finetune.transfer.frozen_graph import FrozenGraph
from finetune.transfer.openvino_bytes import of_bytes
from finetune.transfer.runtime_names import CannotRun

PACKAGE = "openvino"
_TELEMETRY = "openvino_telemetry"
_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
# Requests for each that is computed at a time, so that no core waits for Python.
_WAITING = 2
# What OpenVINO and TensorFlow raise for a network that they cannot turn into one another's.
_NOT_CONVERTED = (RuntimeError, ValueError, TypeError, NotImplementedError, tf.errors.OpError)


class OpenVinoRunner:
    """A network from pictures to features, which takes them one by one.

    What the layers give for one picture stays in the caches of a core: EfficientNet-Lite0 took 1.3 times the work in
    batches of 32. Pictures go in as the bytes they are. The hint for throughput lets OpenVINO decide into how many
    streams it divides the cores; twice as many pictures are in flight, so that it computes while pictures are decoded.
    """

    def __init__(self, graph: FrozenGraph, *, precision: str = "float32"):
        """Convert and compile a network.

        Args:
            graph: of the network.
            precision: "float32", or "bfloat16" where `has_bfloat16`.

        Raises:
            CannotRun: the network has something that OpenVINO does not know.
        """
        graphs = graph.parts() if precision == "bfloat16" else (graph,)
        # what is large is rounded the most and computed the fastest, so it stays in float32
        precisions = ["float32", precision][-len(graphs) :]
        try:
            self._compiled = [_compiled(*one) for one in zip(graphs, precisions, strict=True)]
        except _NOT_CONVERTED as error:
            raise CannotRun(_said(error)) from error

    def __call__(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the network's output (n, ...) float32 for each batch (n, ...) uint8, in order.

        Raises:
            CannotRun: OpenVINO has converted the network, but fails while it computes.
        """
        for compiled in self._compiled:
            batches = _outputs(compiled, batches)
        yield from batches


def _compiled(graph: FrozenGraph, precision: str) -> object:
    """Return a network or a part of it as OpenVINO runs it; a network takes bytes."""
    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": _PRECISIONS[precision]}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.pb"
        file.write_bytes(graph.as_bytes())
        core = _library().Core()
        network = _with_one_output(core.read_model(file), graph.output_name)
        network.reshape([1, *graph.picture_shape])
        return core.compile_model(of_bytes(network) if graph.takes_pictures else network, "CPU", options)


def _with_one_output(network: object, name: str) -> object:
    """Return a network that gives one tensor alone.

    OpenVINO takes for an output what nothing else takes, such as the helpers of gradients, one for each SiLU.
    """
    wanted, *_ = (result for result in network.get_results() if name in result.input_value(0).get_names())
    return _library().Model([wanted], network.get_parameters())


def _outputs(compiled: object, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield what a compiled network gives for each batch; several pictures are on their way at any time."""
    count = _WAITING * compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    idle = [compiled.create_infer_request() for _ in range(count)]
    running: deque[_Running] = deque()
    coming: deque[np.ndarray] = deque()
    shape = tuple(compiled.output(0).shape)[1:]
    try:
        for batch in batches:
            coming.append(np.empty((len(batch), *shape), "float32"))
            for number in range(len(batch)):
                request = idle.pop() if idle else running.popleft().finish()
                picture = np.ascontiguousarray(batch[number : number + 1])
                request.set_input_tensor(_library().Tensor(picture, shared_memory=True))
                request.start_async()
                running.append(_Running(request, picture, coming[-1], number))
            while coming and not (running and running[0].rows is coming[0]):
                yield coming.popleft()
        while running:
            running.popleft().finish()
    finally:
        # where a run is stopped or one fails, the others go on: what they read must not be freed before
        for one in running:
            with suppress(CannotRun):
                one.finish()
    yield from coming


@dataclass(frozen=True)
class _Running:
    """A picture that is computed, and the row that its features go to."""

    request: object
    picture: np.ndarray  # kept until then: OpenVINO reads it where it lies
    rows: np.ndarray
    number: int

    def finish(self) -> object:
        """Wait until it is done, and return the request for another."""
        try:
            self.request.wait()
            self.rows[self.number] = self.request.get_output_tensor().data[0]
        except RuntimeError as error:
            raise CannotRun(_said(error)) from error
        return self.request


def _said(error: Exception) -> str:
    """Return the end of what an error says, in one line; OpenVINO begins with places in its source."""
    return " ".join(str(error).split())[-200:]


def is_installed() -> bool:
    """Whether the extra `fast` is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this CPU."""
    return "BF16" in _library().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def version() -> str:
    """Return OpenVINO's version, for which it is not imported where it was installed by pip."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
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
