"""Numbers of tables that 32 bits do not hold: far from 0, tiny, constant, or too large."""

import numpy as np
import pandas as pd
import pytest

import finetune
from finetune.answers import Prediction
from finetune.tasks import Scale
from finetune.transfer.encoder import build_encoder, fit_columns, model_inputs

pytestmark = pytest.mark.keras
SCALES = {"offset": (1.7e9, 10.0), "tiny": (0.0, 1e-9), "tiniest": (0.0, 1e-200), "large": (1e15, 1e14)}


def normal(count, seed=0):
    """Return normally distributed numbers."""
    return np.random.default_rng(seed).normal(size=count)


def standardized(known, new):
    """Return what an encoder fitted to one column makes of other values of it."""
    columns = fit_columns({"a": known}, np.arange(len(known)))
    return np.asarray(build_encoder(columns).model.predict_on_batch(model_inputs({"a": new}, columns)))[:, 0]


@pytest.mark.parametrize(("shift", "scale"), SCALES.values(), ids=[*SCALES])
def test_features_of_any_scale_come_around_0(shift, scale):
    """A feature far from 0, or a tiny one, enters the network with mean 0 and deviation 1, exact to 32 bits."""
    z = normal(100)
    expected = (z - z.mean()) / z.std()
    np.testing.assert_allclose(standardized(shift + scale * z, shift + scale * z), expected, atol=1e-6)


@pytest.mark.parametrize("noise", [0.0, 1e-17])
def test_column_that_is_constant_in_training_says_nothing_later(noise):
    """What was one number in training, but for rounding, becomes 0 whatever it is afterwards."""
    known = 0.1 + noise * normal(50)
    known[7] = np.nextafter(0.1, 1) if noise else 0.1
    assert standardized(known, np.array([0.1, 0.7, -5e9])).tolist() == [0, 0, 0]


def test_number_far_from_training_stays_finite():
    """A new number that is 1e40 deviations away gives no infinity, which would become NaN in the network."""
    assert np.isfinite(standardized(1e-40 * normal(50), np.array([1.0]))).all()


@pytest.mark.parametrize(("shift", "scale"), [(1.7e9, 10.0), (0.0, 1e-9)])
def test_feature_far_from_0_is_learned(tmp_path, shift, scale):
    """A class that hangs on seconds since 1970, or on nanometres, is learned."""
    z = normal(200)
    data = pd.DataFrame({"a": shift + z * scale, "b": normal(200, 1), "target": np.where(z > 0, "p", "q")})
    data.to_csv(tmp_path / "t.csv", index=False)
    run = finetune.fit(tmp_path / "t.csv", epochs=30, run_dir=tmp_path / "run", verbose=0)
    assert run.metrics["test"]["accuracy"] > 0.85
    right = [answer.class_name for answer in run.predict(data)] == data["target"]
    assert right.mean() > 0.9


@pytest.mark.parametrize(("shift", "scale"), [(1.7e9, 1.0), (0.0, 1e-40), (0.0, 1e17)])
def test_target_far_from_0_is_answered_exactly(tmp_path, shift, scale):
    """A target far from 0 is judged and answered in its own units, by the saved model too."""
    x = normal(200)
    target = shift + scale * x
    data = pd.DataFrame({"x": x, "target": target})
    run = finetune.fit(data, model="linear", epochs=60, run_dir=tmp_path / "run", target="target", verbose=0)
    spread = target.std() or 1
    assert 0 < run.metrics["test"]["mae"] < 0.3 * run.metrics["baseline"]["mae"]
    answers = np.array([answer.values["target"] for answer in run.predict(data)])
    assert np.abs(answers - target).max() < spread and len(np.unique(answers)) > 150
    assert run.evaluate(data)["mae"] == pytest.approx(run.metrics["test"]["mae"], rel=1e-3)


def test_scale_keeps_64_bits():
    """Targets are centred before they lose digits, and come back to 64 bits."""
    values = 1.7e9 + normal(100)[:, None]
    scale = Scale.of(values)
    assert scale.standard(values).dtype == np.float32 and scale.standard(values).std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(scale.natural(scale.standard(values)), values, atol=1e-6, rtol=0)


def test_constant_target_is_only_shifted():
    """A target of one number but for rounding is divided by 1."""
    values = np.full((20, 1), 0.1)
    values[3] = np.nextafter(0.1, 1)
    assert np.abs(Scale.of(values).standard(values)).max() < 1e-15


def test_answers_far_from_0_are_printed_with_their_digits():
    """A line of `finetune predict` shows what an answer far from 0 differs in."""
    assert Prediction("t.csv", values={"y": 1700000012.25}).as_text().endswith("\t1700000012.25")
    assert Prediction("t.csv", values={"y": 0.123456789}).as_text().endswith("\t0.123457")
