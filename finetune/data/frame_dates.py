"""A DataFrame whose index says when its rows are."""

import pandas as pd

from finetune.data.given import Given

_NAME = "time"


def with_dates(data: Given | None) -> Given | None:
    """Return a DataFrame with its index of dates as the first column, and anything else as it is.

    The column is called as the index is, or else "time"; where a column has that name already, nothing is done.
    """
    if not isinstance(data, pd.DataFrame) or not isinstance(data.index, pd.DatetimeIndex | pd.PeriodIndex):
        return data
    name = _NAME if data.index.name is None else str(data.index.name)
    if name in {str(column) for column in data.columns}:
        return data
    return data.rename_axis(name).reset_index()
