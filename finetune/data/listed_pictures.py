"""A CSV file that lists pictures becomes Examples: a column of paths, and beside it what each picture shows."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.config import FinetuneConfig
from finetune.data.columns import Table, require_column
from finetune.data.examples import Examples, Skipped, printable
from finetune.data.listed_columns import read_columns_of_labels, refuse_one_hot, target_columns
from finetune.data.listed_labels import Labels, read_labels
from finetune.data.picture_paths import path_fault
from finetune.data.table_file import table_limits
from finetune.data.table_head import read_head
from finetune.data.table_reading import read_table
from finetune.data.table_source import TARGET_NAMES, group_texts, reading, sides_of, weights_of
from finetune.decide import Decision
from zoo.errors import DataError

_TARGET_NAMES = (*TARGET_NAMES, "labels", "tags")
_LISTED = 5


@dataclass(frozen=True)
class _Row:
    """One line of the file that is used."""

    index: int
    file: str


def scan_list(config: FinetuneConfig, column: str, *, judged: bool = False) -> tuple[Examples, list[Decision]]:
    """Return the pictures that a CSV file lists, and what was decided on the way.

    Paths are relative to the folder of the CSV file. A picture that is not there is skipped with its line.

    Args:
        config: target, task, label_separator, group, side and sample_weight are taken from it.
        column: that holds the paths.
        judged: nothing is learned from the pictures, so that one class, label or number is enough.

    Raises:
        DataError: the file cannot be read, a picture is listed with two labels, or a class has no picture.
        ConfigError: the config contradicts itself.
    """
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    target, decisions = _target(config, column)
    several = target_columns(target, head.names)
    roles = dict.fromkeys(name for name in (column, *(several or (target,)), config.group, config.side) if name)
    for name in (*roles, *filter(None, [config.sample_weight])):
        require_column(head, name)
    used = {*roles, config.sample_weight}
    others = [name for name in head.names if name and name not in used]
    table = read_table(config.data, text=roles, ignore=others, **reading(config))
    if several:
        labels = read_columns_of_labels(config, table, target, several)
    else:
        labels = read_labels(config, table, target, judged=judged)
    rows, skipped, left_out = _usable_rows(table, column, labels, config)
    examples = _examples(config, table, labels, rows)
    _check_classes(table, labels, examples, skipped, judged=judged)
    notes = [*table.notes, *labels.notes]
    if others:
        notes.append(f"columns that are not used: {', '.join(map(printable, others))}")
    said = {"skipped": tuple(skipped), "left_out": tuple(left_out), "notes": tuple(notes), "findings": labels.findings}
    return Examples(**examples, **said), [*decisions, *labels.decisions]


def _target(config: FinetuneConfig, column: str) -> tuple[str, list[Decision]]:
    if config.target is not None:
        return config.target, []
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    taken = (column, config.group, config.side, config.sample_weight, *config.ignore)
    names = [name for name in head.names if name and name not in taken]
    if not names:
        raise DataError(
            f"{printable(config.data)}: beside the paths in {column!r} a column is needed that says what each picture "
            f"shows; the columns are {', '.join(map(repr, head.names))}."
        )
    named = next((name for name in names if name.lower() in _TARGET_NAMES), None)
    if not named:
        refuse_one_hot(config, head, names)
    return named or names[-1], [
        Decision("target", named or names[-1], "its name says so" if named else "the last column")
    ]


def _usable_rows(
    table: Table, column: str, labels: Labels, config: FinetuneConfig
) -> tuple[list[_Row], list[Skipped], list[Skipped]]:
    """Return the rows whose picture is there and labelled, once each; then what is skipped, and what is left out."""
    cells, codes = table.columns[column].categories, table.columns[column].values.tolist()
    paths = [cell.strip() if "://" in cell else os.path.normpath(cell.strip()) for cell in cells]
    faults = [path_fault(table.path, path) for path in paths]
    rows, skipped, left_out = [], [], []
    first: dict[str, int] = {}
    for index, code in enumerate(codes):
        line = f"line {table.lines[index]}"
        if code < 0:
            skipped.append(Skipped(line, "no path"))
        elif faults[code]:
            skipped.append(Skipped(paths[code], f"{line}: {faults[code]}"))
        elif labels.values[index] is None:
            skipped.append(Skipped(paths[code], f"{line}: no label in the column {labels.column!r}"))
        elif paths[code] in first:
            _refuse_contradiction(table, paths[code], (first[paths[code]], index), labels, config)
            left_out.append(Skipped(paths[code], f"{line}: listed before in line {table.lines[first[paths[code]]]}"))
        else:
            first[paths[code]] = index
            rows.append(_Row(index, paths[code]))
    if not rows:
        reasons = "; ".join(f"{item.file}: {item.reason}" for item in skipped[:_LISTED])
        raise DataError(f"{printable(table.path)}: no picture can be used: {printable(reasons)}")
    return rows, skipped, left_out


def _examples(config: FinetuneConfig, table: Table, labels: Labels, rows: Sequence[_Row]) -> dict[str, object]:
    """Return the fields of Examples that have an entry for each picture, and its names."""
    kept = [row.index for row in rows]

    def of(values: Sequence) -> tuple:
        return tuple(values[index] for index in kept) if values is not None and len(values) else ()

    root = os.path.abspath(table.path)
    weights = weights_of(table, config.sample_weight)
    return {
        "root": root,
        "folder": os.path.dirname(root),
        "files": tuple(row.file for row in rows),
        "labels": of(labels.values),
        "class_names": labels.names,
        "given_splits": of(sides_of(table, config.side)),
        "groups": of(group_texts(table, config.group)),
        "weights": of(weights.tolist() if weights is not None else ()),
        "task": labels.task,
    }


def _check_classes(table: Table, labels: Labels, examples: dict, skipped: Sequence[Skipped], *, judged: bool) -> None:
    """Refuse names without a picture, and names that are only on sides from which nothing is learned."""
    if labels.task == "regression":
        return
    used, trained = Counter(), set()
    sides = examples["given_splits"] or ("train",) * len(examples["files"])
    for label, side in zip(examples["labels"], sides, strict=True):
        several = label if labels.task == "multi_label" else (label,)
        used.update(several)
        trained.update(several if side == "train" else ())
    name = printable(table.path)
    empty = [labels.names[label] for label in range(len(labels.names)) if not used[label]]
    if empty:
        reasons = "; ".join(f"{item.file}: {item.reason}" for item in skipped[:_LISTED])
        raise DataError(
            f"{name}: no usable picture is left of {_listed(empty)} ({printable(reasons)}). Mend or remove these rows."
        )
    unknown = [labels.names[label] for label in sorted(used.keys() - trained)]
    # that nothing at all is to be learned from is said where the sides are dealt
    if unknown and trained and not judged:
        raise DataError(
            f"{name}: only in validation or test, where it cannot be learned: {_listed(unknown)}. Give some of its "
            f"pictures to train, or take its rows out."
        )


def _refuse_contradiction(
    table: Table, path: str, rows: tuple[int, int], labels: Labels, config: FinetuneConfig
) -> None:
    lines = " and ".join(str(table.lines[row]) for row in rows)
    where = f"{printable(table.path)}: {printable(path)} is listed in lines {lines}"
    if len({labels.values[row] for row in rows}) > 1:
        said = " and ".join(repr(labels.shown(row)) for row in rows)
        more = "" if labels.task == "multi_label" else " Several labels of one picture go into one cell: a|b."
        raise DataError(f"{where} with the labels {said}; one picture has one. Remove a line.{more}")
    for name in filter(None, (config.group, config.side, config.sample_weight)):
        values = table.columns[name].values
        if values[rows[0]] != values[rows[1]]:
            raise DataError(f"{where} with two values in the column {name!r}. Remove a line.")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return f"{', '.join(map(repr, names[:_LISTED]))}{more}"
