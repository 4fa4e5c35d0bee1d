"""How many examples a second a model learns from in each precision: a few real steps on this machine, then undone."""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import keras
import numpy as np

from finetune.config import FinetuneConfig
from finetune.training.fit import Material, compile_for
from finetune.training.head_fit import steps_for
from finetune.training.lessons import calls
from finetune.training.loop import build_variables
from finetune.training.precision import FLOAT32, computing_in
from finetune.transfer.methods import Phase

# Examples of the first steps, which show how long a whole batch would take.
_FEW = 4
# A timed step takes no longer than that: of a slow network it has fewer examples than a batch.
_STEP_SECONDS = 1.0
_ROUNDS = range(3, 12)
_ROUNDS_SECONDS = 3.0


@dataclass(frozen=True)
class StepRates:
    """What was measured.

    Attributes:
        rates: examples a second by precision, medians; float32 alone where the rest was not worth its time.
        rows: examples of a step.
        run_seconds: that all steps of the run take in float32.
        seconds: that the measurement took.
    """

    rates: Mapping[str, float]
    rows: int
    run_seconds: float
    seconds: float


def step_rates(
    model: keras.Model,
    material: Material,
    config: FinetuneConfig,
    phase: Phase,
    *,
    others: Sequence[str],
    examples: float,
    most_share: float = 1.0,
) -> StepRates:
    """Time steps of a model in float32 and other precisions, in turns; leave it as it was, bit for bit.

    Float32 is timed first, on a few examples. Where the others would cost more of the run than `most_share`, they are
    left out.

    Args:
        model: from features to logits; which of its layers learn is settled.
        material: a batch of examples, or as many as there are.
        config: batch_size, optimizer and the like.
        phase: whose steps they are.
        others: precisions beside float32.
        examples: that the run takes through these steps, over all epochs.
        most_share: of the run's seconds.
    """
    started = time.perf_counter()
    with _unchanged(model):
        timers = {FLOAT32: _Timer(model, material, config, phase, FLOAT32)}
        few = min(_FEW, config.batch_size)
        first = timers[FLOAT32].seconds(few)
        a_row = min(timers[FLOAT32].seconds(few) for _ in range(2)) / few
        rows = int(np.clip(_STEP_SECONDS / a_row, few, config.batch_size))
        a_round = (1 + len(others)) * rows * a_row
        cost = len(others) * first + max(_ROUNDS[0] * a_round, min(_ROUNDS[-1] * a_round, _ROUNDS_SECONDS))
        if cost + time.perf_counter() - started > most_share * examples * a_row:
            return StepRates({FLOAT32: 1 / a_row}, few, examples * a_row, time.perf_counter() - started)
        timers |= {name: _Timer(model, material, config, phase, name) for name in others}
        times = _in_turns(timers, rows)
    rates = {name: rows / statistics.median(found) for name, found in times.items()}
    return StepRates(rates, rows, examples / rates[FLOAT32], time.perf_counter() - started)


def _in_turns(timers: Mapping[str, "_Timer"], rows: int) -> dict[str, list[float]]:
    """Return the seconds of steps in each precision; in turns, so that what else the machine does slows all alike."""
    for timer in timers.values():
        timer.seconds(rows)
    times: dict[str, list[float]] = {name: [] for name in timers}
    started = time.perf_counter()
    for taken in range(_ROUNDS[-1]):
        if taken >= _ROUNDS[0] and time.perf_counter() - started > _ROUNDS_SECONDS:
            break
        for name, timer in timers.items():
            times[name].append(timer.seconds(rows))
    return times


class _Timer:
    """Steps of a model in one precision, compiled at the first call."""

    def __init__(self, model: keras.Model, material: Material, config: FinetuneConfig, phase: Phase, precision: str):
        self._precision = precision
        # a model of its own, which shares the layers: both are compiled at the same time
        self._model = keras.Model(model.inputs, model.outputs, name=model.name)
        config = config.model_copy(update={"precision": precision})
        with computing_in(self._model, precision):
            lessons = compile_for(self._model, material, config, phase)
            build_variables(self._model, lessons)
        _, self._batch, _ = next(calls(lessons, lessons.train, 0, config.batch_size, 0, one_by_one=True))
        self._steps = steps_for(self._model, batch_size=config.batch_size)

    def seconds(self, rows: int) -> float:
        """Return what a step on some examples takes."""
        batch = tuple(array[:rows] for array in self._batch)
        with computing_in(self._model, self._precision):
            started = time.perf_counter()
            self._steps.train(batch)  # metrics come when the device has done it all
            return time.perf_counter() - started


@contextmanager
def _unchanged(model: keras.Model) -> Iterator[None]:
    """Put all variables back after the block, moving statistics and the seeds of random layers among them."""
    before = [(variable, keras.ops.convert_to_numpy(variable).copy()) for variable in model.variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
