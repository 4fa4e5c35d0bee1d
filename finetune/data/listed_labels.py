"""What a CSV file says that each of its pictures shows: one class, several labels, or a number."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.config import FinetuneConfig
from finetune.data.columns import Column, Table, as_numbers
from finetune.data.examples import printable
from finetune.data.findings import Finding
from finetune.data.table_checks import similar_labels
from finetune.data.table_source import as_findings, task_of
from finetune.decide import Decision
from zoo.errors import ConfigError, DataError

# Signs that are looked for between labels; a comma stands in too many names of single classes to be guessed.
_SEPARATORS = ("|", ";")


@dataclass(frozen=True)
class Labels:
    """The target of listed pictures.

    Attributes:
        column: name of the target's column.
        task: "classification", "multi_label" or "regression".
        values: for each row an index into `names`, a tuple of them, or a number; None where there is nothing.
        names: of the classes or labels, sorted; of the number for "regression".
        decisions: what was chosen, and why.
        findings: what is odd about the labels.
        notes: how the column was read.
    """

    column: str
    task: str
    values: tuple
    names: tuple[str, ...]
    decisions: tuple[Decision, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def shown(self, row: int) -> str:
        """Return what a row says, for messages."""
        value = self.values[row]
        if self.task == "regression":
            return f"{value:g}"
        return ", ".join(self.names[label] for label in (value if self.task == "multi_label" else (value,)))


def read_labels(config: FinetuneConfig, table: Table, target: str, *, judged: bool = False) -> Labels:
    """Return what the target column means.

    Args:
        config: task and label_separator are taken from it.
        table: its column `target` is text.
        target: name of the column.
        judged: nothing is learned from the pictures, so that the column may say the same everywhere.

    Raises:
        DataError: the column is blank, says the same everywhere, or holds what is no number where numbers are due.
        ConfigError: the config asks for what pictures have not.
    """
    column, name = table.columns[target], printable(table.path)
    if config.task == "forecasting":
        raise ConfigError("task forecasting needs a series; pictures have classification, multi_label or regression")
    if config.label_separator and config.task not in ("auto", "multi_label"):
        raise ConfigError(f"label_separator goes with task multi_label; the task is {config.task}")
    if not column.categories:
        raise DataError(f"{name}: the column {target!r} is blank in every row; it must say what each picture shows.")
    separator, why = _separator(config, column)
    if separator:
        return _several(config, table, column, (separator, why), judged=judged)
    task = task_of(config, table, target)
    decided = (Decision("task", task, _why(column, task)),) if config.task == "auto" else ()
    if task == "regression":
        return _numbers(table, target, decided, judged=judged)
    if len(column.categories) < 2 and not judged:
        raise DataError(
            f"{name}: the column {target!r} is {column.categories[0]!r} in every row; two classes at least are needed."
        )
    values = tuple(None if code < 0 else code for code in column.values.tolist())
    return Labels(
        target,
        task,
        values,
        column.categories,
        decided,
        as_findings(similar_labels(table.path, target, column.categories)),
    )


def _separator(config: FinetuneConfig, column: Column) -> tuple[str, str]:
    """Return the sign between labels and why it is taken for one; empty texts where a cell is one label."""
    if config.label_separator:
        return config.label_separator, ""
    if config.task not in ("auto", "multi_label"):
        return "", ""
    for separator in _SEPARATORS:
        joined = [text for text in column.categories if separator in text]
        if joined and (config.task == "multi_label" or _recur(column.categories, separator)):
            rows = np.isin(column.values, [code for code, text in enumerate(column.categories) if separator in text])
            return separator, f"{int(rows.sum()):,} of {len(rows):,} cells hold several labels"
    return (_SEPARATORS[0], "no cell holds several labels") if config.task == "multi_label" else ("", "")


def _recur(cells: Sequence[str], separator: str) -> bool:
    """Whether the parts of cells recur in other cells, as labels do and the parts of one name do not."""
    found = Counter(part for cell in cells for part in set(_parts(cell, separator)))
    joined = {part for cell in cells if separator in cell for part in _parts(cell, separator)}
    return "" not in joined and 2 * sum(found[part] > 1 for part in joined) >= len(joined) > 1


def _parts(cell: str, separator: str) -> list[str]:
    return [part.strip() for part in cell.split(separator)]


def _several(config: FinetuneConfig, table: Table, column: Column, found: tuple[str, str], *, judged: bool) -> Labels:
    separator, why = found
    cells = [[part for part in _parts(cell, separator) if part] for cell in column.categories]
    names = tuple(sorted({part for parts in cells for part in parts}))
    if len(names) < 2 and not judged:
        raise DataError(
            f"{printable(table.path)}: the column {column.name!r} has {', '.join(map(repr, names)) or 'no labels'}; "
            f"at least two labels are needed."
        )
    numbers = {name: number for number, name in enumerate(names)}
    each = [tuple(sorted({numbers[part] for part in parts})) for parts in cells]
    values = tuple(() if code < 0 else each[code] for code in column.values.tolist())
    decisions = [Decision("label_separator", separator, why)] if not config.label_separator else []
    if config.task == "auto":
        reason = f"{len(names)} labels; task=classification takes each cell as one class"
        decisions.append(Decision("task", "multi_label", reason))
    blank = int((column.values < 0).sum())
    notes = (
        (f"{blank:,} blank cells in {column.name!r}: pictures to which none of the labels applies",) if blank else ()
    )
    return Labels(
        column.name,
        "multi_label",
        values,
        names,
        tuple(decisions),
        as_findings(similar_labels(table.path, column.name, names)),
        notes,
    )


def _numbers(table: Table, target: str, decided: tuple[Decision, ...], *, judged: bool) -> Labels:
    remedy = "Mend it, or take the texts as classes with --set task=classification"
    values = as_numbers(table, target, remedy=remedy).values
    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2 and not judged:
        raise DataError(
            f"{printable(table.path)}: the column {target!r} is {known[0]:g} in every row; there is nothing to learn."
        )
    numbers = tuple(None if np.isnan(value) else float(value) for value in values.tolist())
    return Labels(target, "regression", numbers, (target,), decided)


def _why(column: Column, task: str) -> str:
    if task == "regression":
        return f"{column.name} is a number"
    counts = defaultdict(int, Counter(column.values.tolist()))
    few = min(counts[code] for code in range(len(column.categories)))
    return f"{len(column.categories)} classes, the smallest with {few:,} rows; task=regression for numbers"
