"""Where data come from: one string, or objects of Python, become pictures, rows, or arrays of either."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from finetune.config import FinetuneConfig
from finetune.data import table_source
from finetune.data.array_pictures import array_examples
from finetune.data.array_table import array_table, input_columns
from finetune.data.arrays import Arrays, check_parts, kind_of
from finetune.data.columns import Table, require_column
from finetune.data.examples import Examples, printable
from finetune.data.folder import scan_folder
from finetune.data.frame_table import NAME as FRAME
from finetune.data.frame_table import frame_names, frame_table, read_frame
from finetune.data.given import NAME, Given
from finetune.data.keras_sets import keras_arrays
from finetune.data.listed_pictures import scan_list
from finetune.data.npz_file import npz_arrays
from finetune.data.picture_paths import path_column
from finetune.data.table_file import is_table_file, table_limits
from finetune.data.table_head import read_head, require_name
from finetune.data.table_reading import read_table
from finetune.data.tfds_features import prepared_below
from finetune.data.tfds_source import is_tfds, scan_tfds
from finetune.decide import Decision
from finetune.settings.data import KERAS, OBJECTS
from zoo.errors import ConfigError, DataError


def is_arrays(data: str | Given) -> bool:
    """Whether data are arrays by their name or type."""
    if isinstance(data, str):
        return data.startswith(KERAS) or data.lower().endswith(".npz")
    return isinstance(data, Arrays)


def open_arrays(config: FinetuneConfig, given: Given | None = None) -> Arrays | None:
    """Return the arrays that the data are, or None where they are none.

    Raises:
        DataError: they are not at hand, damaged, or do not go together.
    """
    data, limit = config.data, config.max_array_bytes
    if isinstance(given, Arrays):
        arrays = given
    elif given is not None:
        return None
    elif data.startswith(KERAS):
        arrays = keras_arrays(config)
    elif data.startswith(OBJECTS):
        raise DataError(
            f"{data} were objects of a Python program, which only that program has: give them again, as in "
            f"finetune.fit(x, y=y) or run.evaluate((x, y))"
        )
    elif data.lower().endswith(".npz"):
        arrays = npz_arrays(data, max_bytes=limit)
    else:
        return None
    check_parts(arrays)
    return arrays


def find_pictures(
    config: FinetuneConfig, given: Given | None = None, *, judged: bool = False
) -> tuple[Examples, list[Decision]] | None:
    """Return the pictures that the data are and what was decided, or None where they are something else.

    Args:
        config: names the data, and says how they are read.
        given: objects of Python, where they are the data.
        judged: nothing is learned from the data, so that one class, label or number is enough.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting does not go with them.
    """
    if isinstance(given, pd.DataFrame):
        return None
    arrays = open_arrays(config, given)
    if arrays is not None:
        return array_examples(config, arrays, judged=judged) if kind_of(arrays) == "pictures" else None
    if not is_table_file(config.data):
        return (scan_tfds if is_tfds(config.data) else _folder)(config, judged=judged), []
    found = path_column(config)
    if found is None:
        return None
    column, why = found
    examples, decisions = scan_list(config, column, judged=judged)
    return examples, [Decision("path", column, why), *decisions] if why else decisions


def judged_pictures(config: FinetuneConfig, given: Given | None = None) -> Examples:
    """Return the pictures that the data are, to judge a run by.

    Raises:
        DataError: they are none, or cannot be read.
    """
    found = find_pictures(config, given, judged=True)
    if found is None:
        raise DataError(f"{config.data}: no pictures are found there; in a CSV file name them with --set path=COLUMN")
    return found[0]


def input_table(config: FinetuneConfig, source: str | Given, wishes: Mapping[str, str]) -> Table:
    """Return of the rows that a source holds the columns that are wished for, and no others; no target of arrays.

    Args:
        config: says how CSV files are read.
        source: a path or name, or objects of Python.
        wishes: column to "text", "numeric" or "categorical".

    Raises:
        DataError: the source holds no rows, or lacks such a column.
    """
    given = None if isinstance(source, str) else source
    arrays = open_arrays(config.model_copy(update={"data": source if isinstance(source, str) else NAME}), given)
    if arrays is not None:
        columns = input_columns(arrays, wishes)
        table = Table(arrays.root, columns, np.arange(len(arrays)), ",", ".", sha256=arrays.root)
        for name in wishes:
            require_column(table, name)
        return table
    names, path = column_names(config, source), FRAME if isinstance(source, pd.DataFrame) else source
    for name in wishes:
        require_name(path, names, name)
    if isinstance(source, pd.DataFrame):
        return read_frame(source, wishes, only=True, missing_texts=config.missing_texts, decimal=config.decimal)
    named = {wish: [name for name in wishes if wishes[name] == wish] for wish in table_source.WISHES}
    return read_table(source, **named, only=True, remedy="Mend it.", **table_source.reading(config))


def column_names(config: FinetuneConfig, source: str | pd.DataFrame) -> list[str]:
    """Return the names of the columns of a CSV file or a DataFrame.

    Raises:
        DataError: it is no table.
    """
    if isinstance(source, pd.DataFrame):
        return frame_names(source)
    limits = table_limits(config)
    return [name for name in read_head(source, separator=config.separator, limits=limits).names if name]


def read_table_of(config: FinetuneConfig, given: Given | None = None) -> tuple[Table, str, str]:
    """Return the table that the data are, the name of its target, and why that is the target.

    Raises:
        DataError: the data are no table.
        ConfigError: a setting does not go with them.
    """
    if isinstance(given, pd.DataFrame):
        return frame_table(config, given)
    arrays = open_arrays(config, given)
    if arrays is None:
        if not is_table_file(config.data):
            raise DataError(
                f"{printable(config.data)}: expected is a table, in a CSV file or as arrays x and y of rows"
            )
        return table_source.read(config)
    if kind_of(arrays) != "table":
        raise DataError(f"{arrays.root}: inputs of shape {arrays.parts[0].x.shape}; expected are rows (n, features)")
    return array_table(config, arrays)


def _folder(config: FinetuneConfig, *, judged: bool) -> Examples:
    if config.task not in ("auto", "classification"):
        raise ConfigError(
            f"task {config.task!r} needs labels that class folders cannot give; list the pictures in a CSV file with "
            f"the columns path and target"
        )
    for name in ("path", "label_separator"):
        if getattr(config, name):
            raise ConfigError(f"{name} goes with a CSV file that lists pictures; {config.data} is none")
    below = prepared_below(Path(config.data))
    if below:
        name = printable(config.data)
        raise DataError(
            f"{name}: version {', '.join(below)} of a data set is prepared there; name it: {name}/{below[-1]}"
        )
    return scan_folder(config.data, drop_empty_classes=config.drop_empty_classes, judged=judged)
