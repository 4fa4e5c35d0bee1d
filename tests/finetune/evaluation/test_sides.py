"""metrics.json by task: each side on its own examples, the test side in full, beside answers that need no model."""

import numpy as np
import pytest

from finetune.data.targets import Target
from finetune.evaluation.sides import evaluate_sides, full_metrics

SIDES = {"train": np.array([0, 1]), "validation": np.array([2]), "test": np.array([3, 4, 5])}


def test_classes_are_judged_side_by_side():
    """Every side is measured on its own examples; the baseline answers what most of training is."""
    target = Target("classification", np.array([0, 0, 1, 1, 2, 2]), ("a", "b", "c"))
    outputs = np.eye(3)[[0, 0, 2, 2, 2, 2]]
    metrics = evaluate_sides(target, outputs, SIDES)
    assert [metrics[side]["accuracy"] for side in SIDES] == [1.0, 0.0, pytest.approx(2 / 3)]
    assert metrics["most_confused"] == [{"label": "b", "predicted": "c", "count": 1}]
    assert metrics["baseline"] == {"name": "majority class", "accuracy": 0.0}


def test_numbers_are_judged_in_their_units():
    """The errors of a regression are in the target's units, and the baseline is the mean of training."""
    target = Target("regression", np.array([[0.0], [10.0], [3.0], [4.0], [6.0], [8.0]]), ("price",))
    metrics = evaluate_sides(target, target.values + 1, SIDES)
    assert metrics["test"]["mae"] == metrics["test"]["rmse"] == metrics["test"]["bias"] == 1.0
    assert metrics["test"]["r2"] == pytest.approx(1 - 3 / 8)
    assert metrics["baseline"]["name"] == "mean of training"
    assert metrics["baseline"]["mae"] == pytest.approx((1 + 1 + 3) / 3)


def test_forecasts_are_held_against_the_best_rule():
    """Of several rules without a model, the one with the smallest error is the baseline; all are kept."""
    target = Target("forecasting", np.arange(6.0).reshape(-1, 1), ("level",))
    guesses = {"far": target.values + 5, "last value": target.values - 1}
    metrics = evaluate_sides(target, target.values, SIDES, guesses)
    assert metrics["baseline"] == {"name": "last value", "mae": 1.0, "rmse": 1.0}
    assert [rule["name"] for rule in metrics["baselines"]] == ["last value", "far"]


def test_labels_are_judged_one_by_one_and_together():
    """An example is an exact match when all of its labels are right."""
    values = np.array([[1, 0], [1, 1], [0, 1]])
    metrics = full_metrics("multi_label", values, np.array([[0.9, 0.1], [0.9, 0.2], [0.1, 0.9]]), ("cat", "dog"))
    assert metrics["accuracy"] == pytest.approx(5 / 6) and metrics["exact_match"] == pytest.approx(2 / 3)
    assert metrics["per_class"]["cat"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 2}
    assert metrics["per_class"]["dog"]["recall"] == 0.5


def test_r2_of_equal_values_is_not_made_up():
    """Where all true values are equal, R² is not defined."""
    assert full_metrics("regression", np.ones((3, 1)), np.zeros((3, 1)), ("y",))["r2"] is None


def test_interval_of_the_error_holds_the_error():
    """The interval of the mean absolute error surrounds it and shrinks with more examples."""

    def width(count):
        errors = np.abs(np.random.default_rng(0).normal(size=(count, 1)))
        metrics = full_metrics(
            "regression", np.arange(count).reshape(-1, 1) + errors, np.arange(count)[:, None], ("y",)
        )
        low, high = metrics["mae_interval"]
        assert low < metrics["mae"] < high
        return high - low

    assert width(1000) < width(30) / 3
