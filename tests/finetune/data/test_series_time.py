"""Which column says when, whether its rows make a series, and what is said where they do not."""

import numpy as np
import pandas as pd
import pytest

from finetune.config import make_config
from finetune.doctor import diagnose
from finetune.progress import Reporter

pytestmark = pytest.mark.keras
COUNT = 200
DAYS = pd.date_range("2020-01-01", periods=COUNT)


def diagnosis(tmp_path, columns, **settings):
    """Return what the doctor says of a table with the columns."""
    frame = pd.DataFrame(columns)
    if "v" not in frame:
        frame["v"] = np.sin(np.arange(len(frame)) / 6) + np.random.default_rng(0).normal(size=len(frame)) / 20
    frame.to_csv(tmp_path / "t.csv", index=False)
    settings = {"target": "v", **settings}
    return diagnose(make_config({"data": str(tmp_path / "t.csv"), **settings}), Reporter(0))


def said(found, check):
    """Return the message of one check, "" where it said nothing."""
    return next((finding.message for finding in found.findings if finding.check == check), "")


@pytest.mark.parametrize(
    ("name", "cells", "rhythm"),
    [
        ("Date", pd.bdate_range("2020-01-01", periods=COUNT).strftime("%Y-%m-%d"), "every business day"),
        ("Date", DAYS.strftime("%m/%d/%Y"), "every day; read with the month first"),
        ("Date", DAYS.strftime("%d.%m.%Y"), "every day; read with the day first"),
        ("Date", DAYS.strftime("%Y-%m-%d")[::-1], "every day; newest first, so turned round"),
        ("stamp", DAYS.strftime("%Y%m%d"), "every day; whole numbers of year, month and day"),
        ("month", pd.period_range("1990-01", periods=COUNT, freq="M").strftime("%Y%m"), "every month"),
        ("quarter", pd.date_range("1950", periods=COUNT, freq="QE").strftime("%Y-%m-%d"), "every quarter"),
        ("year", pd.date_range("1800", periods=COUNT, freq="YS").strftime("%Y-%m-%d"), "every year"),
        ("time", pd.date_range("2020", periods=COUNT, freq="100ms").strftime("%H:%M:%S.%f"), "every 100 milliseconds"),
        ("time", pd.date_range("2020", periods=COUNT, freq="h", tz="Europe/Berlin").astype(str), "turned to UTC"),
        ("t", np.arange(COUNT)[::-1] / 4, "in steps of 0.25; newest first"),
    ],
)
def test_ordinary_series_are_split_by_time(name, cells, rhythm, tmp_path):
    """Dates as people write them, in any even step of clock or calendar, make a series without a gap."""
    cells = "2020-01-01T" + cells if "milli" in rhythm else cells
    found = diagnosis(tmp_path, {name: cells})
    assert found.data["kind"] == "series" and not said(found, "gaps")
    assert any(rhythm in note for note in found.data["notes"])


def test_the_time_column_may_stand_anywhere(tmp_path):
    """A column of dates is found behind others, and is not taken for the target that nobody named."""
    found = diagnosis(tmp_path, {"v": np.sin(np.arange(COUNT)), "when": DAYS.strftime("%Y-%m-%d")}, target=None)
    assert found.data["kind"] == "series" and found.data["outputs"] == ["v"]


def test_holidays_are_no_gaps_and_weeks_are(tmp_path):
    """Among business days a free one is a note; two weeks without rows are a warning."""
    days = pd.bdate_range("2020-01-01", periods=COUNT).delete([20, 60, *range(100, 110)])
    found = diagnosis(tmp_path, {"Date": days.strftime("%Y-%m-%d")})
    assert said(found, "holidays").startswith("2 days without a row")
    assert said(found, "gaps").startswith("1 gaps in 'Date', some 10 steps")


def test_uneven_dates_stay_a_table_with_a_warning(tmp_path):
    """Rows that are no series are dealt at random, which is said with the ways out."""
    days = DAYS[np.unique(np.random.default_rng(0).integers(0, COUNT, 150))]
    found = diagnosis(tmp_path, {"Date": days.strftime("%Y-%m-%d"), "x": np.arange(len(days)) % 7})
    assert found.data["kind"] == "table"
    assert "'Date' holds dates (its steps differ" in said(found, "dealt at random")
    assert "use --set time=Date, or --set side=COLUMN" in said(found, "dealt at random")


