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


def array_examples(config: FinetuneConfig, arrays: Arrays) -> tuple[Examples, list[Decision]]:
    """Return the pictures of arrays, and what was decided on the way.

    Raises:
        DataError: the values are not those of pictures, or the targets are of no use.
        ConfigError: a setting needs a CSV file.
    """
    refuse_columns(config, arrays)
    notes = [*arrays.notes]
    for part in arrays.parts:
        if part.x.dtype == np.uint16:
            if part.x.max() <= 255:
                raise DataError(
                    f"{arrays.root}: {part.name} holds 16-bit numbers of at most {part.x.max()}, nearly black as "
                    f"16-bit pictures; give x.astype('uint8')"
                )
            notes.append(f"{part.name}: of 16-bit numbers the high byte is taken, as of 16-bit files")
        else:
            refuse_errors(array_findings(part.x), strict=False)
        if part.x.dtype.kind == "f":
            notes.append(f"{part.name}: fractional numbers in [0, 255] are rounded")
    target = array_target(config, arrays)
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
