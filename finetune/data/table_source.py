"""A CSV file as a config means it: which column is the target, what the others are for, what the checks say."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.columns import Column, LeftOut, Table, as_numbers, looks_numeric, require_column
from finetune.data.examples import Skipped, printable
from finetune.data.findings import Finding
from finetune.data.folder import SPLIT_FOLDERS
from finetune.data.rows import Rows, file_digest
from finetune.data.table_checks import Finding as TableFinding
from finetune.data.table_checks import apply_findings, check_table
from finetune.data.table_file import table_limits
from finetune.data.table_head import read_head
from finetune.data.table_reading import read_table
from finetune.data.targets import Target
from finetune.data.text_columns import text_findings
from zoo.errors import ConfigError, DataError

# Where a config does not say: a column of such a name is the target, or else the last.
TARGET_NAMES = ("target", "label", "class", "y", "outcome")
WISHES = ("text", "numeric", "categorical", "ignore")
_NO_NUMBER = "Mend it, or take the texts as classes with --set task=classification"
# So few different whole numbers, and so many rows of each, are taken for classes.
_MOST_CLASSES, _ROWS_A_CLASS = 20, 10


def read(config: FinetuneConfig) -> tuple[Table, str, str]:
    """Read the CSV file of a config.

    Returns:
        The table, the name of its target column, and why it is the target ("" where the config says so).

    Raises:
        DataError: the file cannot be read as a table, or lacks a column that the config names.
        ConfigError: the config contradicts itself.
    """
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    target, why = find_target(head.names, config)
    for name in filter(None, (target, config.group, config.side, config.time, config.sample_weight)):
        require_column(head, name)
    wishes = wishes_of(config, target)
    named = {wish: [name for name in wishes if wishes[name] == wish] for wish in WISHES}
    return read_table(config.data, **named, **reading(config)), target, why


def find_target(names: Sequence[str], config: FinetuneConfig) -> tuple[str, str]:
    """Return the name of the target among a table's columns, and why it is that ("" where the config names it).

    What the config names for something else is no target.
    """
    if config.target is not None:
        return config.target, ""
    taken = {"", *config.ignore, config.group, config.side, config.time, config.sample_weight}
    names = [name for name in names if name not in taken]
    found = next((name for name in names if name.lower() in TARGET_NAMES), names[-1] if names else "")
    return found, "its name says so" if found.lower() in TARGET_NAMES else "the last column"


def wishes_of(config: FinetuneConfig, target: str) -> dict[str, str]:
    """Return what a config says that columns are: "text", "numeric", "categorical" or "ignore" by name.

    Raises:
        ConfigError: it says two things of one column.
    """
    roles = [name for name in (target, config.group, config.side) if name]
    wishes = dict.fromkeys(roles, "text")
    for wish in ("numeric", "categorical", "ignore"):
        for name in getattr(config, wish):
            # the target is text whatever kind is asked for, and becomes numbers by the task
            found = wishes.setdefault(name, wish)
            if found != wish and (name not in roles or wish == "ignore"):
                raise ConfigError(f"the column {name!r} is asked for as {found} and as {wish}; say one of them")
    return wishes


def reading(config: FinetuneConfig) -> dict[str, object]:
    """Return how a config says CSV files are read, as arguments of `read_table`."""
    return {
        "missing_texts": config.missing_texts,
        "separator": config.separator,
        "decimal": config.decimal,
        "limits": table_limits(config),
    }


def read_rows(config: FinetuneConfig, table: Table, target: str) -> Rows:
    """Return the rows of a table with their target, groups, weights and sides.

    Raises:
        DataError: the target or another column that the config names cannot be what it is to be.
    """
    missing = None if config.missing == "refuse" else config.missing
    roles = dict.fromkeys(filter(None, (config.group, config.side, config.sample_weight)))
    features = table.without([LeftOut(name, "") for name in roles])
    if table.columns[target].blank.all():
        raise DataError(f"{printable(table.path)}: the target column {target!r} is blank in every row; fill it in.")
    findings = check_table(features, target, missing=missing)
    gone = {name for finding in findings if finding.leaves_out for name in finding.columns}
    findings += text_findings(features, target, frozenset(gone))
    kept = apply_findings(table, findings)
    columns = {name: column for name, column in kept.columns.items() if name not in (target, *roles)}
    task = task_of(config, kept, target)
    said = as_findings(findings)
    if not columns and not any(finding.severity == "error" for finding in said):
        raise DataError(
            f"{printable(table.path)}: no column is left to predict {target!r} from: {_reasons(kept)}. Add columns, or "
            f"keep one that is right with --set numeric=NAME or --set categorical=NAME"
        )
    left = [Skipped(item.column, item.reason) for item in kept.left_out if item.column not in roles]
    gone = sorted({row for f in findings if f.leaves_out and not f.columns for row in f.rows})
    return Rows(
        root=table.path if table.sha256 else os.path.abspath(table.path),
        columns=columns,
        target=target_of(kept, target, task),
        lines=kept.lines,
        file_sha256=table.sha256 or file_digest(Path(table.path)),
        given_splits=sides_of(kept, config.side),
        groups=group_texts(kept, config.group),
        weights=weights_of(kept, config.sample_weight),
        skipped=tuple(Skipped(f"line {table.lines[row]}", "no target") for row in gone),
        left_out=tuple(left),
        notes=table.notes,
        findings=said,
    )


def task_of(config: FinetuneConfig, table: Table, target: str) -> str:
    """Return "classification" or "regression": what the config says, or what the target's texts look like."""
    if config.task in ("classification", "regression"):
        return config.task
    if not looks_numeric(table, target):
        return "classification"
    values = as_numbers(table, target, remedy=_NO_NUMBER).values
    known = values[~np.isnan(values)]
    distinct = len(np.unique(known))
    few = distinct <= _MOST_CLASSES and len(known) >= _ROWS_A_CLASS * distinct
    return "classification" if few and np.array_equal(known, np.round(known)) else "regression"


