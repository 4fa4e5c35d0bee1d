"""Arrays of pictures become Examples, which go the way of files."""

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.array_checks import array_findings
from finetune.data.array_targets import ArrayTarget, array_target
from finetune.data.arrays import ArrayPixels, Arrays
from finetune.data.examples import Examples
from finetune.data.findings import refuse_errors
from finetune.data.table_checks import similar_labels
from finetune.data.table_source import as_findings
from finetune.decide import Decision
from zoo.errors import ConfigError, DataError

# What columns of a CSV file say, and arrays have not.
_COLUMNS = ("path", "label_separator", "target", "group", "side", "sample_weight")


def array_examples(config: FinetuneConfig, arrays: Arrays, *, judged: bool = False) -> tuple[Examples, list[Decision]]:
    """Return the pictures of arrays, and what was decided on the way.

    Args:
        config: the task is taken from it.
        arrays: pictures by their shape.
        judged: nothing is learned from them, so that one class is enough.

    Raises:
        DataError: the values are not those of pictures, or the targets are of no use.
        ConfigError: a setting needs a CSV file.
    """
    refuse_columns(config, arrays)
    notes = [*arrays.notes]
    for part in arrays.parts:
        notes += check_pixels(arrays.root, part.name, part.x, few=judged)
    target = array_target(config, arrays, judged=judged)
    # whoever wrote "Cat" and "cat" may have meant one class
    labels = target.names if target.task != "regression" else ()
    findings = as_findings(similar_labels(arrays.root, arrays.target_name, labels))
    examples = Examples(
        root=arrays.root,
        files=arrays.names,
        labels=_labels(target),
        class_names=target.names,
        given_splits=arrays.sides,
        notes=tuple(notes),
        task=target.task,
        pixels=ArrayPixels(arrays),
        findings=findings,
    )
    return examples, [Decision("task", target.task, target.why)] if target.why else []


def check_pixels(root: str, name: str, pictures: np.ndarray, *, few: bool = False) -> list[str]:
    """Refuse an array whose values are not those of pictures, and return how they are taken.

    Args:
        root: of the arrays, for messages.
        name: of the array.
        pictures: (n, ...), as `kind_of` takes for pictures.
        few: pictures that are only to be answered, which may well be black.

    Raises:
        DataError: the values are scaled, out of [0, 255], or not finite.
    """
    if pictures.dtype == np.uint16:
        if pictures.size and (not few or pictures.any()) and pictures.max() <= 255:
            raise DataError(
                f"{root}: {name} holds 16-bit numbers of at most {pictures.max()}, nearly black as 16-bit pictures; "
                f"give x.astype('uint8')"
            )
        return [f"{name}: of 16-bit numbers the high byte is taken, as of 16-bit files"]
    try:
        refuse_errors(array_findings(pictures, few=few), strict=False)
    except DataError as error:
        raise DataError(f"{root}: {error}") from None
    return [f"{name}: fractional numbers in [0, 255] are rounded"] if pictures.dtype.kind == "f" else []


def refuse_columns(config: FinetuneConfig, arrays: Arrays) -> None:
    """Refuse settings that name columns.

    Raises:
        ConfigError: there is one.
    """
    for name in _COLUMNS:
        if getattr(config, name):
            raise ConfigError(f"{name} goes with a CSV file; {arrays.root} has arrays")


def _labels(target: ArrayTarget) -> tuple:
    if target.task == "classification":
        return tuple(target.values.tolist())
    if target.task == "multi_label":
        return tuple(tuple(np.flatnonzero(row).tolist()) for row in target.values)
    return tuple(row[0] if len(row) == 1 else tuple(row) for row in target.values.tolist())
