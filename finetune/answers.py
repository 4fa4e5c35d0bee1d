"""Predictions: what a run answers for one example."""

from dataclasses import asdict, dataclass

import numpy as np

from finetune.evaluation.labels import THRESHOLD


@dataclass(frozen=True)
class Prediction:
    """The answer for one example; fields that do not go with the task are None.

    Attributes:
        file: path as it was given, printable.
        row: which part of the file it is about, such as "line 5"; None for a file that is one example.
        class_name: the most probable class.
        probability: of that class.
        probabilities: of every class or label by name.
        labels: names of the labels that are given, for tasks with several.
        values: predicted numbers by name, in the target's units.
        error: why the example could not be read.
    """

    file: str
    row: str | None = None
    class_name: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    labels: tuple[str, ...] | None = None
    values: dict[str, float] | None = None
    error: str | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields that say something: the answer, or the error."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def as_text(self) -> str:
        """Return the answer on one line, its parts between tabs."""
        place = f"{self.file}\t{self.row}" if self.row else self.file
        if self.class_name is not None:
            return f"{place}\t{self.class_name}\t{self.probability:.4f}"
        if self.labels is not None:
            return f"{place}\t{', '.join(self.labels) or '-'}"
        return "\t".join([place, *map(_digits, self.values.values())])


def _digits(value: float) -> str:
    """Return a number with 6 digits, and a large one with 3 behind the point."""
    return f"{value:.6g}" if abs(value) < 1e5 or abs(value) > 1e15 else f"{value:.3f}".rstrip("0").rstrip(".")


def answer(task: str, names: tuple[str, ...], outputs: np.ndarray, *, file: str, row: str | None = None) -> Prediction:
    """Return the prediction that a model's outputs (outputs,) mean."""
    by_name = {name: float(value) for name, value in zip(names, outputs, strict=True)}
    if task == "classification":
        best = int(outputs.argmax())
        return Prediction(file, row, names[best], float(outputs[best]), by_name)
    if task == "multi_label":
        given = tuple(name for name, value in by_name.items() if value >= THRESHOLD)
        return Prediction(file, row, probabilities=by_name, labels=given)
    return Prediction(file, row, values=by_name)
