"""Texts that seem to be meant as amounts or dates: what is done with them is said, with a remedy."""

import numpy as np
import pandas as pd
import pytest
from csv_files import read

from finetune.config import make_config
from finetune.data.columns import Column
from finetune.data.frame_table import frame_table
from finetune.data.table_source import read_rows
from finetune.data.text_columns import _dates, text_findings

COUNT = 60


def found(folder, cells, *, frame=False, target="y", **wishes):
    """Return what is said of a column x of such cells, in a CSV file or a DataFrame."""
    data = pd.DataFrame({"x": cells, "y": np.arange(COUNT) * 7 % 11 / 3})
    if frame:
        table = frame_table(make_config({"data": "t", "target": target}), data)[0]
    else:
        table = read(folder, data.to_csv(index=False), text=[target], **wishes)
    return list(text_findings(table, target, frozenset()))


@pytest.mark.parametrize(
    ("make", "sign"),
    [("{}%", "%"), ("${}", "$"), ("{} €", "€"), ("{}kg", "kg"), ("$ {}.50", "$"), ("-{} °C", "°C")],
)
def test_numbers_with_a_sign_are_a_warning(tmp_path, make, sign):
    """A percentage, a price or a weight becomes a category, which is not what was meant."""
    (one,) = found(tmp_path, [make.format(row % 20) for row in range(COUNT)])
    assert one.severity == "warning" and f"holds numbers with {sign!r}" in one.message
    assert "taken as 20 different texts" in one.message and "--set categorical=x" in one.message


@pytest.mark.parametrize("make", ["room {}", "{}a", "Q{}", "A{}", "{}x{}", "{}-{}"])
def test_names_with_numbers_are_no_amounts(tmp_path, make):
    """Few texts with a letter, and texts that begin with one, may be names."""
    assert not found(tmp_path, [make.format(row % 4, row % 4) for row in range(COUNT)])


def test_texts_that_were_asked_for_are_left_alone(tmp_path):
    """Nobody is told again what they said."""
    assert not found(tmp_path, [f"{row % 20}%" for row in range(COUNT)], categorical=["x"])


def test_target_of_prices_is_told(tmp_path):
    """Prices with a sign would become classes."""
    (one,) = found(tmp_path, [f"${row % 20}" for row in range(COUNT)], target="x")
    assert "taken as 20 different classes" in one.message


@pytest.mark.parametrize("frame", [False, True], ids=["csv", "frame"])
@pytest.mark.parametrize(
    ("cells", "severity", "words"),
    [
        (pd.date_range("2026-01-01", periods=COUNT), "warning", "60 different texts"),
        (pd.date_range("2026-01-01", periods=6).repeat(10), "info", "6 different texts"),
        (pd.date_range("2026-01-01", periods=COUNT).strftime("%d.%m.%Y"), "warning", "60 different texts"),
        (pd.date_range("2026-01-01", periods=COUNT).strftime("%Y%m%d").astype(int), "warning", "taken as a number"),
    ],
)
def test_dates_are_told(tmp_path, cells, severity, words, frame):
    """A column of dates says what becomes of it and what to do, in a file as in a DataFrame."""
    (one,) = found(tmp_path, cells, frame=frame)
    assert (one.kind, one.severity) == ("dates", severity) and words in one.message
    assert "--set ignore=x" in one.message


def test_dates_that_name_the_rows_are_told_to_be_left_out(tmp_path):
    """What is left out for another reason is told so."""
    data = pd.DataFrame(
        {"x": pd.date_range("2026-01-01", periods=COUNT), "z": np.arange(COUNT) * 7 % 11, "y": [1, 2] * 30}
    )
    config = make_config({"data": "t", "target": "y"})
    rows = read_rows(config, frame_table(config, data)[0], "y")
    messages = [item.message for item in rows.findings if item.check == "dates"]
    assert len(messages) == 1 and "is left out" in messages[0]


def test_numbers_are_no_dates():
    """Account numbers of eight digits are numbers."""
    column = Column("x", "numeric", np.arange(COUNT) * 123457 + 1.0e7, (), "numbers")
    assert not list(_dates("", column, is_left_out=False))
