"""What only a split table can be told: copies on two sides of the split, and texts too rare to count."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from finetune.data.examples import printable
from finetune.data.findings import Finding
from finetune.data.repeated_rows import repeats_across
from finetune.data.rows import Rows
from finetune.data.split import Splits
from finetune.transfer.encoder import MOST_CATEGORIES


def on_sides(finding: Finding, rows: Rows, splits: Splits) -> Finding:
    """Return a finding on repeated rows with the number of those that are judged although an equal one is learned."""
    if finding.check != "duplicate rows":
        return finding
    columns = [column.values for column in rows.columns.values()]
    judged = across = 0
    for part in splits.folds or (splits,):
        others = np.array([*part.validation, *part.test], int)
        judged, across = judged + len(others), across + repeats_across(columns, np.array(part.train, int), others)
    said = f" Of the {judged:,} rows that are judged, {across:,} equal one that is learned in all features."
    return replace(finding, message=finding.message + said)


def rare_texts(rows: Rows, splits: Splits) -> Iterator[Finding]:
    """Yield a note for each column of which only the most frequent texts count."""
    train = np.array(splits.train, int)
    for name, column in rows.columns.items():
        if column.kind != "categorical":
            continue
        counts = np.bincount(column.values[train] + 1)
        known = counts[counts > 0]
        if len(known) <= MOST_CATEGORIES:
            continue
        others = np.sort(known)[: len(known) - MOST_CATEGORIES]
        message = (
            f"{printable(rows.root)}: of the {len(known):,} different texts that the column {name!r} has in training, "
            f"the {MOST_CATEGORIES} most frequent count; {len(others):,} others, in {others.sum():,} of {len(train):,} "
            f"rows, are taken for one unknown text. Put texts together that mean the same, or leave the column out "
            f"with --set ignore={name}."
        )
        yield Finding("rare texts", "note", message, (name,), int(others.sum()))
