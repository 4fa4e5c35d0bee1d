"""Rows as a run on a table takes them: its columns by its kinds, and whatever does not fit is said or refused."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from finetune.data.column_typing import shown
from finetune.data.columns import MOST_NUMBER, Column, Table, large_numbers
from finetune.data.examples import printable
from finetune.data.rows import texts_of
from finetune.transfer.encoder import MOST_CATEGORIES, InputColumn
from zoo.errors import DataError

# So many rows without a single known text are no accident, but another spelling.
_FEW_ROWS = 5
_LISTED = 5
_TRUTHS = ("true", "false")


def wishes_of(columns: Sequence[InputColumn]) -> dict[str, str]:
    """Return the kinds that a run's columns must have."""
    return {column.name: column.kind for column in columns}


def checked_values(
    table: Table, columns: Sequence[InputColumn], warn: Callable[[str], None], *, own: bool = False
) -> dict[str, np.ndarray]:
    """Return a table's columns as `model_inputs` takes them, having checked what the model would answer wrongly.

    Args:
        table: with at least the run's columns, each of its kind.
        columns: of the run.
        warn: called with a sentence for each column that holds unknown texts.
        own: whether these are the run's own rows, which are never refused for what they say.

    Raises:
        DataError: a column is of another kind; a number is blank where the run refuses blanks, infinite or too large;
            or none of a column's texts is known. The message names the line.
    """
    return {
        wanted.name: _numbers(table, wanted) if wanted.kind == "numeric" else _texts(table, wanted, warn, own)
        for wanted in columns
    }


def _require_kind(column: Column, wanted: InputColumn) -> None:
    if column.kind != wanted.kind:
        raise DataError(f"the column {column.name!r} is {column.kind} here and was {wanted.kind} in training")


def _numbers(table: Table, wanted: InputColumn) -> np.ndarray:
    column = table.columns[wanted.name]
    _require_kind(column, wanted)
    blank = np.flatnonzero(column.blank)
    if len(blank) and wanted.filler is None:
        raise DataError(
            f"{table.place(blank[0])}: the column {column.name!r} is blank, and this run refuses blank numbers; fill "
            f"it in, or take a run that was trained with missing=median"
        )
    large = large_numbers(column.values)
    if len(large):
        raise DataError(
            f"{table.place(large[0])}, column {column.name!r}: {column.values[large[0]]:g} is too large; models "
            f"compute with numbers of at most {MOST_NUMBER:g}. Mend it."
        )
    return column.values


def _texts(table: Table, wanted: InputColumn, warn: Callable[[str], None], own: bool) -> np.ndarray:
    column = table.columns[wanted.name]
    _require_kind(column, wanted)
    known = set(wanted.categories)
    spelled = _spelling(column.categories, wanted.categories)
    # index -1, a blank, takes the last place
    is_unknown = np.array([text not in known for text in (*spelled, "")])
    rows = np.flatnonzero(is_unknown[column.values])
    if len(rows):
        _judge_unknown(table, wanted, column, rows, warn, own)
    return texts_of(column.values, spelled)


def _judge_unknown(
    table: Table, wanted: InputColumn, column: Column, rows: np.ndarray, warn: Callable[[str], None], own: bool
) -> None:
    place = f"{printable(table.path)}, column {wanted.name!r}"
    count, known = table.num_rows, wanted.categories
    complete = len(known) < MOST_CATEGORIES
    if len(rows) == count >= _FEW_ROWS and len(known) > 1 and complete and not own and not column.blank.all():
        raise DataError(
            f"{place}: none of its {count:,} texts is one that this run knows. It knows {_quoted(known)}; here are "
            f"{_quoted(column.categories)}. Spell them as in training, or leave the cells blank to have them answered "
            f"as unknown"
        )
    texts = list(
        dict.fromkeys(shown(column.categories[code]) if code >= 0 else "blank" for code in column.values[rows])
    )
    more = f" and {len(texts) - _LISTED:,} more" if len(texts) > _LISTED else ""
    words = "that training did not have" if complete else f"not among the {len(known)} most frequent of training"
    warn(
        f"{place}: {len(rows):,} of {count:,} rows hold texts {words} ({', '.join(texts[:_LISTED])}{more}); all of "
        f"them are taken for one unknown text"
    )


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(map(shown, texts[:_LISTED])) + (" …" if len(texts) > _LISTED else "")


def _spelling(texts: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return texts with true and false as training spelled them: pandas writes True, other programs true or TRUE."""
    spelled: Mapping[str, str] = {text.casefold(): text for text in known if text.casefold() in _TRUTHS}
    return [text if text in known else spelled.get(text.casefold(), text) for text in texts]