def target_of(table: Table, name: str, task: str, *, remedy: str = _NO_NUMBER) -> Target:
    """Return a column without blanks as the target of a task.

    Args:
        table: that holds it, as texts or numbers.
        name: of the column.
        task: "classification" or "regression".
        remedy: sentence on what to do where a number is expected and a text is none.

    Raises:
        DataError: a number is expected, and a cell is none, or too large.
    """
    if task == "regression":
        values = as_numbers(table, name, remedy=remedy).values
        return Target("regression", values[:, None], (name,))
    column = table.columns[name]
    used = np.unique(column.values)
    # texts of rows that were skipped are no classes
    renumbered = np.searchsorted(used, column.values).astype("int32")
    return Target("classification", renumbered, tuple(column.categories[code] for code in used))


def group_texts(table: Table, name: str | None) -> tuple[str, ...]:
    """Return the texts of a column, of which none may be blank; nothing for no column."""
    if name is None:
        return ()
    column = table.columns[name]
    _refuse_blanks(table, column)
    return tuple(column.categories[code] for code in column.values)


def sides_of(table: Table, name: str | None) -> tuple[str, ...]:
    """Return the side that a column names for each row; nothing for no column."""
    texts = group_texts(table, name)
    unknown = sorted({text for text in texts if text.strip().lower() not in SPLIT_FOLDERS})
    if unknown:
        raise DataError(
            f"{printable(table.path)}: the column {name!r} must say train, validation or test; "
            f"it also says {', '.join(map(repr, unknown[:5]))}"
        )
    return tuple(SPLIT_FOLDERS[text.strip().lower()] for text in texts)


def weights_of(table: Table, name: str | None) -> np.ndarray | None:
    """Return the weight that a column gives each row, (rows,) float32; None for no column."""
    if name is None:
        return None
    column = as_numbers(table, name)
    _refuse_blanks(table, column)
    negative = np.flatnonzero(column.values < 0)
    if len(negative):
        line = table.lines[negative[0]]
        raise DataError(f"{printable(table.path)} line {line}: the weight in {name!r} must be 0 or more")
    if not column.values.sum() > 0:
        raise DataError(f"{printable(table.path)}: all weights in {name!r} are 0, so nothing would be learned")
    return column.values.astype("float32")


def _refuse_blanks(table: Table, column: Column) -> None:
    blank = np.flatnonzero(column.blank)
    if len(blank):
        line = table.lines[blank[0]]
        raise DataError(f"{printable(table.path)} line {line}: the column {column.name!r} is blank; fill it in")


def as_findings(found: Iterable[TableFinding]) -> tuple[Finding, ...]:
    """Return what the checks of tables found in the form that all checks share."""
    return tuple(
        Finding(f.kind, "note" if f.severity == "info" else f.severity, f.message, f.columns, len(f.rows) or 1)
        for f in found
    )


def _reasons(table: Table) -> str:
    return "; ".join(f"{item.column} ({item.reason})" for item in table.left_out) or "there is only the target"
