"""What is wrong or dangerous in a table before anything learns from it: leaks, faults of labels, missing cells."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from finetune.data.column_typing import shown
from finetune.data.columns import Column, LeftOut, Table, large_numbers, require_column, say_large
from finetune.data.examples import printable
from finetune.data.repeated_rows import repeated_rows, repeats_by_chance
from finetune.data.table_leaks import is_copy

# More rows without a target than this share are a fault of the table. One is always let pass.
MAX_SKIPPED_FRACTION = 0.01
# A column of texts with so many different ones names its rows.
NAMES_ROWS = 0.95
# The largest class against the smallest, from where on accuracy alone misleads.
IMBALANCED = 20

_LISTED = 10
# In fewer rows than these, a column can equal the target or count the rows by chance.
_FEW_ROWS = 10
_WHOLE = re.compile(r"0*([0-9]+)")


@dataclass(frozen=True)
class Finding:
    """Something that the user should know, or must mend.

    Attributes:
        kind: what it is, in one word or two: "constant", "label copy".
        severity: "info", "warning" or "error".
        message: file, line, column, what was found and what to do.
        columns: what it concerns.
        rows: indices of the rows that it concerns.
        leaves_out: whether these columns, or where there are none these rows, are not to be used.
    """

    kind: str
    severity: str
    message: str
    columns: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    leaves_out: bool = False


def check_table(table: Table, target: str | None, *, missing: str | None = None) -> list[Finding]:
    """Look for faults and dangers; nothing is changed.

    Columns whose kind the user asked for are reported too, but not marked as left out.

    Args:
        table: as it was read.
        target: the column to learn, or None.
        missing: how blank cells of numeric columns will be filled; None fills none, so that they are an error.

    Returns:
        The findings; errors must end the run.

    Raises:
        DataError: there is no such column.
    """
    findings = list(_check_target(table, target)) if target is not None else []
    skipped = [row for finding in findings if finding.leaves_out for row in finding.rows]
    rest = table.without(rows=skipped)
    # Findings on the other rows speak of rows of the whole table.
    kept = np.setdiff1d(np.arange(table.num_rows), skipped)
    if rest.num_rows:
        findings += _check_columns(rest, target)
        gone = [name for finding in findings if finding.leaves_out for name in finding.columns]
        rest = rest.without([LeftOut(name, "") for name in gone])
        others = [*_check_large(rest, target), *_check_blanks(rest, target, missing), *_check_rows(rest, target)]
        findings += [replace(finding, rows=tuple(kept[list(finding.rows)].tolist())) for finding in others]
    return findings


def apply_findings(table: Table, findings: Sequence[Finding]) -> Table:
    """Return the table without the columns and rows that the findings leave out."""
    out = [finding for finding in findings if finding.leaves_out]
    columns = {name: finding.kind for finding in out for name in finding.columns}
    rows = sorted({row for finding in out if not finding.columns for row in finding.rows})
    return table.without([LeftOut(name, kind) for name, kind in columns.items()], rows)


def _check_target(table: Table, target: str) -> Iterator[Finding]:
    require_column(table, target)
    column, name = table.columns[target], printable(table.path)
    blank = np.flatnonzero(column.blank)
    if len(blank) == table.num_rows:
        yield Finding(
            "blank target", "error", f"{name}: the target column {target!r} is blank in every row.", (target,)
        )
        return
    if len(blank):
        yield _blank_targets(table, target, blank)
    values, counts = np.unique(column.values[~column.blank], return_counts=True)
    if len(values) < 2:
        only = shown(column.categories[values[0]]) if column.categories else f"{values[0]:g}"
        message = f"{name}: the target column {target!r} is {only} in every row; there is nothing to learn."
        yield Finding("constant target", "error", message, (target,))
    elif column.kind == "categorical":
        yield from similar_labels(table.path, target, column.categories)
        if counts.max() >= IMBALANCED * counts.min():
            few, many = column.categories[values[counts.argmin()]], column.categories[values[counts.argmax()]]
            message = (
                f"{name}: the classes of {target!r} are very uneven, {shown(many)} {counts.max():,} rows and "
                f"{shown(few)} {counts.min():,}: look at the recall of each class rather than at the accuracy."
            )
            yield Finding("imbalance", "info", message, (target,))


def _blank_targets(table: Table, target: str, blank: np.ndarray) -> Finding:
    severity = "warning" if len(blank) <= max(1, int(table.num_rows * MAX_SKIPPED_FRACTION)) else "error"
    over = f", over the limit of {MAX_SKIPPED_FRACTION:.0%}: fill them in, or remove the rows" * (severity == "error")
    message = (
        f"{printable(table.path)}: {_rows(len(blank))} without a target in the column {target!r} "
        f"{'is' if len(blank) == 1 else 'are'} skipped: "
        f"{_lines(table, blank)}{over}."
    )
    return Finding("blank target", severity, message, rows=tuple(blank.tolist()), leaves_out=True)


def similar_labels(path: str, column: str, labels: Iterable[str]) -> Iterator[Finding]:
    """Yield what is to be said of labels that differ only by case, blanks, the coding of accents, or zeros in front."""
    alike: dict[str, list[str]] = {}
    for text in labels:
        folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
        whole = _WHOLE.fullmatch(folded)
        alike.setdefault(whole.group(1) if whole else folded, []).append(text)
    groups = [texts for texts in alike.values() if len(texts) > 1]
    if groups:
        listed = "; ".join(", ".join(map(repr, texts)) for texts in groups[:_LISTED])
        message = (
            f"{printable(path)}: labels in the column {column!r} that differ only by case, blanks or zeros "
            f"in front are taken as different classes: {listed}{_more(len(groups))}. Spell them alike if they are one."
        )
        yield Finding("similar labels", "warning", message, (column,))


def _check_columns(table: Table, target: str | None) -> Iterator[Finding]:
    goal = table.columns[target] if target is not None else None
    for name, column in table.columns.items():
        if name == target:
            continue
        fault = _fault_of(column, goal)
        if fault:
            kind, words = fault
            asked = " It is kept, because its kind was asked for." if column.asked else " It is left out."
            keep = (
                ""
                if column.asked or kind == "blank column"
                else f" If it is right, keep it with --set {column.kind}={name}"
            )
            message = f"{printable(table.path)}: the column {name!r} {words}.{asked}{keep}"
            yield Finding(kind, "warning", message, (name,), leaves_out=not column.asked)


def _fault_of(column: Column, goal: Column | None) -> tuple[str, str] | None:
    blank = column.blank
    if blank.all():
        return "blank column", "is blank in every row"
    if not blank.any() and (column.values == column.values[0]).all():
        return "constant", "is the same in every row, so nothing can be learnt from it"
    if len(column.values) < _FEW_ROWS:
        return None
    if goal is not None and is_copy(column, goal):
        return "label copy", f"says the same as the target {goal.name!r}, so a model would only copy it"
    filled = np.count_nonzero(~blank)
    if column.kind == "categorical" and filled >= _FEW_ROWS and len(column.categories) >= NAMES_ROWS * filled:
        return "identifier", f"has {len(column.categories):,} different texts in {filled:,} rows, so it names the rows"
    if column.kind == "numeric" and column.values[0] in (0, 1) and (np.diff(column.values) == 1).all():
        return "identifier", "counts the rows"
    return None


def _check_large(table: Table, target: str | None) -> Iterator[Finding]:
    for name, column in table.columns.items():
        large = large_numbers(column.values) if name != target and column.kind == "numeric" else ()
        if len(large):
            message = say_large(f"{table.place(large[0])}, column {name!r}", column.values[large[0]])
            yield Finding("large numbers", "error", message, (name,), tuple(large.tolist()))


def _check_blanks(table: Table, target: str | None, missing: str | None) -> Iterator[Finding]:
    for name, column in table.columns.items():
        blank = np.flatnonzero(column.blank) if name != target and column.kind == "numeric" else ()
        if not len(blank):
            continue
        have = "has" if len(blank) == 1 else "have"
        found = (
            f"{table.place(blank[0])}, column {name!r}: {_rows(len(blank))} of {table.num_rows:,} {have} a blank cell"
        )
        if missing:
            message = f"{found}; filled by {missing} of the training rows."
        else:
            message = (
                f"{found}; numbers are expected. Fill them with --set missing=mean, or leave the column out "
                f"with --set ignore={name}"
            )
        severity = "info" if missing else "error"
        yield Finding("blank cells", severity, message, (name,), tuple(blank.tolist()))


def _check_rows(table: Table, target: str | None) -> Iterator[Finding]:
    features = [column.values for name, column in table.columns.items() if name != target]
    repeats = repeated_rows(features)
    if not len(repeats):
        return
    by_nature = len(repeats) > table.num_rows / 2 and 2 * repeats_by_chance(features) >= len(repeats)
    firsts, again = repeats[:, 0], repeats[:, 1]
    differ = np.zeros(len(again), bool)
    if target is not None:
        values = table.columns[target].values
        differ = values[firsts] != values[again]
    for kind, which, words in (
        ("duplicate rows", ~differ, "equal to an earlier one; on two sides of a split they flatter the result"),
        ("contradicting rows", differ, f"equal to an earlier one in all features, but with another {target!r}"),
    ):
        if which.any():
            pairs = [
                f"{table.lines[row]:,} = {table.lines[first]:,}"
                for first, row in zip(firsts[which][:_LISTED], again[which][:_LISTED], strict=True)
            ]
            count = int(which.sum())
            found = f"{_rows(count)} {'is' if count == 1 else 'are'} {words}"
            message = f"{printable(table.path)}: {found}: line {', '.join(pairs)}{_more(count)}."
            # With few columns of few categories, most rows are the same as others by nature.
            severity = "info" if by_nature else "warning"
            yield Finding(kind, severity, message, rows=tuple(again[which].tolist()))


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _lines(table: Table, rows: np.ndarray) -> str:
    listed = ", ".join(f"{table.lines[row]:,}" for row in rows[:_LISTED])
    return f"line {listed}{_more(len(rows))}"


def _more(count: int) -> str:
    return f" and {count - _LISTED:,} more" if count > _LISTED else ""
