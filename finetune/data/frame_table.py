"""A DataFrame becomes a table: its types are taken as they are, and blanks are what pandas calls missing."""

import hashlib

import numpy as np
import pandas as pd

from finetune.config import FinetuneConfig
from finetune.data.arrays import OBJECTS
from finetune.data.column_typing import say_odd, tally_texts, verdict
from finetune.data.columns import Column, LeftOut, Table, as_numbers, require_column
from finetune.data.pixels import digest_of
from finetune.data.table_file import Place
from finetune.data.table_source import TARGET_NAMES
from zoo.errors import ConfigError, DataError

NAME = f"{OBJECTS}DataFrame"


def frame_table(config: FinetuneConfig, frame: pd.DataFrame) -> tuple[Table, str, str]:
    """Return the table, the name of its target column, and why it is the target ("" where the config says so).

    Raises:
        DataError: the frame is empty, has two columns of one name, or lacks one that the config names.
        ConfigError: the config takes it for a list of pictures.
    """
    if config.path:
        raise ConfigError(
            f"path={config.path}: pictures are listed in a CSV file; save the DataFrame as one beside them, as in "
            f"frame.to_csv('pictures.csv', index=False), and name that file"
        )
    table = columns_of(config, frame)
    names = [name for name in table.columns if name not in config.ignore]
    target, why = config.target, ""
    if target is None:
        found = next((name for name in names if name.lower() in TARGET_NAMES), names[-1] if names else "")
        target, why = found, "its name says so" if found.lower() in TARGET_NAMES else "the last column"
    for name in (target, *filter(None, (config.group, config.side, config.time, config.sample_weight))):
        require_column(table, name)
    texts = {target, config.group, config.side} & table.columns.keys()
    columns = {name: _text(frame, column) if name in texts else column for name, column in table.columns.items()}
    kept = {name: column for name, column in columns.items() if name not in config.ignore}
    gone = tuple(LeftOut(name, "asked for") for name in config.ignore if name in columns)
    return Table(NAME, kept, table.lines, ",", ".", gone, table.notes, table.sha256), target, why


def columns_of(config: FinetuneConfig, frame: pd.DataFrame) -> Table:
    """Return all columns of a frame, typed as its types and the config say.

    Raises:
        DataError: the frame is empty, or has two columns of one name.
    """
    if not len(frame) or not len(frame.columns):
        raise DataError(f"the DataFrame has the shape {frame.shape}; at least one row and one column are expected")
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the DataFrame has two columns called {twice[0]!r}. Rename one.")
    columns = {name: _column(name, frame.iloc[:, at]) for at, name in enumerate(names)}
    lines = np.arange(len(frame))
    notes = ("lines are places in the DataFrame, counted from 0",)
    table = Table(NAME, columns, lines, ",", ".", notes=notes, sha256=_digest(columns))
    texts = {config.target, config.group, config.side, *config.categorical, *config.numeric, *config.ignore}
    for column in columns.values():
        if column.kind == "categorical" and column.name not in texts:
            _refuse_odd(table, column)
    for name in (*config.numeric, *config.categorical):
        require_column(table, name)
    columns |= {name: _asked(as_numbers(table, name)) for name in config.numeric}
    columns |= {name: _text(frame, columns[name]) for name in config.categorical}
    return table


def _refuse_odd(table: Table, column: Column) -> None:
    """Refuse texts of which nearly all are numbers, as those of a CSV file: one `1,5` makes texts of all in pandas."""
    tally = tally_texts(column.values, column.categories, table.lines, table.decimal)
    if verdict(tally) == "faulty":
        line = int(table.lines[int((column.values == column.categories.index(tally.odd_text)).argmax())])
        raise DataError(say_odd(Place(NAME, line), column.name, tally, table.decimal))


def _column(name: str, series: pd.Series) -> Column:
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        if pd.api.types.is_complex_dtype(series):
            raise DataError(f"the column {name!r} of the DataFrame holds complex numbers; give real ones")
        values = series.to_numpy("float64", na_value=np.nan)
        if np.isinf(values).any():
            row = int(np.isinf(values).argmax())
            raise DataError(
                f"the column {name!r} of the DataFrame is infinite in row {row}; mend or leave out that row"
            )
        return Column(name, "numeric", values, (), f"of type {series.dtype}")
    return _texts(name, series, f"of type {series.dtype}", asked=False)


def _texts(name: str, series: pd.Series, why: str, *, asked: bool) -> Column:
    texts = series.astype(object).map(str, na_action="ignore")
    blank = texts.isna().to_numpy() | (texts == "").to_numpy()
    known, codes = np.unique(texts[~blank].to_numpy(str), return_inverse=True)
    values = np.full(len(series), -1, "int32")
    values[~blank] = codes
    return Column(name, "categorical", values, tuple(known.tolist()), why, asked)


def _text(frame: pd.DataFrame, column: Column) -> Column:
    """Return a column of a frame as texts; numbers as Python writes them, whole ones without a fraction."""
    if column.kind == "categorical":
        return _asked(column)
    series = frame.iloc[:, [str(name) for name in frame.columns].index(column.name)]
    if pd.api.types.is_float_dtype(series) and (series.dropna() == series.dropna().round()).all():
        series = series.astype("Int64")
    return _texts(column.name, series, column.why, asked=True)


def _asked(column: Column) -> Column:
    return Column(column.name, column.kind, column.values, column.categories, column.why, True)


def _digest(columns: dict[str, Column]) -> str:
    digest = hashlib.sha256()
    for name, column in columns.items():
        digest.update("\0".join([name, column.kind, *column.categories]).encode() + digest_of(column.values))
    return digest.hexdigest()
