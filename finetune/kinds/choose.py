"""Which kind of data a config names: a folder of pictures, a table, or a series."""

from types import ModuleType

from finetune.config import FinetuneConfig
from finetune.data import table_source
from finetune.decide import Decision
from finetune.kinds import pictures, table

Source = object


def open_source(config: FinetuneConfig) -> tuple[ModuleType, Source, list[Decision]]:
    """Return the module for the data, what it read of them, and what was decided on the way.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting does not go with them.
    """
    if not config.data.lower().endswith((".csv", ".tsv", ".txt")):
        return pictures, pictures.scan(config), []
    read, target, why = table_source.read(config)
    decisions = [Decision("target", target, why)] if why else []
    rows = table.scan(config, read, target)
    task = rows.target.task
    if config.task == "auto":
        decisions.append(Decision("task", task, _why_task(rows)))
    return table, rows, decisions


def _why_task(rows: object) -> str:
    names, task = rows.target.names, rows.target.task
    if task == "regression":
        return f"{names[0]} is a number"
    return f"{len(names)} classes, {', '.join(names[:5])}{' …' if len(names) > 5 else ''}; task=regression for numbers"
