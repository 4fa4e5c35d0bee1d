"""Where pictures come from: one string, or objects of Python, become Examples."""

from finetune.config import FinetuneConfig
from finetune.data.examples import Examples
from finetune.data.folder import scan_folder
from finetune.data.listed_pictures import path_column, scan_list
from finetune.decide import Decision
from zoo.errors import ConfigError, DataError

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")


def is_table_file(data: str) -> bool:
    """Whether DATA is a CSV file by its name."""
    return data.lower().endswith(TABLE_SUFFIXES)


def find_pictures(config: FinetuneConfig) -> tuple[Examples, list[Decision]] | None:
    """Return the pictures that the data of a config are and what was decided, or None where they are a table.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting does not go with them.
    """
    if not is_table_file(config.data):
        return _folder(config), []
    found = path_column(config)
    if found is None:
        return None
    column, why = found
    examples, decisions = scan_list(config, column)
    return examples, [Decision("path", column, why), *decisions] if why else decisions


def require_pictures(config: FinetuneConfig) -> Examples:
    """Return the pictures that the data of a config are.

    Raises:
        DataError: they are none, or cannot be read.
    """
    found = find_pictures(config)
    if found is None:
        raise DataError(f"{config.data}: no column of this CSV file lists pictures; name it with --set path=COLUMN")
    return found[0]


def _folder(config: FinetuneConfig) -> Examples:
    if config.task not in ("auto", "classification"):
        raise ConfigError(
            f"task {config.task!r} needs labels that class folders cannot give; list the pictures in a CSV file with "
            f"the columns path and target"
        )
    for name in ("path", "label_separator"):
        if getattr(config, name):
            raise ConfigError(f"{name} goes with a CSV file that lists pictures; {config.data} is none")
    return scan_folder(config.data, drop_empty_classes=config.drop_empty_classes)