def test_uneven_dates_beside_one_column_are_a_series(tmp_path):
    """Where there is nothing to predict from but the past, uneven rows are a series with a warning."""
    days = DAYS[np.unique(np.random.default_rng(0).integers(0, COUNT, 150))]
    found = diagnosis(tmp_path, {"Date": days.strftime("%Y-%m-%d")})
    assert found.data["kind"] == "series" and "the steps of 'Date' differ (the usual one: day)" in said(found, "uneven")


def test_several_rows_for_each_moment_are_a_warning(tmp_path):
    """Dates that repeat are no series; one row for each moment would be."""
    found = diagnosis(tmp_path, {"Date": np.repeat(DAYS.strftime("%Y-%m-%d"), 3)})
    assert "600 rows, and 200 moments" in said(found, "dealt at random")


@pytest.mark.parametrize("order", ["by series", "by time"])
def test_stacked_series_are_named(order, tmp_path):
    """Several series in one file are told apart by their column; as one series they are refused."""
    frame = {"t": np.tile(np.arange(COUNT), 2), "id": np.repeat(["a", "b"], COUNT)}
    if order == "by time":
        frame = {name: cells.reshape(2, COUNT).T.ravel() for name, cells in frame.items()}
    found = diagnosis(tmp_path, frame)
    assert found.data["kind"] == "table"
    assert "several rows for each moment, one for each 'id'" in said(found, "dealt at random")
    assert "--set group=id" in said(found, "dealt at random")
    asked = diagnosis(tmp_path, frame, window=8)
    assert "one for each 'id'. Take one at a time" in asked.findings[0].message


def test_days_and_months_that_nothing_tells_apart_are_refused(tmp_path):
    """Where no day is over 12 a series is refused with the remedy, and a table is warned."""
    cells = [f"{at % 12 + 1:02d}/{at % 11 + 1:02d}/2010" for at in range(100)]
    found = diagnosis(tmp_path, {"Date": cells}, time="Date")
    assert "day and month cannot be told apart" in found.findings[0].message
    assert "write the dates as 2026-01-31" in found.findings[0].message
    assert "day and month cannot be told apart" in said(
        diagnosis(tmp_path, {"Date": cells, "x": np.arange(100) % 7}), "dealt at random"
    )


def test_first_of_month_is_told_by_its_steps(tmp_path):
    """Dates on the first of each month are even in one reading alone, which is taken."""
    found = diagnosis(tmp_path, {"Date": pd.date_range("2000-01-01", periods=COUNT, freq="MS").strftime("%d/%m/%Y")})
    assert any("every month; read with the day first" in note for note in found.data["notes"])


def test_classes_are_not_windows_unless_asked(tmp_path):
    """A table of days with a class for each stays a table, with the warning."""
    classes = np.random.default_rng(0).choice(["sun", "rain"], COUNT)
    columns = {"Date": DAYS.strftime("%Y-%m-%d"), "x": np.arange(COUNT) ** 0.5, "v": classes}
    found = diagnosis(tmp_path, columns)
    assert found.data["kind"] == "table" and "--set time=Date" in said(found, "dealt at random")
    assert diagnosis(tmp_path, columns, time="Date").data["kind"] == "series"


def test_rows_one_by_one_can_be_asked_for(tmp_path):
    """task=regression undoes what was decided, and leaves a note; sides of one's own leave nothing."""
    found = diagnosis(tmp_path, {"Date": DAYS.strftime("%Y-%m-%d"), "x": np.arange(COUNT) % 7}, task="regression")
    finding = next(finding for finding in found.findings if finding.check == "dealt at random")
    assert found.data["kind"] == "table" and finding.severity == "note"


@pytest.mark.parametrize("name", ["id", "year"])
def test_other_numbers_in_front_are_no_time(name, tmp_path):
    """A number of the row, and years that repeat, are columns as any other."""
    cells = np.arange(COUNT) if name == "id" else np.random.default_rng(0).integers(1990, 2020, COUNT)
    found = diagnosis(tmp_path, {name: cells, "x": np.random.default_rng(1).normal(size=COUNT)})
    assert found.data["kind"] == "table" and not said(found, "dealt at random")
