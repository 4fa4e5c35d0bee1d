"""A DataFrame becomes a table: numbers are taken as they are, and texts are typed as the same cells of a CSV file."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from finetune.config import FinetuneConfig
from finetune.data.column_typing import say_odd, tally_texts, verdict
from finetune.data.columns import Column, LeftOut, Table, numbers_of, parse_texts
from finetune.data.pixels import digest_of
from finetune.data.table_file import Place
from finetune.data.table_head import require_name
from finetune.data.table_source import find_target, wishes_of
from finetune.settings.data import OBJECTS
from zoo.errors import ConfigError, DataError

NAME = f"{OBJECTS}DataFrame"
# Whole numbers up to here are floats that no other whole number shares.
_MOST_WHOLE = 2**53


@dataclass(frozen=True)
class _Cells:
    """The cells of one column of a frame: numbers, or codes into sorted texts, -1 where pandas calls one missing."""

    series: pd.Series
    values: np.ndarray
    texts: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        return self.values.dtype == np.float64


def frame_table(config: FinetuneConfig, frame: pd.DataFrame) -> tuple[Table, str, str]:
    """Return the table, the name of its target column, and why it is the target ("" where the config says so).

    Raises:
        DataError: the frame is empty, has two columns of one name, or lacks one that the config names.
        ConfigError: the config takes it for a list of pictures, or contradicts itself.
    """
    if config.path:
        raise ConfigError(
            f"path={config.path}: pictures are listed in a CSV file; save the DataFrame as one beside them, as in "
            f"frame.to_csv('pictures.csv', index=False), and name that file"
        )
    names = frame_names(frame)
    target, why = find_target(names, config)
    for name in filter(None, (target, config.group, config.side, config.time, config.sample_weight)):
        require_name(NAME, names, name)
    table = read_frame(frame, wishes_of(config, target), missing_texts=config.missing_texts, decimal=config.decimal)
    return table, target, why


def frame_names(frame: pd.DataFrame) -> list[str]:
    """Return the names of a frame's columns as texts.

    Raises:
        DataError: the frame is empty, or has two columns of one name.
    """
    if not len(frame) or not len(frame.columns):
        raise DataError(f"the DataFrame has the shape {frame.shape}; at least one row and one column are expected")
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the DataFrame has two columns called {twice[0]!r}. Rename one.")
    return names


def read_frame(
    frame: pd.DataFrame,
    wishes: Mapping[str, str],
    *,
    only: bool = False,
    missing_texts: Collection[str] = (),
    decimal: str = ".",
) -> Table:
    """Return a frame as a table; its `sha256` is that of all columns, whatever is wished of them.

    Args:
        frame: with at least one row.
        wishes: column to "text", "numeric", "categorical" or "ignore", as in `read_table`; others are judged by
            their types and cells.
        only: leave out the columns of which nothing is wished.
        missing_texts: texts that mean the same as a blank cell, in columns that are not wished as "text".
        decimal: sign between whole and fraction, in texts.

    Raises:
        DataError: the frame is empty, lacks a column, or a column is not what it is to be.
    """
    names = frame_names(frame)
    for name in wishes:
        require_name(NAME, names, name)
    cells = {name: _cells(frame.iloc[:, at]) for at, name in enumerate(names)}
    columns, left_out = {}, []
    for name, found in cells.items():
        wish = wishes.get(name, "ignore" if only else "")
        if wish == "ignore":
            left_out.append(LeftOut(name, "asked for"))
        elif found.numeric and wish not in ("text", "categorical"):
            columns[name] = _numbers(name, found, asked=bool(wish))
        else:
            missing = () if wish == "text" else missing_texts
            columns[name] = _texts(name, found, wish, frozenset(missing), decimal)
    notes = ("lines are places in the DataFrame, counted from 0",)
    lines = np.arange(len(frame))
    return Table(NAME, columns, lines, ",", decimal, tuple(left_out), notes, _digest(cells))


def _cells(series: pd.Series) -> _Cells:
    types = pd.api.types
    numeric = types.is_numeric_dtype(series) and not types.is_bool_dtype(series) and not types.is_complex_dtype(series)
    if numeric:
        return _Cells(series, series.to_numpy("float64", na_value=np.nan))
    return _coded(series, series)


def _coded(series: pd.Series, written: pd.Series) -> _Cells:
    # each text is kept once, and codes are 4 bytes a row: an array of fixed width would take the longest for every row
    codes, known = pd.factorize(written.astype(object).map(str, na_action="ignore"))
    known = [str(text) for text in known]
    order = sorted(range(len(known)), key=known.__getitem__)
    place = np.full(len(known) + 1, -1, "int32")
    place[order] = np.arange(len(order), dtype="int32")
    return _Cells(series, place[codes], tuple(known[at] for at in order))


def _numbers(name: str, cells: _Cells, *, asked: bool) -> Column:
    infinite = np.isinf(cells.values)
    if infinite.any():
        row = int(infinite.argmax())
        raise DataError(f"the column {name!r} of the DataFrame is infinite in row {row}; mend or leave out that row")
    return Column(name, "numeric", cells.values, (), f"of type {cells.series.dtype}" + ", asked for" * asked, asked)


def _texts(name: str, cells: _Cells, wish: str, missing: frozenset[str], decimal: str) -> Column:
    """Return a column of texts, or of numbers where its texts are numbers or shall be."""
    series = cells.series
    if pd.api.types.is_complex_dtype(series):
        raise DataError(f"the column {name!r} of the DataFrame holds complex numbers; give real ones")
    if wish == "numeric" and pd.api.types.is_bool_dtype(series):
        return Column(
            name, "numeric", series.to_numpy("float64", na_value=np.nan), (), "true and false as 1 and 0", True
        )
    if cells.numeric:
        cells = _coded(series, _written(series, decimal))
    kept = [code for code, text in enumerate(cells.texts) if text.strip() and text.strip() not in missing]
    place = np.full(len(cells.texts) + 1, -1, "int32")
    place[kept] = np.arange(len(kept), dtype="int32")
    why = f"of type {series.dtype}" + ", asked for" * bool(wish)
    column = Column(name, "categorical", place[cells.values], tuple(cells.texts[at] for at in kept), why, bool(wish))
    lines = np.arange(len(series))
    if wish == "numeric":
        return parse_texts(column, NAME, lines, decimal)
    return column if wish or isinstance(series.dtype, pd.CategoricalDtype) else _judged(column, lines, decimal)


def _judged(column: Column, lines: np.ndarray, decimal: str) -> Column:
    """Return a column of texts as what its texts say, as in a CSV file; one `1,5` makes texts of all in pandas."""
    tally = tally_texts(column.values, column.categories, lines, decimal)
    decision = verdict(tally) if tally.total else "categorical"
    if decision == "faulty":
        row = int((column.values == column.categories.index(tally.odd_text)).argmax())
        raise DataError(say_odd(Place(NAME, row), column.name, tally, decimal))
    if decision == "numeric":
        values = numbers_of(column.values, column.categories, decimal)
        return Column(column.name, "numeric", values, (), f"{column.why}, and all of it numbers")
    return column


def _written(series: pd.Series, decimal: str) -> pd.Series:
    """Return numbers as texts: as Python writes them, whole ones without a fraction."""
    known = series.dropna()
    if pd.api.types.is_float_dtype(series) and (known.abs() < _MOST_WHOLE).all() and (known == known.round()).all():
        series = series.astype("Int64")
    texts = series.astype(object).map(str, na_action="ignore")
    return texts if decimal == "." else texts.map(lambda text: text.replace(".", decimal), na_action="ignore")


def _digest(cells: Mapping[str, _Cells]) -> str:
    digest = hashlib.sha256()
    for name, found in cells.items():
        kind = "numeric" if found.numeric else "categorical"
        digest.update("\0".join([name, kind, *found.texts]).encode() + digest_of(found.values))
    return digest.hexdigest()
