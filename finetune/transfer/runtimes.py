"""What runs the frozen part of a network: Keras, or OpenVINO where it is there, is faster, and gives the same."""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from finetune.environment import cpu_name
from finetune.transfer import openvino_runner
from finetune.transfer.agreement import BFLOAT16_COSINE, FLOAT32_COSINE, agreement, is_equal, probe_scores
from finetune.transfer.features import features_key
from finetune.transfer.frozen_graph import FrozenGraph
from finetune.transfer.openvino_runner import NotConverted, OpenVinoRunner
from finetune.transfer.trunk import forward
from zoo.atomic import write_atomic

AUTO, KERAS, OPENVINO, BFLOAT16 = "auto", "keras", "openvino", "openvino_bf16"
# Those that auto chooses from. bfloat16 changes the features by some percent, so it is never taken unasked.
FLOAT32 = (OPENVINO, KERAS)
NAMES = {KERAS: "Keras", OPENVINO: "OpenVINO", BFLOAT16: "OpenVINO in bfloat16"}
# TensorFlow copies and folds constants for seconds, and holds them a dozen times: of ResNet-101's 42.6 million, 2.5 GB.
_MOST_CONSTANTS = 12_000_000
# Converting, tracing and timing take as long as Keras takes for a dozen batches of EfficientNet-Lite0; less is not
# worth a choice.
WORTH_TIMING = 16
_TIMED = 2
_PROBED = 128

Run = Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]


