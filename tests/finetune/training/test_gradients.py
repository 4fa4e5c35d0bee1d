"""The monitor of gradients: healthy ones are passed over, vanishing and exploding ones are named with a remedy."""

import keras
import numpy as np
import pytest

import finetune
from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.training.gradients import LARGEST, NORM, gradient_faults, phase_faults
from finetune.transfer.methods import phases_of


def rows(*norms, largest=None, phase="head"):
    """Return a history of the parts low and high."""
    return [
        {"epoch": 1 + place, "phase": phase, NORM + "low": low, NORM + "high": high, LARGEST: largest or max(low, high)}
        for place, (low, high) in enumerate(norms)
    ]


@pytest.mark.parametrize(
    "norms", [[(1.0, 2.0)] * 3, [(0.01, 5.0), (0.002, 0.1), (1e-7, 1e-6)], [(30.0, 40.0), (3.0, 4.0)], [(0.0, 0.0)]]
)
def test_healthy_gradients_are_passed_over(norms):
    """Neither small differences nor a fall while the loss falls is a fault."""
    assert gradient_faults(rows(*norms)) == []


@pytest.mark.parametrize(
    ("norms", "largest"), [([(1.0, 2.0), (1.0, 2000.0)], None), ([(0.1, 0.2), (0.1, 60.0)], None), ([(1, 1)], 5000.0)]
)
def test_explosions_are_named_with_clipping(norms, largest):
    """A norm of a thousand, or a rise by a hundred to what is large, is said with part and remedy."""
    (fault,) = gradient_faults(rows(*norms, largest=largest))
    assert "gradients explode in phase head" in fault and "--set global_clip_norm=1" in fault


def test_vanishing_gradients_are_named_with_their_parts():
    """A part that gets a ten-thousandth of the signal hardly learns; after one epoch nothing is said yet."""
    lost = rows((1e-6, 1.0), (1e-6, 0.5))
    (fault,) = gradient_faults(lost)
    assert "gradients vanish in phase head before they reach low: they are under 1e-04 of those in high" in fault
    assert phase_faults(lost[:1]) == {} and gradient_faults([]) == []


def test_each_phase_is_judged_by_itself():
    """What exploded in one phase is not said of the next."""
    history = rows((1, 5000.0), phase="first") + rows((1, 1), phase="second")
    (fault,) = gradient_faults(history)
    assert "phase first" in fault


def deep(activation, layers, initializer):
    """Return a network of many layers."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8,))
    for number in range(layers):
        x = keras.layers.Dense(8, activation, kernel_initializer=initializer, name=f"dense{number}")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))


@pytest.mark.keras
@pytest.mark.parametrize(
    ("activation", "initializer", "expected"),
    [
        ("sigmoid", keras.initializers.RandomNormal(stddev=0.5, seed=1), {"vanish"}),
        ("relu", keras.initializers.HeNormal(seed=1), set()),
        ("linear", keras.initializers.RandomNormal(stddev=1.5, seed=1), {"explode"}),
    ],
)
def test_real_networks_are_told_apart(activation, initializer, expected):
    """Ten layers of sigmoids vanish, of large linear weights explode; with ReLU and its initializer they do neither."""
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    config = make_config(
        {"method": "head", "epochs": 2, "patience": 2, "batch_size": 16, "learning_rate": 1e-6, "optimizer": "sgd"}
    )
    material = Material(
        x, (x[:, 0] > 0).astype(int), TASKS["classification"], {"train": np.arange(48), "validation": np.arange(48, 64)}
    )
    (phase,) = phases_of(config, ("head",))
    found = fit_phase(deep(activation, 10, initializer), material, config, phase)
    assert set(phase_faults(found.rows)) == expected


@pytest.mark.keras
def test_run_says_and_keeps_what_exploded(tmp_path, capsys):
    """The warning comes while it learns, and stands in metrics.json; the history has the norms of each layer."""
    x = np.random.default_rng(0).normal(size=(80, 3))
    options = {"epochs": 1, "optimizer": "sgd", "learning_rate": 0.1, "units": (64,) * 3, "loss": "mse", "verbose": 0}
    run = finetune.fit(x, x[:, 0] + x[:, 1], run_dir=tmp_path / "run", batch_size=16, **options)
    assert "global_clip_norm=1" in capsys.readouterr().err
    assert "explode" in run.metrics["diagnosis"]["gradients"][0]
