"""Faults and dangers in a table, planted one by one; and none invented where there are none."""

from pathlib import Path

import numpy as np
import pytest
from csv_files import read

from finetune.data.columns import Column, LeftOut, Table
from finetune.data.repeated_rows import repeated_rows
from finetune.data.table_checks import Finding, apply_findings, check_table
from finetune.data.table_leaks import is_copy
from finetune.data.table_reading import read_table
from zoo.errors import DataError

LABELS = np.array(["cat", "dog", "cow"])[np.random.default_rng(1).integers(0, 3, 40)]


def table(folder, **columns) -> Table:
    """Read a table of random numbers `x`, labels `y`, and these columns."""
    wishes = columns.pop("wishes", {"text": ["y"]})
    columns = {"x": np.random.default_rng(0).normal(size=40).round(4), "y": LABELS, **columns}
    rows = zip(*columns.values(), strict=True)
    return read(folder, "\n".join(",".join(map(str, row)) for row in [columns, *rows]) + "\n", **wishes)


def only(findings: list[Finding]) -> Finding:
    """Give the one finding."""
    assert len(findings) == 1, findings
    return findings[0]


def test_nothing_is_found_in_a_good_table(tmp_path):
    """Numbers and labels that have nothing to do with each other are let pass."""
    assert not check_table(table(tmp_path), "y")


@pytest.mark.parametrize(("name", "target"), [("wine", "class"), ("diabetes", "progression"), ("sunspots", "sunspots")])
def test_nothing_is_found_in_the_sample_tables(name, target):
    """Real data without a planted fault raise no alarm."""
    path = str(Path(__file__).parents[3] / "data" / f"{name}.csv")
    assert not check_table(read_table(path), target)


@pytest.mark.parametrize("cell", ["7", "same"])
def test_constant_column_is_left_out(tmp_path, cell):
    """Nothing can be learnt from what never changes."""
    found = only(check_table(table(tmp_path, extra=[cell] * 40), "y"))
    assert (found.kind, found.severity, found.columns, found.leaves_out) == ("constant", "warning", ("extra",), True)


def test_blank_column_is_left_out(tmp_path):
    """A column without any cell is no error of missing numbers."""
    assert only(check_table(table(tmp_path, extra=[""] * 40), "y")).kind == "blank column"


@pytest.mark.parametrize("code", [{"cat": "a", "dog": "b", "cow": "c"}, {"cat": 5, "dog": 0, "cow": -1.5}])
def test_label_in_other_words_is_left_out(tmp_path, code):
    """A column that goes one to one with the classes is the answer, as text or as numbers."""
    found = only(check_table(table(tmp_path, extra=[code[label] for label in LABELS]), "y"))
    assert found.kind == "label copy" and found.leaves_out and "says the same as the target 'y'" in found.message
    assert "--set " in found.message


def test_column_that_tells_one_class_is_no_copy(tmp_path):
    """What tells a class from the others without saying all is a feature."""
    assert not check_table(table(tmp_path, extra=["big" if label == "cow" else "small" for label in LABELS]), "y")


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (-2.5, 300), (1e-6, 0), (1, 1e4)])
def test_target_in_other_units_is_a_copy(scale, shift):
    """Numbers that are the numeric target, scaled and shifted, are the answer."""
    target = np.random.default_rng(0).normal(size=100)
    copy = Column("x", "numeric", target * scale + shift, (), "")
    assert is_copy(copy, Column("y", "numeric", target, (), ""))


def test_number_that_follows_the_target_is_no_copy():
    """A strong feature is a good one."""
    target = np.random.default_rng(0).normal(size=100)
    near = target + 0.01 * np.random.default_rng(1).normal(size=100)
    assert not is_copy(Column("x", "numeric", near, (), ""), Column("y", "numeric", target, (), ""))


