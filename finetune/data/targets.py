"""Targets: what is to be predicted for each example, as arrays that losses and metrics take."""

from dataclasses import dataclass

import numpy as np

from finetune.data.examples import Examples


@dataclass(frozen=True)
class Target:
    """What is to be predicted.

    Attributes:
        task: one of `finetune.tasks.TASKS`.
        values: classification: (n,) int32, index of the class; multi_label: (n, labels) float32 of 0 and 1; regression
            and forecasting: (n, outputs) float64 in their own units.
        names: of the classes, labels or outputs, as the user wrote them.
    """

    task: str
    values: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def shown(self) -> list[str]:
        """Return for each example what is true of it, in words."""
        if self.task == "classification":
            return [self.names[value] for value in self.values]
        if self.task == "multi_label":
            return [", ".join(n for n, given in zip(self.names, row, strict=True) if given) for row in self.values]
        return [", ".join(f"{value:g}" for value in row) for row in self.values]


def picture_target(examples: Examples) -> Target:
    """Return the target of labelled pictures."""
    if examples.task == "classification":
        return Target("classification", np.array(examples.labels, "int32"), examples.class_names)
    if examples.task == "regression":
        return Target(
            "regression", np.array(examples.labels, "float64").reshape(len(examples), -1), examples.class_names
        )
    values = np.zeros((len(examples), len(examples.class_names)), "float32")
    for row, labels in enumerate(examples.labels):
        values[row, list(labels)] = 1
    return Target("multi_label", values, examples.class_names)
