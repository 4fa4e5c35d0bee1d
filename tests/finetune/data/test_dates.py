"""Dates in columns: what is read, what is not, and what nobody may guess."""

import numpy as np
import pytest

from finetune.data.columns import Column
from finetune.data.dates import NoTimes, read_dates


def column(cells):
    """Return a column of texts, "" for blanks."""
    texts = sorted({cell for cell in cells if cell})
    codes = [texts.index(cell) if cell else -1 for cell in cells]
    return Column("when", "categorical", np.array(codes, "int32"), tuple(texts), "")


def moments(cells):
    """Return the only reading of some cells, to the microsecond."""
    (times,) = read_dates(column(cells))
    return [str(np.datetime64(int(value) * 10**6 // times.a_second, "us")) for value in times.values]


@pytest.mark.parametrize(
    ("cells", "second"),
    [
        (["2026-01-30", "2026-01-31"], "2026-01-31T00:00:00.000000"),
        (["2026-01", "2026-02"], "2026-02-01T00:00:00.000000"),
        (["2026-01-31 12:00", "2026-01-31T12:00:00.25"], "2026-01-31T12:00:00.250000"),
        (["2026-01-31T12:00:00Z", "2026-01-31T14:00:00+01:00"], "2026-01-31T13:00:00.000000"),
        (["2026/01/30", "2026/01/31"], "2026-01-31T00:00:00.000000"),
        (["1/2/2026", "31/1/2026"], "2026-01-31T00:00:00.000000"),
        (["1/2/2026 1:00 AM", "1/31/2026 1:00 PM"], "2026-01-31T13:00:00.000000"),
        (["30.01.2026 10:00", "31.01.2026 11:00"], "2026-01-31T11:00:00.000000"),
        (["30-Jan-2026", "31-Jan-2026"], "2026-01-31T00:00:00.000000"),
        (["January 30, 2026", "May 31, 2026"], "2026-05-31T00:00:00.000000"),
        (["2025-Q4", "2026-Q2"], "2026-04-01T00:00:00.000000"),
        (["1600-01-01", "1601-01-01"], "1601-01-01T00:00:00.000000"),
    ],
)
def test_dates_are_read_as_they_are_written(cells, second):
    """ISO 8601 with fractions and zones, and the forms of spreadsheets, become moments in UTC."""
    assert moments(cells)[1] == second


def test_day_or_month_first_is_decided_by_all_cells():
    """One day over 12 says which number is the day; without any there are two readings."""
    assert moments(["01.02.2026", "13.02.2026"])[0].startswith("2026-02-01")
    assert moments(["01/02/2026", "01/13/2026"])[0].startswith("2026-01-02")
    assert len(read_dates(column(["01/02/2026", "02/03/2026"]))) == 2


@pytest.mark.parametrize(
    ("numbers", "first"),
    [([20260131, 20260201], "2026-01-31"), ([202612, 202701], "2026-12-01"), ([202612, 202613], None), ([1, 2], None)],
)
def test_whole_numbers_may_be_dates(numbers, first):
    """Numbers such as 20260131 and 202601 are dates where all of them are; others are not."""
    found = read_dates(Column("when", "numeric", np.array(numbers, "float64"), (), ""))
    assert (found and str(found[0].days[0])) == first


@pytest.mark.parametrize(
    ("cell", "what"),
    [("", "it is blank"), ("2026-13-45", "'2026-13-45' is no date"), ("2026-01-01 10:00Z", "has no time zone")],
)
def test_what_is_wrong_with_dates_is_said(cell, what):
    """In a column of dates a blank, an impossible date and a missing time zone are named."""
    found = read_dates(column([f"2026-01-{day:02d} 10:00" for day in range(1, 31)] + [cell]))
    assert isinstance(found, NoTimes) and what in found.what


def test_texts_are_no_dates():
    """Names, times of day and years of two digits are left alone."""
    for cells in (["a", "b"], ["12:30", "12:31"], ["1/2/20", "1/3/20"], [""]):
        assert not read_dates(column(cells))
