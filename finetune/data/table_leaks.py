"""Whether a column says the same as the target, so that a model would only have to copy it."""

import numpy as np

from finetune.data.columns import Column

# Numbers that follow the target this closely are the target in another unit.
MIN_CORRELATION = 0.999999

# Looked at first: a column with more different values than classes in these rows copies no classes.
_SAMPLE = 4096


def is_copy(column: Column, target: Column) -> bool:
    """Say whether a column can be turned into the target value by value, and back.

    Categories: each goes with one class and each class with one category. Numbers against a numeric target: equal, or
    equal after scaling and shifting. A target with a different value in nearly every row is no copy of anything but
    numbers, because every name of rows would go with it.

    Args:
        column: a feature.
        target: the column to learn, without blanks.
    """
    if column.kind == target.kind == "numeric":
        return _is_linear(column.values, target.values)
    if column.blank.any():
        return False
    return _is_one_to_one(column.values, target.values)


def _is_linear(values: np.ndarray, target: np.ndarray) -> bool:
    known = ~np.isnan(values)
    # With a few blanks the column is a copy all the same.
    if np.count_nonzero(known) < max(3, 0.5 * len(values)):
        return False
    values, target = values[known], target[known]
    values, target = _standard(values), _standard(target)
    return values is not None and target is not None and abs(float(np.mean(values * target))) > MIN_CORRELATION


def _standard(values: np.ndarray) -> np.ndarray | None:
    """Return values with mean 0 and deviation 1; None where they are all the same."""
    scale = np.abs(values).max()
    if not scale:
        return None
    values = values / scale
    values = values - values.mean()
    deviation = values.std()
    return values / deviation if deviation > 1e-12 else None


def _is_one_to_one(values: np.ndarray, target: np.ndarray) -> bool:
    num_classes = len(np.unique(target))
    if num_classes > len(target) / 2 or len(np.unique(values[:_SAMPLE])) > num_classes:
        return False
    values, value_of = np.unique(values, return_inverse=True)
    if len(values) != num_classes:
        return False
    classes, class_of = np.unique(target, return_inverse=True)
    pairs = np.unique(value_of.astype(np.int64) * num_classes + class_of)
    return len(pairs) == num_classes