def test_columns_that_were_asked_for_are_kept(tmp_path):
    """The user's word counts more than a suspicion, which is still told."""
    copy = {"extra": [str(label)[-1] for label in LABELS], "wishes": {"text": ["y"], "categorical": ["extra"]}}
    found = only(check_table(table(tmp_path, **copy), "y"))
    assert not found.leaves_out and "It is kept" in found.message


@pytest.mark.parametrize("cells", [[f"id{n}" for n in range(40)], list(range(40)), list(range(1, 41))])
def test_names_of_rows_are_left_out(tmp_path, cells):
    """A different text in every row, or a count of the rows, cannot tell anything of other rows."""
    assert only(check_table(table(tmp_path, extra=cells), "y")).kind == "identifier"


def test_labels_that_are_nearly_alike_are_named(tmp_path):
    """Case, blanks and zeros in front make other classes, so they are shown."""
    labels = ["cat", " cat", "Cat", "007", "7", "dog", "dog", "dog", "fish", "ﬁsh"] * 4
    found = only(check_table(table(tmp_path, y=labels), "y"))
    assert (found.kind, found.severity, found.leaves_out) == ("similar labels", "warning", False)
    assert (
        "' cat', 'Cat', 'cat'" in found.message and "'007', '7'" in found.message and "'fish', 'ﬁsh'" in found.message
    )


def test_rows_without_a_target_are_skipped_with_their_line(tmp_path):
    """One of forty is let pass; the other findings do not look at it."""
    labels = [*LABELS[:10], "", *LABELS[11:]]
    found = only(check_table(table(tmp_path, y=labels), "y"))
    assert (found.kind, found.severity, found.rows, found.leaves_out) == ("blank target", "warning", (10,), True)
    assert "1 row without a target" in found.message and "line 12" in found.message


def test_many_rows_without_a_target_are_refused(tmp_path):
    """Over one percent is a fault of the table."""
    found = only(check_table(table(tmp_path, y=[*LABELS[:35], "", "", " ", "", ""]), "y"))
    assert found.severity == "error" and "over the limit of 1%" in found.message


@pytest.mark.parametrize(("labels", "kind"), [([""] * 40, "blank target"), (["cat"] * 40, "constant target")])
def test_target_without_two_values_is_refused(tmp_path, labels, kind):
    """There must be something to tell apart."""
    found = check_table(table(tmp_path, y=labels), "y")[0]
    assert (found.kind, found.severity) == (kind, "error")


def test_absent_target_is_refused(tmp_path):
    """The message lists the columns."""
    with pytest.raises(DataError, match="has no column 'z'; it has x, y"):
        check_table(table(tmp_path), "z")


def test_blank_numbers_are_an_error_without_a_policy(tmp_path):
    """The first line is named; with a policy it is only told."""
    cells = ["", *range(1, 39), ""]
    one = table(tmp_path, extra=cells)
    found = only(check_table(one, "y"))
    assert (found.kind, found.severity, found.rows) == ("blank cells", "error", (0, 39))
    assert "table.csv line 2, column 'extra': 2 rows of 40 have a blank cell" in found.message
    assert only(check_table(one, "y", missing="mean")).severity == "info"


def test_blank_cells_of_categories_are_no_fault(tmp_path):
    """Nothing is a category of its own."""
    assert not check_table(table(tmp_path, extra=["", "a", "b", "a"] * 10), "y")


def test_repeated_rows_are_named_by_line(tmp_path):
    """A row that occurs twice may lie on both sides of a split."""
    numbers = [*range(100, 138), 100.0, 101]
    one = table(tmp_path, x=numbers, y=[*LABELS[:38], *LABELS[:2]])
    found = only(check_table(one, "y"))
    assert (found.kind, found.severity, found.rows) == ("duplicate rows", "warning", (38, 39))
    assert "2 rows are equal to an earlier one;" in found.message and "line 40 = 2, 41 = 3" in found.message


