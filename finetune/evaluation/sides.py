"""metrics.json: train and validation in brief, the test side in full beside what needs no model; by task."""

from collections.abc import Mapping

import numpy as np

from finetune.data.targets import Target
from finetune.evaluation import evaluate, labels, numbers


def evaluate_sides(
    target: Target,
    outputs: np.ndarray,
    sides: Mapping[str, np.ndarray],
    guesses: Mapping[str, np.ndarray] | None = None,
    tested: np.ndarray | None = None,
) -> dict[str, object]:
    """Return metrics.json without times.

    Args:
        target: of all examples.
        outputs: (n, outputs) of all examples: probabilities, or numbers in the target's units.
        sides: indices of "train", "validation" and "test".
        guesses: for numbers, rules without a model by name with their answers (n, outputs).
        tested: (n, outputs) by which the test side is judged, where that is not `outputs`.
    """
    briefly = {
        side: brief_metrics(target.task, target.values[sides[side]], outputs[sides[side]])
        for side in ("train", "validation")
    }
    test, train = target.values[sides["test"]], target.values[sides["train"]]
    full = full_metrics(target.task, test, (outputs if tested is None else tested)[sides["test"]], target.names)
    metrics = {"task": target.task, **briefly, "test": full}
    if target.task == "classification":
        metrics["baseline"] = evaluate.majority_baseline(train, test)
        metrics["most_confused"] = evaluate.most_confused(full["confusion_matrix"], target.names)
    elif target.task == "multi_label":
        metrics["baseline"] = labels.majority_baseline(train, test)
    else:
        rules = {name: guess[sides["test"]] for name, guess in (guesses or {}).items()}
        found = numbers.baselines(test, rules or {"mean of training": train.mean(axis=0)})
        metrics |= {"baseline": found[0], "baselines": found}
    return metrics


def full_metrics(task: str, values: np.ndarray, outputs: np.ndarray, names: tuple[str, ...]) -> dict[str, object]:
    """Return everything that is said of one set of examples."""
    if task == "classification":
        return evaluate.classification_metrics(values, outputs, names)
    if task == "multi_label":
        return labels.label_metrics(values, outputs, names)
    return numbers.number_metrics(values, outputs, names)


def brief_metrics(task: str, values: np.ndarray, outputs: np.ndarray) -> dict[str, object]:
    """Return the few scores that are said of every side."""
    module = {"classification": evaluate, "multi_label": labels}.get(task, numbers)
    return module.brief_metrics(values, outputs)
