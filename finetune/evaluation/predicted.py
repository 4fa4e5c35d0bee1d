"""predictions.csv: what was answered for each test example, beside what is true."""

from collections.abc import Sequence

import numpy as np

from finetune.data.targets import Target
from finetune.evaluation.labels import THRESHOLD


def predicted_rows(
    target: Target, outputs: np.ndarray, examples: Sequence[str], indices: Sequence[int]
) -> list[dict[str, object]]:
    """Return a row for each of some examples.

    Args:
        target: of all examples.
        outputs: (n, outputs) of all examples.
        examples: what identifies each of the chosen: a file, a line, a moment.
        indices: which are chosen.

    Returns:
        "example", then for classes "true", "predicted" and "probability"; for labels and numbers each name and
        "NAME predicted".
    """
    pairs = list(zip(examples, indices, strict=True))
    if target.task == "classification":
        return [_class_row(target, outputs[index], example, index) for example, index in pairs]
    values, answers = target.values, outputs
    if target.task == "multi_label":
        values, answers = values.astype(int), (outputs >= THRESHOLD).astype(int)
    return [
        {"example": example}
        | {
            key: value.item()
            for name, true, answer in zip(target.names, values[index], answers[index], strict=True)
            for key, value in ((name, true), (f"{name} predicted", answer))
        }
        for example, index in pairs
    ]


def _class_row(target: Target, outputs: np.ndarray, example: str, index: int) -> dict[str, object]:
    best = int(outputs.argmax())
    true, predicted = target.names[target.values[index]], target.names[best]
    return {"example": example, "true": true, "predicted": predicted, "probability": round(float(outputs[best]), 6)}
