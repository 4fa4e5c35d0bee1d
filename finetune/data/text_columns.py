"""Columns of texts that seem to be meant as something else: amounts with a sign or a unit, and dates."""

import re
from collections.abc import Iterator

import numpy as np

from finetune.data.column_typing import MOSTLY, shown
from finetune.data.columns import Column, Table
from finetune.data.dates import read_dates
from finetune.data.examples import printable
from finetune.data.table_checks import Finding

_AMOUNT = re.compile(r"(?P<before>[$€£¥₹]?) ?[-+]?\d[\d.,]* ?(?P<after>%|[$€£¥₹]|[A-Za-zµ°²³/]{1,5})?")
_SIGNS = "$€£¥₹%"
# Fewer different amounts than these may as well be names: 5a, 7a.
_FEW_TEXTS = 5
# With so many rows for each date, dates may serve as names of months or years.
_ROWS_A_DATE = 10


def text_findings(table: Table, target: str, left_out: frozenset[str]) -> Iterator[Finding]:
    """Yield what is to be said of texts that are amounts or dates, unless the user asked for texts.

    Args:
        table: as it was read.
        target: the column to learn.
        left_out: columns that are not used, for reasons of their own.
    """
    for name, column in table.columns.items():
        where = f"{printable(table.path)}: the column {name!r}"
        if column.kind == "categorical" and (not column.asked or name == target):
            yield from _amounts(where, column, is_target=name == target, is_left_out=name in left_out)
        if name != target and not column.asked:
            yield from _dates(where, column, is_left_out=name in left_out)


def _amounts(where: str, column: Column, *, is_target: bool, is_left_out: bool) -> Iterator[Finding]:
    found = [_AMOUNT.fullmatch(text.strip()) for text in column.categories]
    signs = [(match["before"] or match["after"] or "") if match else "" for match in found]
    counts = np.bincount(column.values[column.values >= 0], minlength=len(signs))
    for sign in dict.fromkeys(filter(None, signs)):
        of_sign = np.array([one == sign for one in signs])
        enough = sign in _SIGNS or of_sign.sum() >= _FEW_TEXTS
        if not enough or counts[of_sign].sum() < MOSTLY * counts.sum():
            continue
        example = column.categories[int(of_sign.argmax())]
        taken = (
            "left out" if is_left_out else f"taken as {len(signs):,} different {'classes' if is_target else 'texts'}"
        )
        keep = "" if is_target else f", or, where texts are meant, say --set categorical={column.name}"
        yield Finding(
            "numbers as texts",
            "warning",
            f"{where} holds numbers with {sign!r}, such as {shown(example)}, and is {taken}: which is larger is lost. "
            f"Write them as plain numbers, without {sign!r}{keep}.",
            (column.name,),
        )


def _dates(where: str, column: Column, *, is_left_out: bool) -> Iterator[Finding]:
    # whole numbers of six digits count something else more often than months
    if column.kind == "numeric" and not np.nanmin(column.values, initial=np.inf) >= 1e7:
        return
    if not isinstance(read_dates(column), list):
        return
    different = len(np.unique(column.values))
    if is_left_out:
        done, severity = "left out, for its cells name the rows", "info"
    elif column.kind == "numeric":
        done, severity = "taken as a number, in which months and years are of odd lengths", "warning"
    else:
        few = different * _ROWS_A_DATE <= len(column.values)
        done = f"taken as {different:,} different texts, so that a date which training did not have says nothing"
        severity = "info" if few else "warning"
    yield Finding(
        "dates",
        severity,
        f"{where} holds dates and is {done}. Give the model numbers made of it, such as days since a first day, the "
        f"month or the weekday, in columns of their own; or leave it out with --set ignore={column.name}.",
        (column.name,),
    )
