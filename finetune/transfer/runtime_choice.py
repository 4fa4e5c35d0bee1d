"""Which runtime a network gets: the one that was asked for, or the fastest by a trial of two batches of each."""

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import keras

from finetune.devices import gpu_names, has_gpu
from finetune.environment import cpu_flags, cpu_name
from finetune.transfer import openvino_runner
from finetune.transfer.features import features_key
from finetune.transfer.runtime_names import (
    AUTO,
    AUTO_FLOAT32,
    KERAS,
    KERAS_BF16,
    KERAS_FP16,
    ON_CPU,
    ON_GPU,
    OPENVINO,
    OPENVINO_BF16,
    RUNTIMES,
    CannotRun,
    Runtime,
    with_xla,
)
from finetune.transfer.runtimes import PROBED, Choice, Run, Work, built, compared, hindrance
from zoo.atomic import write_atomic

# Converting, tracing and timing take as long as Keras takes for a dozen batches of EfficientNet-Lite0; less is not
# worth a choice.
WORTH_TIMING = 16
_TIMED = 2
# Seconds that all pictures have to take before others are built as well. AMX computes half precision three times as
# fast, and OpenVINO is ready in a second; of CPUs without it 1.5 times was measured. XLA compiles for up to a minute.
_WORTH_HALF_BY_AMX, _WORTH_HALF, _WORTH_XLA = 8, 30, 120
# Features in half precision differ, so they must take a fifth less time, with what they need beside: the test side is
# run in float32 too, a share of all that is this by default.
_WORTH_DIFFERING, _TEST_SIDE = 0.8, 0.15


def memory_file(folder: Path, network: Mapping[str, object]) -> Path:
    """Return where rates of a network are remembered: one place for each network, machine and set of versions."""
    installed = openvino_runner.version() if not hindrance(OPENVINO) else None
    machine = [cpu_name(), os.cpu_count(), keras.backend.backend(), keras.version(), installed]
    machine += gpu_names()
    return folder / f"{features_key({'network': network, 'machine': machine})}.json"


def acceptable(wanted: str) -> Iterator[Runtime]:
    """Yield the runtimes whose features a run may take from the cache, the better first."""
    named = wanted not in (AUTO, AUTO_FLOAT32)
    found = (RUNTIMES[wanted],) if named else ON_GPU if has_gpu() else ON_CPU
    for one in sorted(found, key=lambda one: not one.exact):
        # what hinders is asked one by one, for it may take a library's import
        if (named or one.exact or wanted == AUTO) and not hindrance(one):
            yield one


def choose(work: Work, wanted: str, memory: Path, warn: Callable[[str], None]) -> tuple[Choice, Run]:
    """Return what runs a network here, and the function from batches to features that does it.

    Whatever is not Keras in float32 is compared with it on these pictures, every time. Rates are measured once for a
    network on a machine.

    Args:
        work: the network and its pictures.
        wanted: "auto"; "auto_float32", which leaves out what gives other features than Keras; or a runtime's name.
        memory: where rates are kept.
        warn: told where something that was asked for by name cannot be had.
    """
    if wanted in (AUTO, AUTO_FLOAT32):
        trial = _Trial(work, memory)
        return _on_gpu(trial, halved=wanted == AUTO) if has_gpu() else _on_cpu(trial, halved=wanted == AUTO)
    reasons = []
    for runtime in _asked(RUNTIMES[wanted]):
        try:
            run = built(work, runtime)
            words = compared(work, runtime, run)
        except CannotRun as error:
            reasons.append(f"not {runtime.shown}: {error}")
            warn(f"runtime={wanted}: {reasons[-1]}")
        else:
            return Choice(runtime, "; ".join(filter(None, [*reasons, words])) or "as asked"), run
    raise AssertionError("Keras runs everything")


def _asked(wanted: Runtime) -> list[Runtime]:
    """Return a runtime, and what takes its place where it cannot run: the same library in float32, then Keras."""
    return list(dict.fromkeys((wanted, OPENVINO if wanted.by_openvino else KERAS, KERAS)))


