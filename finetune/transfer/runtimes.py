"""What runs the frozen part of a network: built, and compared with Keras before its features are used."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np

from finetune.devices import has_gpu
from finetune.transfer import openvino_runner
from finetune.transfer.agreement import BFLOAT16_COSINE, FLOAT32_COSINE, agreement, is_as_good, probe_answers
from finetune.transfer.frozen_graph import FrozenGraph
from finetune.transfer.keras_runner import KerasRunner
from finetune.transfer.openvino_runner import OpenVinoRunner
from finetune.transfer.runtime_names import KERAS, OPENVINO_BF16, CannotRun, Runtime
from finetune.transfer.trunk import forward

# TensorFlow copies and folds constants for seconds, and holds them a dozen times: of ResNet-101's 42.6 million, 2.5 GB.
_MOST_CONSTANTS = 12_000_000
# Pictures on which features that differ are compared.
PROBED = 128
# Pixels that Keras' graph is tried by at a time. With 8 pictures of 224 px memory and layers are ready in 0.5 s, with
# 32 after 1.2 s; of 64 px 32 at a time take half as long as four times 8.
_AT_A_TIME = 8 * 224 * 224

Run = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Work:
    """What is to be run.

    Attributes:
        model: pictures (batch, height, width, channels) to features.
        batch_size: of all batches.
        count: pictures.
        rows: that are to be run: the pictures, and changed versions of them.
        pictures: gives those at some indices as batches of uint8.
        values: targets of all pictures, as `Target.values`.
    """

    model: keras.Model
    batch_size: int
    count: int
    rows: int
    pictures: Callable[[Sequence[int]], Iterable[np.ndarray]]
    values: np.ndarray

    def sample(self, count: int) -> Sequence[int]:
        """Return at most `count` indices, evenly over all pictures."""
        return np.unique(np.linspace(0, self.count - 1, min(count, self.count)).astype(int)).tolist()

    @cached_property
    def graph(self) -> FrozenGraph:
        """The network with its weights in it, which is traced once for all who take it."""
        return FrozenGraph(self.model)

    @cached_property
    def _without_xla(self) -> KerasRunner:
        """The network as Keras runs it; on a GPU it would take XLA of itself."""
        return KerasRunner(self.model, batch_size=self.batch_size)

    def by_keras(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what Keras gives for batches."""
        if suits_graph(self.model):
            return self.graph.run(batches, batch_size=self.batch_size)
        if has_gpu():
            return self._without_xla(batches)
        return forward(self.model, batches, batch_size=self.batch_size)

    def by_keras_in_trial(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what Keras gives for batches, by a few pictures at a time where its graph takes any number."""
        if not suits_graph(self.model):
            return self.by_keras(batches)
        height, width, _ = self.graph.picture_shape
        size = min(max(1, _AT_A_TIME // (height * width)), self.batch_size)
        parts = (batch[start : start + size] for batch in batches for start in range(0, len(batch), size))
        return self.graph.run(parts, batch_size=size)


@dataclass(frozen=True)
class Choice:
    """What runs a network, and why.

    Attributes:
        runtime: that runs it.
        why: in words.
        rates: pictures a second of those that were timed.
    """

    runtime: Runtime
    why: str
    rates: Mapping[str, float] | None = None


def suits_graph(model: keras.Model) -> bool:
    """Whether Keras had better run a network as a graph that holds its weights: a small one, by TensorFlow on a CPU."""
    here = keras.backend.backend() == "tensorflow" and not has_gpu()
    return here and model.count_params() <= _MOST_CONSTANTS


def identity(runtime: Runtime, model: keras.Model) -> list[str]:
    """Return what of a runtime decides the numbers of a network, for the name of a cache entry."""
    if runtime.by_openvino:
        mixed = ["bfloat16", "large maps in float32"]
        precision = ["float32"] if runtime.exact else mixed
        return ["openvino", openvino_runner.version(), *precision, "picture by picture", keras.version()]
    kept = ["one graph"] * (runtime == KERAS and suits_graph(model))
    return [keras.backend.backend(), *kept, keras.version(), runtime.precision, *["xla"] * runtime.xla]


def hindrance(runtime: Runtime) -> str:
    """Return why a runtime cannot be used on this machine, or nothing."""
    if not runtime.by_openvino:
        return ""
    if keras.backend.backend() != "tensorflow":
        return f"OpenVINO takes networks from Keras on TensorFlow; here it runs on {keras.backend.backend()}"
    if not openvino_runner.is_installed():
        return "OpenVINO, which may be faster, is not installed: pip install 'keras-graft[fast]'"
    if runtime == OPENVINO_BF16 and not openvino_runner.has_bfloat16():
        return "this CPU does not compute in bfloat16"
    return ""


def built(work: Work, runtime: Runtime) -> Run:
    """Return the function from batches to features by which a runtime runs a network.

    Raises:
        CannotRun: it is not for this machine or not for this network.
    """
    reason = hindrance(runtime)
    if reason:
        raise CannotRun(reason)
    if runtime == KERAS:
        return work.by_keras
    if runtime.by_openvino:
        return OpenVinoRunner(work.graph, precision="float32" if runtime.exact else "bfloat16")
    how = {"precision": runtime.precision, "xla": runtime.xla}
    return KerasRunner(work.model, batch_size=work.batch_size, **how)


def compared(work: Work, runtime: Runtime, run: Run) -> str:
    """Hold a runtime against Keras on pictures of the work, and return in words how near it comes.

    One in float32 must give Keras' features for each picture of the first batch. Features in half precision differ, so
    those of more pictures are taken together, and a probe must learn as much from them.

    Raises:
        CannotRun: it gives something else.
    """
    if runtime == KERAS:
        return ""
    indices = range(min(work.batch_size, work.count)) if runtime.exact else work.sample(PROBED)
    batches = list(work.pictures(indices))
    found = np.concatenate(list(run(batches)))
    expected = np.concatenate(list(work.by_keras_in_trial(batches)))
    cosine = agreement(found, expected, each=runtime.exact)
    needed = FLOAT32_COSINE if runtime.exact else BFLOAT16_COSINE
    words = f"cosine to Keras' features {_digits(cosine)} on {len(found)} pictures"
    if not cosine >= needed:
        raise CannotRun(f"{words}, {needed} is needed")
    if runtime.exact:
        return words
    right, right_of_keras = probe_answers(found, expected, work.values[indices])
    words += f", a probe on them right on {right.sum()} of {len(right)}, on Keras' {right_of_keras.sum()}"
    if not is_as_good(right, right_of_keras):
        raise CannotRun(words)
    return words


def _digits(cosine: float) -> str:
    """Return a cosine cut, not rounded, to six digits: 1 is said of nothing but 1."""
    return f"{int(cosine * 1e6) / 1e6:.6f}"
