"""A list of pictures with a column of 0 and 1 for each class or label: target=red,blue takes them together."""

from collections.abc import Collection, Sequence

from finetune.config import FinetuneConfig
from finetune.data.columns import Table
from finetune.data.examples import printable
from finetune.data.listed_labels import Labels
from finetune.data.picture_paths import first_cells
from finetune.data.table_head import TableHead
from finetune.decide import Decision
from zoo.errors import ConfigError, DataError

_YES_NO = {"0": False, "1": True, "0.0": False, "1.0": True}


def target_columns(target: str | None, names: Collection[str]) -> tuple[str, ...]:
    """Return the columns that a target names, "red,blue"; none where it is one column, or not said."""
    if target is None or target in names or "," not in target:
        return ()
    return tuple(dict.fromkeys(part.strip() for part in target.split(",") if part.strip()))


def refuse_one_hot(config: FinetuneConfig, head: TableHead, names: Sequence[str]) -> None:
    """Refuse to take the last of several columns of 0 and 1 for the target, where nobody said so.

    Raises:
        DataError: at least two of the columns `names` hold nothing else in their first rows.
    """
    found = [name for name in names if set(first_cells(config, head, name)) in ({"0"}, {"1"}, {"0", "1"})]
    if len(found) > 1:
        raise DataError(
            f"{printable(config.data)}: the columns {', '.join(map(repr, found))} hold 0 and 1. Where each is a class "
            f"or a label, name them: --set target={','.join(found)}; or name the one that is to be predicted"
        )


def read_columns_of_labels(config: FinetuneConfig, table: Table, target: str, columns: Sequence[str]) -> Labels:
    """Return what several columns of 0 and 1 mean: classes where each row has one 1, labels otherwise.

    Args:
        config: the task is taken from it.
        table: its columns `columns` are texts.
        target: what the config calls them.
        columns: one for each class or label.

    Raises:
        DataError: a cell is neither 0 nor 1, or a row of classes has not one 1.
        ConfigError: the task goes with one column only.
    """
    if config.task not in ("auto", "classification", "multi_label") or config.label_separator:
        what = "label_separator" if config.label_separator else f"task {config.task}"
        raise ConfigError(f"{what} goes with one target column; received target={target}")
    names = tuple(sorted(columns))
    flags = [_flags(table, name) for name in names]
    rows = [tuple(label for label, given in enumerate(row) if given) for row in zip(*flags, strict=True)]
    odd = next((index for index, row in enumerate(rows) if len(row) != 1), None)
    task = config.task if config.task != "auto" else "classification" if odd is None else "multi_label"
    why = "one 1 in every row" if odd is None else f"line {table.lines[odd]} has not one 1 alone"
    decisions = (Decision("task", task, why),) if config.task == "auto" else ()
    if task == "multi_label":
        return Labels(target, task, tuple(rows), names, decisions)
    if odd is not None:
        raise DataError(
            f"{printable(table.path)}: line {table.lines[odd]} has {len(rows[odd])} of {', '.join(map(repr, names))}; "
            f"classes have one 1 in each row. Mend it, or take them as labels with --set task=multi_label"
        )
    return Labels(target, task, tuple(row[0] for row in rows), names, decisions)


def _flags(table: Table, name: str) -> list[bool]:
    column = table.columns[name]
    texts = [text.strip() for text in column.categories]
    codes = column.values.tolist()
    # a blank has the code -1
    bad = {code for code in set(codes) if code < 0 or texts[code] not in _YES_NO}
    if bad:
        row = next(index for index, code in enumerate(codes) if code in bad)
        cell = texts[codes[row]] if codes[row] >= 0 else ""
        raise DataError(
            f"{printable(table.path)} line {table.lines[row]}, column {name!r}: {cell!r} is found where several "
            f"target columns need 0 or 1. Mend it."
        )
    return [_YES_NO[texts[code]] for code in codes]