class _Trial:
    """What is known of the runtimes of a network: how fast they are, and which of them cannot run it."""

    def __init__(self, work: Work, memory: Path):
        self.work, self._memory, self._runs, self._allowed = work, memory, {}, math.inf
        self._warm: set[Runtime] = set()
        self._timed_now: set[Runtime] = set()
        self.rates = _remembered(memory)
        self.refused: dict[Runtime, str] = {}

    @cached_property
    def _decoding(self) -> float:
        """Seconds that a picture takes to be decoded."""
        some, started = self.work.sample(_TIMED * self.work.batch_size), time.perf_counter()
        for _ in self.work.pictures(some):
            pass
        return (time.perf_counter() - started) / len(some)

    @cached_property
    def _batch(self) -> object:
        return next(iter(self.work.pictures(range(min(self.work.batch_size, self.work.count)))))

    def run(self, runtime: Runtime) -> Run:
        """Return what runs the network, or raise `CannotRun`."""
        if runtime not in self._runs:
            self._runs[runtime] = built(self.work, runtime)
        return self._runs[runtime]

    def rate(self, runtime: Runtime) -> float:
        """Return pictures a second by two batches, or fewer of one that is slower; 0 for one that cannot run."""
        if runtime not in self.rates:
            if runtime in self.refused:
                return 0.0
            try:
                run = self.work.by_keras_in_trial if runtime == KERAS else self.run(runtime)
            except CannotRun as error:
                self.refuse(runtime, error)
                return 0.0
            if runtime not in self._warm:
                list(run([self._batch]))
            self.rates[runtime] = self._timed(run)
            self._timed_now.add(runtime)
            # a cache that cannot be written is reported when the features are
            with suppress(OSError):
                self._memory.parent.mkdir(parents=True, exist_ok=True)
                rates = {one.name: rate for one, rate in self.rates.items()}
                write_atomic(self._memory, json.dumps({"rates": rates}))
        return self.rates[runtime]

    def _timed(self, run: Run) -> float:
        done, seconds, started = 0, 0.0, time.perf_counter()
        for array in run([self._batch] * _TIMED):
            done, seconds = done + len(array), time.perf_counter() - started
            if seconds > self._allowed:
                break
        self._allowed = min(self._allowed, seconds)
        return done / seconds

    def know(self, *runtimes: Runtime) -> None:
        """Have the rates of all these from one sitting: a machine that was busy the last time tells nothing today."""
        if not self.rates.keys() >= set(runtimes):
            self.rates = {one: rate for one, rate in self.rates.items() if one in self._timed_now}
        for runtime in runtimes:
            self.rate(runtime)

    def seconds(self, runtime: Runtime) -> float:
        """Return how long a runtime takes for all rows, decoding included: on a CPU both want the same cores."""
        rate = self.rate(runtime)
        if not rate:
            return math.inf
        parts = self.work.rows / rate, self.work.rows * self._decoding
        return max(parts) if has_gpu() else sum(parts)

    def refuse(self, runtime: Runtime, error: CannotRun) -> None:
        """Remember why a runtime is not taken."""
        self.refused[runtime] = f"not {runtime.shown}: {error}"

    def agrees(self, runtime: Runtime) -> str | None:
        """Return in words how near a runtime comes to Keras; None where it is not near enough."""
        try:
            words = compared(self.work, runtime, self.run(runtime))
            self._warm |= {runtime, KERAS}
            return words
        except CannotRun as error:
            self.refuse(runtime, error)
            return None

    def choice(self, runtime: Runtime, words: str = "") -> tuple[Choice, Run]:
        """Return a runtime as chosen."""
        rates = {one.name: rate for one, rate in self.rates.items()}
        shown = ", ".join(
            f"{one.shown} {rate:,.0f}" for one, rate in sorted(self.rates.items(), key=lambda pair: -pair[1])
        )
        why = [f"pictures a second in a trial on this machine: {shown}"] * bool(rates)
        reasons = filter(None, [*why, words, *self.refused.values()])
        return Choice(runtime, "; ".join(reasons), rates or None), self.run(runtime)


def _on_cpu(trial: _Trial, *, halved: bool) -> tuple[Choice, Run]:
    """Return the faster of OpenVINO and Keras; or half precision, where all pictures take long enough."""
    work, reason = trial.work, hindrance(OPENVINO)
    if not reason and not trial.rates and work.rows < WORTH_TIMING * work.batch_size:
        reason = _too_few(work)
    if reason:
        return Choice(KERAS, reason), work.by_keras
    known = {OPENVINO, KERAS} <= trial.rates.keys()
    words = "" if known and trial.rate(OPENVINO) < trial.rate(KERAS) else trial.agrees(OPENVINO)
    if words is None:
        return Choice(KERAS, trial.refused[OPENVINO]), work.by_keras
    trial.know(OPENVINO, KERAS)
    exact = max((OPENVINO, KERAS), key=trial.rate)
    worth = _WORTH_HALF_BY_AMX if "amx_bf16" in (cpu_flags() or ()) else _WORTH_HALF
    half, differing = _halved(trial, exact, (OPENVINO_BF16,), worth) if halved else (exact, "")
    return trial.choice(half, differing) if half != exact else trial.choice(exact, words if exact == OPENVINO else "")


def _on_gpu(trial: _Trial, *, halved: bool) -> tuple[Choice, Run]:
    """Return Keras, in half precision or by XLA or both where all pictures take long enough."""
    work = trial.work
    if not trial.rates and work.rows < WORTH_TIMING * work.batch_size:
        return Choice(KERAS, _too_few(work)), work.by_keras
    taken, words = _halved(trial, KERAS, (KERAS_BF16, KERAS_FP16), _WORTH_HALF) if halved else (KERAS, "")
    # JAX compiles by XLA always
    if keras.backend.backend() == "tensorflow" and trial.seconds(taken) >= _WORTH_XLA:
        trial.know(taken, with_xla(taken))
        as_well = trial.agrees(with_xla(taken)) if trial.rate(with_xla(taken)) > trial.rate(taken) else None
        taken, words = (taken, words) if as_well is None else (with_xla(taken), as_well)
    return trial.choice(taken, words)


def _too_few(work: Work) -> str:
    return f"{work.rows:,} pictures are too few to be worth timing others"


def _halved(trial: _Trial, exact: Runtime, others: Sequence[Runtime], worth: float) -> tuple[Runtime, str]:
    """Return the fastest of others in half precision and how near it comes, or what is exact where that will do."""
    others = [one for one in others if not hindrance(one)] if trial.seconds(exact) >= worth else []
    if others:
        trial.know(exact, KERAS, *others)
    seconds = trial.seconds(exact)
    # without changed versions
    once = seconds * trial.work.count / trial.work.rows
    for half in sorted(others, key=trial.seconds):
        beside = _TEST_SIDE * once + PROBED / trial.rate(KERAS)
        if trial.seconds(half) + beside > _WORTH_DIFFERING * seconds:
            break
        words = trial.agrees(half)
        if words is not None:
            return half, words
    return exact, ""


def _remembered(memory: Path) -> dict[Runtime, float]:
    """Return the rates that were written, or none where they cannot be read."""
    try:
        found = json.loads(memory.read_bytes())["rates"]
        rates = {RUNTIMES[name]: float(rate) for name, rate in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return rates if all(0 < rate < math.inf for rate in rates.values()) else {}
