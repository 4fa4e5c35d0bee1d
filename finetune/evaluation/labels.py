"""How good answers are where an example may carry several labels or none."""

import numpy as np
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support

# A label is given when its probability reaches this.
THRESHOLD = 0.5


def brief_metrics(values: np.ndarray, probabilities: np.ndarray) -> dict[str, object]:
    """Return loss, the share of right labels and of examples whose labels are all right.

    Args:
        values: (n, labels) of 0 and 1.
        probabilities: (n, labels) in [0, 1].

    Returns:
        num_examples; loss (mean binary cross-entropy over labels); accuracy (share of labels that are right);
        exact_match (share of examples without a wrong label); f1_macro over the labels.
    """
    given = probabilities >= THRESHOLD
    losses = [log_loss(values[:, at], probabilities[:, at], labels=[0, 1]) for at in range(values.shape[1])]
    return {
        "num_examples": len(values),
        "loss": float(np.mean(losses)),
        "accuracy": float((given == values).mean()),
        "exact_match": float((given == values).all(axis=1).mean()),
        "f1_macro": float(f1_score(values, given, average="macro", zero_division=0)),
    }


def label_metrics(values: np.ndarray, probabilities: np.ndarray, names: tuple[str, ...]) -> dict[str, object]:
    """Return `brief_metrics`, F1 over all answers together, and precision, recall, F1 and support of each label.

    Args:
        values: (n, labels) of 0 and 1.
        probabilities: (n, labels) in [0, 1].
        names: of the labels.
    """
    given = probabilities >= THRESHOLD
    scores = precision_recall_fscore_support(values, given, average=None, zero_division=0)
    return {
        **brief_metrics(values, probabilities),
        "f1_micro": float(f1_score(values, given, average="micro", zero_division=0)),
        "per_class": {
            name: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
            for name, p, r, f, n in zip(names, *scores, strict=True)
        },
    }


def majority_baseline(train: np.ndarray, values: np.ndarray) -> dict[str, object]:
    """Return how often it is right to answer for each label what most training examples say."""
    most = train.mean(axis=0) >= THRESHOLD
    right = values == most
    return {
        "name": "majority of each label",
        "accuracy": float(right.mean()),
        "exact_match": float(right.all(axis=1).mean()),
    }