@dataclass(frozen=True)
class Work:
    """What is to be run.

    Attributes:
        model: pictures (batch, height, width, channels) to features.
        batch_size: of all batches.
        count: pictures.
        pictures: gives those at some indices as batches of uint8.
        values: targets of all pictures, as `Target.values`.
    """

    model: keras.Model
    batch_size: int
    count: int
    pictures: Callable[[Sequence[int]], Iterable[np.ndarray]]
    values: np.ndarray

    def sample(self, count: int) -> Sequence[int]:
        """Return at most `count` indices, evenly over all pictures."""
        return np.unique(np.linspace(0, self.count - 1, min(count, self.count)).astype(int)).tolist()

    @cached_property
    def graph(self) -> FrozenGraph:
        """The network with its weights in it, which is traced once for all who take it."""
        return FrozenGraph(self.model)

    def by_keras(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what Keras gives for batches."""
        if suits_graph(self.model):
            return self.graph.run(batches, batch_size=self.batch_size)
        return forward(self.model, batches, batch_size=self.batch_size)


@dataclass(frozen=True)
class Choice:
    """What runs a network, and why.

    Attributes:
        runtime: one of `NAMES`.
        why: in words.
        rates: pictures a second of those that were timed.
    """

    runtime: str
    why: str
    rates: Mapping[str, float] | None = None


def suits_graph(model: keras.Model) -> bool:
    """Whether Keras had better run a network as a graph that holds its weights: a small one, by TensorFlow on a CPU."""
    here = keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")
    return here and model.count_params() <= _MOST_CONSTANTS


def identity(runtime: str, model: keras.Model) -> list[str]:
    """Return what of a runtime decides the numbers of a network, for the name of a cache entry."""
    if runtime == KERAS:
        return [keras.backend.backend(), *["one graph"] * suits_graph(model), keras.version(), "float32"]
    mixed = ["large maps in float32"] * (runtime == BFLOAT16)
    return ["openvino", openvino_runner.version(), _precision(runtime), *mixed, "picture by picture", keras.version()]


def hindrance(runtime: str) -> str:
    """Return why a runtime cannot be used on this machine, or nothing."""
    if runtime == KERAS:
        return ""
    if keras.backend.backend() != "tensorflow":
        return f"OpenVINO takes networks from Keras on TensorFlow; here it runs on {keras.backend.backend()}"
    if not openvino_runner.is_installed():
        return "OpenVINO, which may be faster, is not installed: pip install 'keras-graft[fast]'"
    if runtime == BFLOAT16 and not openvino_runner.has_bfloat16():
        return "this CPU does not compute in bfloat16"
    return ""


def memory_file(folder: Path, network: Mapping[str, object]) -> Path:
    """Return where the choice for a network is remembered: one place for each network, machine and set of versions."""
    installed = openvino_runner.version() if not hindrance(OPENVINO) else None
    machine = [cpu_name(), os.cpu_count(), keras.backend.backend(), keras.version(), installed]
    return folder / f"{features_key({'network': network, 'machine': machine})}.json"


def choose(work: Work, wanted: str, memory: Path, warn: Callable[[str], None]) -> tuple[Choice, Run]:
    """Return what runs a network here, and the function from batches to features that does it.

    Whatever is not Keras is compared with Keras on the first batch of these pictures, every time. With "auto" the
    faster of two is chosen by timing two batches of each, once for a network on a machine.

    Args:
        work: the network and its pictures.
        wanted: "auto", or one of `NAMES`.
        memory: where the choice of "auto" is kept.
        warn: told where something that was asked for by name cannot be had.
    """
    if wanted == AUTO:
        return _fastest(work, memory)
    reasons = []
    for runtime in (BFLOAT16, OPENVINO)[wanted != BFLOAT16 :] if wanted != KERAS else ():
        run, words = _checked(work, runtime)
        if run:
            return Choice(runtime, "; ".join([*reasons, words])), run
        reasons.append(f"not {NAMES[runtime]}: {words}")
        warn(f"runtime={wanted}: {reasons[-1]}")
    return Choice(KERAS, "; ".join(reasons) or "as asked"), work.by_keras


def _fastest(work: Work, memory: Path) -> tuple[Choice, Run]:
    """Return the runtime of "auto": as timed before, or timed now where that is worth its time."""
    if keras.distribution.list_devices("gpu"):
        return Choice(KERAS, "a GPU is there"), work.by_keras
    reason, known = hindrance(OPENVINO), _remembered(memory)
    if not reason and not known and work.count < WORTH_TIMING * work.batch_size:
        reason = f"{work.count:,} pictures are too few to be worth timing others"
    if reason or (known and known.runtime == KERAS):
        return known if known and not reason else Choice(KERAS, reason), work.by_keras
    run, words = _checked(work, OPENVINO)
    if not run:
        return Choice(KERAS, f"not OpenVINO: {words}"), work.by_keras
    if known:
        return Choice(OPENVINO, f"{known.why}; {words}", known.rates), run
    choice = _timed(work, {OPENVINO: run, KERAS: work.by_keras})
    # a cache that cannot be written is reported when the features are
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(memory, json.dumps(asdict(choice)))
    if choice.runtime == KERAS:
        return choice, work.by_keras
    return Choice(OPENVINO, f"{choice.why}; {words}", choice.rates), run


def _timed(work: Work, runs: Mapping[str, Run]) -> Choice:
    """Return the fastest of several that have run before, by two batches of each, or fewer of one that is slower."""
    batch = next(iter(work.pictures(range(min(work.batch_size, work.count)))))
    rates, allowed = {}, math.inf
    for runtime, run in runs.items():
        done, seconds, started = 0, 0.0, time.perf_counter()
        for array in run([batch] * _TIMED):
            done, seconds = done + len(array), time.perf_counter() - started
            if seconds > allowed:
                break
        rates[runtime], allowed = done / seconds, min(allowed, seconds)
    best = max(rates, key=rates.get)
    shown = ", ".join(f"{NAMES[runtime]} {rate:,.0f}" for runtime, rate in sorted(rates.items(), key=lambda r: -r[1]))
    return Choice(best, f"pictures a second in a trial on this machine: {shown}", rates)


def _checked(work: Work, runtime: str) -> tuple[Run | None, str]:
    """Return a runtime that gives what Keras gives, and by how much; or None and why not."""
    reason = hindrance(runtime)
    if reason:
        return None, reason
    try:
        run = OpenVinoRunner(work.graph, precision=_precision(runtime))
    except NotConverted as error:
        return None, f"it cannot run this network ({error})"
    exact = runtime != BFLOAT16
    indices = range(min(work.batch_size, work.count)) if exact else work.sample(_PROBED)
    batches = list(work.pictures(indices))
    found = np.concatenate(list(run(batches)))
    expected = np.concatenate(list(work.by_keras(batches)))
    cosine, needed = agreement(found, expected, each=exact), FLOAT32_COSINE if exact else BFLOAT16_COSINE
    words = f"cosine to Keras' features {_digits(cosine)} on {len(found)} pictures"
    if not cosine >= needed:
        return None, f"{words}, {needed} is needed"
    if exact:
        return run, words
    right, right_of_keras, asked = probe_scores(found, expected, work.values[indices])
    words += f", a probe on them right on {right} of {asked}, on Keras' {right_of_keras}"
    return (run, words) if is_equal(right, right_of_keras) else (None, words)


def _digits(cosine: float) -> str:
    """Return a cosine cut, not rounded, to six digits: 1 is said of nothing but 1."""
    return f"{int(cosine * 1e6) / 1e6:.6f}"


def _precision(runtime: str) -> str:
    return "bfloat16" if runtime == BFLOAT16 else "float32"


def _remembered(memory: Path) -> Choice | None:
    """Return the choice that was written, or None for none that can be read."""
    try:
        found = json.loads(memory.read_bytes())
        return Choice(found["runtime"], str(found["why"]), found["rates"]) if found["runtime"] in FLOAT32 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