def test_same_row_with_two_labels_is_named(tmp_path):
    """One of the two labels is wrong, or something is not measured."""
    one = table(tmp_path, x=[*range(100, 139), 100], y=[*LABELS[:39], "fish"])
    found = only([item for item in check_table(one, "y") if item.kind != "imbalance"])
    assert (found.kind, found.rows) == ("contradicting rows", (39,)) and "line 41 = 2" in found.message


def test_rows_of_few_categories_repeat_by_nature(tmp_path):
    """Where most rows are like others, this is said but no warning."""
    one = table(tmp_path, x=["a", "b"] * 20)
    assert {finding.severity for finding in check_table(one, "y")} == {"info"}


@pytest.mark.parametrize("digits", [3, 15])
def test_rows_that_repeat_against_all_chance_are_a_warning(tmp_path, digits):
    """Random numbers that come five times each were copied, however many rows are copies."""
    values = np.random.default_rng(0).normal(size=60).round(digits)
    one = table(tmp_path, x=np.tile(values, 5), y=np.tile(np.array(["a", "b", "c"]), 100))
    found = [finding for finding in check_table(one, "y") if finding.kind.endswith("rows")]
    assert {finding.severity for finding in found} == {"warning"} and sum(len(f.rows) for f in found) == 240


def test_whole_numbers_of_a_small_range_repeat_by_nature(tmp_path):
    """Grades and ages leave few combinations."""
    generator = np.random.default_rng(0)
    one = table(tmp_path, x=generator.integers(1, 7, 200), z=generator.integers(1, 4, 200), y=["a", "b"] * 100)
    assert {f.severity for f in check_table(one, "y") if f.kind.endswith("rows")} == {"info"}


def test_very_uneven_classes_are_told(tmp_path):
    """Accuracy alone would mislead there."""
    found = only(check_table(table(tmp_path, y=["cat"] * 39 + ["dog"]), "y"))
    assert (found.kind, found.severity) == ("imbalance", "info") and "'cat' 39 rows and 'dog' 1" in found.message


def test_findings_are_applied(tmp_path):
    """Columns and rows that findings leave out are gone, the columns with their reason."""
    one = table(tmp_path, extra=[1] * 40, y=["", *LABELS[1:]])
    rest = apply_findings(one, check_table(one, "y"))
    assert ([*rest.columns], rest.num_rows, rest.lines[0]) == (["x", "y"], 39, 3)
    assert rest.left_out == (LeftOut("extra", "constant"),)


def test_rows_of_findings_are_those_of_the_whole_table(tmp_path):
    """A skipped row in front does not shift what is said of later ones."""
    one = table(tmp_path, x=[*range(100, 139), 138], y=["", *LABELS[1:39], LABELS[38]])
    found = check_table(one, "y")[1]
    assert (found.kind, found.rows) == ("duplicate rows", (39,)) and "line 41 = 40" in found.message


def test_equal_rows_are_found_among_blanks_and_zeros():
    """Two blanks are the same, and so are 0 and -0."""
    numbers = np.array([np.nan, 0.0, 1.0, np.nan, -0.0, 1.0])
    codes = np.array([1, 2, 3, 1, 2, -1], np.int32)
    assert repeated_rows([numbers, codes]).tolist() == [[0, 3], [1, 4]]


def test_repeated_rows_point_to_the_first():
    """Three equal rows are two repetitions of one."""
    assert repeated_rows([np.array([5.0, 6.0, 5.0, 5.0])]).tolist() == [[0, 2], [0, 3]]


@pytest.mark.parametrize("text", ["1e300", "-1e19"])
def test_numbers_that_no_model_computes_with_are_an_error(tmp_path, text):
    """A feature beyond 1e18 has no variance in 32 bits; it is named with its line."""
    table = read(
        tmp_path,
        "x,n,y\n" + "".join(f"{text if row == 5 else row % 7},{row * 3 % 11},{row % 2}\n" for row in range(20)),
    )
    found = [finding for finding in check_table(table, "y") if finding.severity == "error"]
    assert [finding.kind for finding in found] == ["large numbers"] and "table.csv line 7, column 'x': " in found[
        0
    ].message
