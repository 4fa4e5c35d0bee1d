"""What the targets of arrays mean: classes, several labels, or numbers."""

from dataclasses import dataclass

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.arrays import Arrays
from finetune.data.columns import MOST_NUMBER, say_large
from zoo.errors import ConfigError, DataError

# Different numbers are taken for classes where there are no more of them, and so many examples of each.
_MOST_CLASSES, _EXAMPLES_A_CLASS = 20, 10
_MOST_NUMBERED = 10_000


@dataclass(frozen=True)
class ArrayTarget:
    """The target of arrays.

    Attributes:
        task: "classification", "multi_label" or "regression".
        values: classification: (n,) int indices into `names`; otherwise (n, outputs), 0 and 1 or numbers.
        names: of the classes, labels or outputs.
        why: what the task was taken by; empty where the config says it.
    """

    task: str
    values: np.ndarray
    names: tuple[str, ...]
    why: str


def array_target(config: FinetuneConfig, arrays: Arrays, *, judged: bool = False) -> ArrayTarget:
    """Return what the targets mean.

    Texts, and whole numbers that count from 0, are classes; rows of 0 and 1 are one-hot classes where each has a single
    1, and labels otherwise; all else is numbers. `task` says it otherwise.

    Args:
        config: the task is taken from it.
        arrays: with targets.
        judged: nothing is learned from them, so that one class is enough.

    Raises:
        DataError: there is no target, or it cannot be what it is to be.
        ConfigError: the task goes with no arrays.
    """
    if config.task == "forecasting":
        raise ConfigError("task forecasting needs a CSV file with a column of times; these are arrays")
    if any(part.y is None for part in arrays.parts):
        raise DataError(f"{arrays.root}: there are no targets; expected is an array y beside x")
    y = arrays.y
    _check_values(arrays, y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim > 2:
        raise DataError(f"{arrays.root}: targets of shape {y.shape}; expected are (n,) or (n, outputs)")
    task, why = _task(config, arrays, y)
    if task == "classification":
        values, names = _classes(arrays, y)
        if len(names) < 2 and not judged:
            raise DataError(f"{arrays.root}: all targets are the same; at least two classes are needed")
        return ArrayTarget(task, values, names, why)
    if y.dtype.kind not in "biuf":
        raise DataError(f"{arrays.root}: the targets are texts; the task {task} needs numbers")
    rows = (y if y.ndim == 2 else y[:, None]).astype("float64")
    _check_sizes(arrays, rows)
    if task == "multi_label" and not np.isin(rows, (0, 1)).all():
        raise DataError(f"{arrays.root}: the targets of task multi_label must be rows of 0 and 1")
    count = rows.shape[1]
    known = arrays.class_names if len(arrays.class_names) == count else ()
    base = arrays.target_name
    return ArrayTarget(task, rows, known or ((base,) if count == 1 else tuple(f"{base}{i}" for i in range(count))), why)


def _check_values(arrays: Arrays, y: np.ndarray) -> None:
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError(f"{arrays.root}: {_where(arrays, ~np.isfinite(y))} is no number; leave that example out")
    blank = np.char.strip(y) == np.array("", y.dtype) if y.dtype.kind in "US" else np.zeros(len(y), bool)
    if blank.any():
        raise DataError(f"{arrays.root}: {_where(arrays, blank)} is blank; name its class, or leave that example out")


def _check_sizes(arrays: Arrays, rows: np.ndarray) -> None:
    large = np.abs(rows).max(axis=1, initial=0) > MOST_NUMBER
    if large.any():
        value = max(rows[large.argmax()], key=abs)
        raise DataError(say_large(f"{arrays.root}: {_where(arrays, large)}", value))


def _task(config: FinetuneConfig, arrays: Arrays, y: np.ndarray) -> tuple[str, str]:
    if config.task != "auto":
        return config.task, ""
    if y.dtype.kind in "USb":
        return "classification", "the targets are texts" if y.dtype.kind != "b" else "the targets are true and false"
    if y.ndim == 2:
        if not np.isin(y, (0, 1)).all():
            return "regression", f"{y.shape[1]} numbers an example"
        single = bool((y.sum(axis=1) == 1).all())
        return ("classification", "one-hot rows") if single else ("multi_label", "rows of 0 and 1, not one 1 in each")
    if arrays.class_names:
        return "classification", "the classes have names"
    found = np.unique(y)
    whole = np.array_equal(found, np.round(found))
    counted = y.dtype.kind in "iu" and whole and found[0] == 0 and found[-1] == len(found) - 1
    few = len(found) <= _MOST_CLASSES and len(y) >= _EXAMPLES_A_CLASS * len(found)
    if whole and (few or (counted and len(y) >= 2 * len(found) and len(found) <= _MOST_NUMBERED)):
        return "classification", f"{len(found)} different whole numbers; task=regression for numbers"
    return "regression", f"{len(found):,} different numbers; task=classification for classes"


def _classes(arrays: Arrays, y: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    if y.ndim == 2:
        if not (np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all()):
            raise DataError(f"{arrays.root}: targets of shape {y.shape} for classes must be one-hot rows, or (n,)")
        names = arrays.class_names or tuple(map(str, range(y.shape[1])))
        y = y.argmax(axis=1)
        return _named(arrays, y, names)
    if y.dtype.kind in "iu" and arrays.class_names:
        return _named(arrays, y, arrays.class_names)
    found, values = np.unique(y, return_inverse=True)
    if y.dtype.kind == "S":
        found = np.char.decode(found, "utf-8", "backslashreplace")
    names = tuple(f"{value:g}" if y.dtype.kind == "f" else str(value) for value in found.tolist())
    return values.astype("int32"), names


def _named(arrays: Arrays, y: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    outside = (y < 0) | (y >= len(names))
    if outside.any():
        value = y[outside.argmax()]
        raise DataError(f"{arrays.root}: {_where(arrays, outside)} is {value}, but {len(names)} classes have names")
    used = np.unique(y)
    # classes that no example has are left out, as class folders without pictures are
    return np.searchsorted(used, y).astype("int32"), tuple(names[number] for number in used)


def _where(arrays: Arrays, faults: np.ndarray) -> str:
    """Return the name of the first target with a fault."""
    index = int(faults.reshape(len(faults), -1).any(axis=1).argmax())
    return f"the target of {arrays.names[index]}"
