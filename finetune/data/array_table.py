"""Arrays of rows become a table of columns, which goes the way of a CSV file."""

import hashlib
from collections.abc import Collection

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.array_targets import array_target
from finetune.data.arrays import Arrays
from finetune.data.columns import Column, Table
from finetune.data.pixels import digest_of
from zoo.errors import ConfigError, DataError

SIDE = "side"
_WHICH = "which array a row is in"


def array_table(
    config: FinetuneConfig, arrays: Arrays, *, only: Collection[str] | None = None
) -> tuple[Table, str, str]:
    """Return the rows of arrays as a table, the name of its target, and why that is the target.

    A column `side` says where each row belongs; `Table.lines` are places in the arrays, counted from 0.

    Args:
        config: says the task.
        arrays: of rows and targets.
        only: features that a run takes of rows that it judges, which may be of one class; None for all, to learn.

    Raises:
        DataError: the targets are of no use, or there are several.
        ConfigError: the config names a column that is not there.
    """
    for name in ("target", "group", "sample_weight", "path"):
        value = getattr(config, name)
        if value and value not in (arrays.target_name,):
            raise ConfigError(f"{name}={value}: {arrays.root} has arrays without such a column")
    target = array_target(config, arrays, judged=only is not None)
    if target.task != "classification" and len(target.names) > 1:
        raise DataError(
            f"{arrays.root}: targets with {len(target.names)} numbers a row; rows take one. Give one column of y"
        )
    columns = input_columns(arrays, only)
    name = arrays.target_name
    if name in columns or SIDE in columns:
        raise DataError(f"{arrays.root}: a feature is called {name!r} or {SIDE!r}, as the target and the sides are")
    if target.task == "classification":
        order = np.argsort(np.array(target.names, object))
        codes = np.argsort(order)[target.values].astype("int32")
        columns[name] = Column(name, "categorical", codes, tuple(target.names[at] for at in order), target.why, True)
    else:
        columns[name] = Column(name, "numeric", target.values[:, 0], (), target.why, True)
    sides = np.array(arrays.sides or ("train",) * len(arrays), object)
    known, codes = np.unique(sides.astype(str), return_inverse=True)
    columns[SIDE] = Column(SIDE, "categorical", codes.astype("int32"), tuple(known.tolist()), _WHICH, True)
    digest = hashlib.sha256(b"".join(digest_of(array) for part in arrays.parts for array in (part.x, part.y)))
    notes = (*arrays.notes, "lines are places in the arrays, counted from 0")
    table = Table(arrays.root, columns, np.arange(len(arrays)), ",", ".", notes=notes, sha256=digest.hexdigest())
    return table, name, "the arrays' own"


def has_sides(table: Table) -> bool:
    """Whether a table was made of arrays here, and so says itself where each row belongs."""
    return SIDE in table.columns and table.columns[SIDE].why == _WHICH


def task_of_arrays(table: Table, target: str) -> tuple[str, str]:
    """Return the task of a table that was made of arrays, and what it was taken by."""
    column = table.columns[target]
    return ("regression" if column.kind == "numeric" else "classification"), column.why


def require_width(arrays: Arrays, width: int) -> None:
    """Refuse rows of another length than those that a run learned from.

    Raises:
        DataError: they are, or the arrays hold no rows.
    """
    x = arrays.parts[0].x
    if x.ndim > 2:
        raise DataError(f"{arrays.root}: inputs of shape {x.shape}; this run takes rows (n, {width})")
    count = x.shape[1] if x.ndim == 2 else 1
    if count != width:
        hint = ". For a single row: give x[None]" if x.ndim == 1 and len(x) == width else ""
        raise DataError(
            f"{arrays.root}: rows of {count:,} number{'s' if count > 1 else ''}; this run learned from rows of "
            f"{width:,}{hint}"
        )


def input_columns(arrays: Arrays, only: Collection[str] | None = None) -> dict[str, Column]:
    """Return the features of rows as columns of numbers, called x0, x1 … where the source gives no names.

    Args:
        arrays: of rows.
        only: names of the features to return; None for all.

    Raises:
        DataError: the rows are no numbers.
    """
    x = np.concatenate([part.x.reshape(len(part.x), -1) for part in arrays.parts])
    if x.dtype.kind not in "biuf":
        raise DataError(f"{arrays.root}: rows of {x.dtype}; expected are numbers")
    x = x.astype("float64")
    names = arrays.column_names if len(arrays.column_names) == x.shape[1] else [f"x{at}" for at in range(x.shape[1])]
    taken = [at for at, name in enumerate(names) if only is None or name in only]
    odd = np.isinf(x[:, taken]).any(axis=1)
    if odd.any():
        raise DataError(f"{arrays.root}: {arrays.names[int(odd.argmax())]} holds an infinite number")
    return {names[at]: Column(names[at], "numeric", x[:, at], (), "numbers", False) for at in taken}
