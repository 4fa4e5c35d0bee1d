"""Metrics against values worked out by hand."""

import numpy as np
import pytest

from finetune.evaluation.evaluate import (
    brief_metrics,
    calibration_error,
    classification_metrics,
    majority_baseline,
    most_confused,
)

NAMES = ("a", "b", "c")
LABELS = np.array([0, 0, 0, 1, 1, 2])
# right, right, taken for b, right, taken for c, right
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.3, 0.6, 0.1], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6], [0.0, 0.0, 1.0]]
)


def test_accuracy_and_its_wilson_interval():
    """4 of 6 right: Wilson's interval for k=4, n=6 at 95 % is 0.300 to 0.903 (Wilson 1927)."""
    metrics = brief_metrics(LABELS, PROBABILITIES)
    assert metrics["accuracy"] == pytest.approx(4 / 6)
    assert metrics["accuracy_interval"] == pytest.approx([0.300, 0.903], abs=5e-4)


def test_loss_is_the_mean_cross_entropy():
    """The loss is the mean of minus the logarithm of the true class's probability."""
    expected = -np.log(PROBABILITIES[np.arange(6), LABELS]).mean()
    assert brief_metrics(LABELS, PROBABILITIES)["loss"] == pytest.approx(expected)


def test_confusion_matrix_has_true_classes_in_rows():
    """Row a, column b counts the a's that were taken for b."""
    metrics = classification_metrics(LABELS, PROBABILITIES, NAMES)
    assert metrics["confusion_matrix"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert metrics["per_class"]["a"] == {
        "precision": 1.0,
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx(0.8),
        "support": 3,
    }


def test_absent_class_does_not_lower_the_averages():
    """A class that no example has is left out of the macro averages instead of counting as zero."""
    metrics = classification_metrics(LABELS[:3], PROBABILITIES[:3], NAMES)
    assert metrics["recall_macro"] == pytest.approx(2 / 3)


def test_calibration_error_by_hand():
    """Two bins of confidence: three answers at 0.9 all wrong and one at 0.5 right give (3 x 0.9 + 0.5) / 4."""
    probabilities = np.array([[0.9, 0.1]] * 3 + [[0.5, 0.5]])
    assert calibration_error(np.array([1, 1, 1, 0]), probabilities) == pytest.approx((3 * 0.9 + 0.5) / 4)


def test_sure_and_right_is_calibrated():
    """Probability 1 for the right class has no calibration error, though it falls on the last bin's edge."""
    assert calibration_error(np.array([0, 1]), np.eye(2)) == 0


def test_baseline_answers_the_training_sets_majority():
    """The majority is that of the training labels, judged on the others."""
    assert majority_baseline(np.array([1, 1, 0]), np.array([0, 0, 0, 1]))["accuracy"] == 0.25


def test_most_confused_pairs_come_first():
    """Pairs off the diagonal are sorted by count, zeros left out."""
    pairs = most_confused([[5, 1, 0], [3, 5, 0], [0, 0, 9]], NAMES)
    assert pairs == [
        {"label": "b", "predicted": "a", "count": 3},
        {"label": "a", "predicted": "b", "count": 1},
    ]
