"""How good a classifier is: measured with scikit-learn, with the interval that the number of pictures allows."""

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

# Equal-width bins of confidence for the calibration error, as in Guo et al. (https://arxiv.org/abs/1706.04599).
_ECE_BINS = 15
_CONFIDENCE = 0.95


def brief_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, object]:
    """Return loss, accuracy and its 95 % Wilson interval.

    Args:
        labels: (n,) int, index of the true class.
        probabilities: (n, classes) float in [0, 1].
    """
    correct = int((probabilities.argmax(axis=1) == labels).sum())
    interval = binomtest(correct, len(labels)).proportion_ci(_CONFIDENCE, method="wilson")
    return {
        "num_examples": len(labels),
        "loss": float(log_loss(labels, probabilities, labels=np.arange(probabilities.shape[1]))),
        "accuracy": correct / len(labels),
        "accuracy_interval": [float(interval.low), float(interval.high)],
    }


def classification_metrics(
    labels: np.ndarray, probabilities: np.ndarray, class_names: tuple[str, ...]
) -> dict[str, object]:
    """Return everything that a report says of a classifier on one set of examples.

    Args:
        labels: (n,) int, index of the true class.
        probabilities: (n, classes) float in [0, 1].
        class_names: a name for each class.

    Returns:
        `brief_metrics`, macro averages of precision, recall and F1 over the classes that occur, the expected
        calibration error, the same three and the support for each class, and the confusion matrix (rows are true).
    """
    classes = np.arange(len(class_names))
    predicted = probabilities.argmax(axis=1)
    scores = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0)
    occurs = scores[3] > 0
    return {
        **brief_metrics(labels, probabilities),
        "precision_macro": float(scores[0][occurs].mean()),
        "recall_macro": float(scores[1][occurs].mean()),
        "f1_macro": float(scores[2][occurs].mean()),
        "ece": calibration_error(labels, probabilities),
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in zip(class_names, *scores, strict=True)
        },
        "confusion_matrix": confusion_matrix(labels, predicted, labels=classes).tolist(),
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy, weighted over 15 bins."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _ECE_BINS).astype(int), _ECE_BINS - 1)
    gaps = np.bincount(bins, correct - confidence, minlength=_ECE_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def majority_baseline(train_labels: np.ndarray, labels: np.ndarray) -> dict[str, object]:
    """Return the accuracy of always answering the class that the training set has most of."""
    majority = np.bincount(train_labels).argmax()
    return {"name": "majority class", "accuracy": float((labels == majority).mean())}


def most_confused(matrix: list[list[int]], class_names: tuple[str, ...], *, most: int = 5) -> list[dict[str, object]]:
    """Return the pairs (true, predicted) that are confused most often, the most frequent first."""
    pairs = [
        {"label": class_names[row], "predicted": class_names[column], "count": count}
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    return sorted(pairs, key=lambda pair: -pair["count"])[:most]
