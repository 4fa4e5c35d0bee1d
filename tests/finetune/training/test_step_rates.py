"""Timing a few steps: in turns, on real steps, and without a trace in the model."""

import keras
import numpy as np
import pytest
from test_precision import network, ready

from finetune.training import step_rates as module
from finetune.training.step_rates import step_rates

pytestmark = pytest.mark.keras
BFLOAT16 = "mixed_bfloat16"


def rates_of(model, **options):
    """Time a small network."""
    return step_rates(model, *ready(model), **{"others": (BFLOAT16,), "examples": 1e9} | options)


def test_model_is_left_as_it_was():
    """Weights, moving statistics, seeds and policies are those from before, and the model is not compiled."""
    model = network()
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in model.variables]
    found = rates_of(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"} and not model.compiled
    assert set(found.rates) == {"float32", BFLOAT16} and min(found.rates.values()) > 0 and found.rows == 8


def test_others_are_left_out_where_the_run_is_too_short():
    """Where measuring would take more than its share of the run, float32 alone is timed."""
    assert set(rates_of(network(), examples=100, most_share=0.03).rates) == {"float32"}


def test_precisions_take_turns(monkeypatch):
    """A machine that becomes slower meanwhile slows all alike: their steps are dealt in turn."""
    calls = []

    class Timer:
        def __init__(self, *arguments):
            self.name = arguments[-1]

        def seconds(self, rows):
            calls.append(self.name)
            return 0.001 * len(calls)

    monkeypatch.setattr(module, "_Timer", Timer)
    found = rates_of(network())
    turns = calls[calls.index(BFLOAT16) :]
    assert turns[1:7] == ["float32", BFLOAT16] * 3
    assert found.rates["float32"] == pytest.approx(found.rates[BFLOAT16], rel=0.1)


def test_slow_steps_are_timed_on_fewer_examples(monkeypatch):
    """A step that would take longer than a second has fewer examples than a batch, and four at least."""
    taken = []

    class Timer:
        def __init__(self, *arguments):
            pass

        def seconds(self, rows):
            taken.append(rows)
            return 0.2 * rows

    monkeypatch.setattr(module, "_Timer", Timer)
    assert rates_of(network()).rows == 5 and set(taken) == {4, 5}
