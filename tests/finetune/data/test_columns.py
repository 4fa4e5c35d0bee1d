"""From cells to columns: what is a number, what is text, and which cells are refused with which remedy."""

import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from csv_files import read, refusal

from finetune.data import table_head
from finetune.data.columns import as_numbers, looks_numeric, require_column
from finetune.data.number_cells import parse_numbers
from finetune.data.table_reading import read_table
from finetune.data.text_table import cells_of
from zoo.errors import ConfigError, DataError


def column(folder, cells, **options):
    """Read one column beside a column of line numbers."""
    return read(folder, "n,x\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)), **options).columns["x"]


def fault(folder, cells, **options):
    """Give the message with which a column is refused."""
    return refusal(folder, "n,x\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells)), **options)


def numbers(texts, decimal="."):
    """Read texts as numbers."""
    return parse_numbers(cells_of([text.encode() for text in texts]), decimal)


@pytest.mark.parametrize(
    "text",
    ["0", "-1", "+1", "1.", ".5", "-.5", "1e3", "1E-3", "-2.5e+07", "0.1", "123456789012345", "0.30000000000000004"]
    + ["12345678901234567890", "1" * 45, "4.9e-324", "1.7976931348623157e308", "0000.5", "-0", "1e-400"],
)
def test_numbers_are_read_exactly(text):
    """Every form gives the double that Python reads, whatever way it takes through the parser."""
    parsed = numbers([text, f"  {text}\t"])
    assert not parsed.is_odd.any()
    assert parsed.values.tobytes() == np.array([float(text)] * 2).tobytes()


def test_random_numbers_are_read_exactly():
    """Numbers of up to 20 digits with the point anywhere are correctly rounded."""
    generator = random.Random(0)
    texts = []
    for _ in range(5000):
        digits = "".join(generator.choices("0123456789", k=generator.randint(1, 20)))
        at = generator.randint(0, len(digits))
        texts.append(generator.choice(["", "-", "+"]) + digits[:at] + generator.choice(["", "."]) + digits[at:])
    parsed = numbers(texts)
    assert not parsed.is_odd.any() and parsed.values.tobytes() == np.array(list(map(float, texts))).tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1x",
        "1e",
        "e1",
        ".",
        "-",
        "+",
        "1.2.3",
        "--1",
        "1-",
        "1 2",
        "1_0",
        "0x10",
        "inf",
        "-Infinity",
        "nan",
        "1e999",
    ]
    + ["1,5", "١", "1\u00a0", "1e1.5", "1" * 20 + "x", "1" * 400, "−1", "1" * 50 + "." * 2],
)
def test_what_is_no_number_is_seen(text):
    """The grammar is our own: no words, no underscores, no foreign digits, nothing infinite."""
    parsed = numbers([text, "1"])
    assert parsed.is_odd.tolist() == [True, False] and math.isnan(parsed.values[0]) and parsed.values[1] == 1


def test_column_of_numbers_is_numeric(tmp_path):
    """Numbers with blanks around them and blank cells between them are numbers."""
    found = column(tmp_path, ["1", " 2.5 ", "", "-3e2"])
    assert (found.kind, found.values.dtype, found.categories) == ("numeric", np.float64, ())
    assert np.array_equal(found.values, [1, 2.5, np.nan, -300], equal_nan=True)


def test_column_of_texts_is_categorical(tmp_path):
    """Texts become codes into sorted categories, spelled as the user wrote them; blanks are -1."""
    found = column(tmp_path, ["dog", " cat", "", "dog", "  "])
    assert (found.kind, found.categories, found.values.tolist()) == ("categorical", (" cat", "dog"), [1, 0, -1, 1, -1])
    assert found.why == "2 different texts" and found.values.dtype == np.int32


def test_labels_stay_text_whatever_they_look_like(tmp_path):
    """NA, None, null and nan are class names where the user asks for text; 007 and 7 are two of them."""
    labels = ["NA", "None", "null", "nan", "007", "7", "1e999", "-", ""]
    found = column(tmp_path, labels, text=["x"], missing_texts=["NA"])
    assert [found.categories[code] if code >= 0 else "" for code in found.values] == labels


def test_zeros_in_front_make_names(tmp_path):
    """Postal codes and the like are no amounts."""
    found = column(tmp_path, ["10115", "01067", "80331"])
    assert (found.kind, found.categories) == ("categorical", ("01067", "10115", "80331"))


def test_zeros_in_front_of_measurements_do_not(tmp_path):
    """Where other cells have a sign or a point, 007 is a number like them."""
    assert column(tmp_path, ["007", "1.5", "-2"]).values.tolist() == [7, 1.5, -2]


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999", "nan"])
def test_infinite_numbers_are_refused(tmp_path, text):
    """What is no finite number is named with its line and column."""
    message = fault(tmp_path, ["1"] * 5 + [text] + ["2"] * 5)
    assert f"table.csv line 7, column 'x': '{text}' is no number" in message and "--set ignore=x" in message


@pytest.mark.parametrize("cells", [["1", "1;5", "2"], ["1;5", "2;25"]])
def test_decimal_comma_is_recognised(tmp_path, cells):
    """One cell or all of them: the message offers the setting."""
    message = refusal(tmp_path, "n|x\n" + "".join(f"1|{cell}\n" for cell in cells).replace(";", ","))
    assert "'1,5' is no number: the decimal sign is '.'" in message and "--set 'decimal=,'" in message


def test_thousands_are_recognised(tmp_path):
    """`1,234` may be either, so both remedies are named."""
    message = fault(tmp_path, ["1", '"1,234"', "2"])
    assert "--set 'decimal=,'" in message and "remove it if it separates thousands" in message


@pytest.mark.parametrize("text", ['"1,234,567"', '"1,234.5"', "1 234", "1'234"])
def test_other_thousands_are_recognised(tmp_path, text):
    """What can only be thousands is refused as such."""
    assert "without separators between thousands" in fault(tmp_path, ["1", text, "2"])


def test_decimal_comma_is_read_where_declared(tmp_path):
    """With decimal=, a comma is the point, and a point is none."""
    table = read(tmp_path, "a;b\n1,5;-2\n,25;3,0\n", decimal=",")
    assert [table.columns[name].values.tolist() for name in "ab"] == [[1.5, 0.25], [-2, 3]]
    assert "decimal=." in refusal(tmp_path, "a;b\n1.5;2\n2,5;3\n", decimal=",")


def test_nearly_all_numbers_is_a_fault(tmp_path):
    """One typing error in a hundred cells does not make a hundred categories."""
    message = fault(tmp_path, [str(n) for n in range(60)] + ["12o"] + [str(n) for n in range(60)] + ["x"])
    assert "line 62, column 'x': '12o' is no number: 120 of the column's 122 cells are numbers" in message
    assert "--set categorical=x" in message and "--set ignore=x" in message


def test_some_numbers_among_texts_are_text_with_a_note(tmp_path):
    """Under 95 % of numbers the column is categorical, and the report says that it is mixed."""
    table = read(tmp_path, "n,x\n" + "".join(f"1,{cell}\n" for cell in ["1", "2", "many", "3", "few"]))
    assert table.columns["x"].kind == "categorical"
    assert table.notes == ("column 'x' holds texts: 3 of 5 cells are numbers, but not 'many' (line 4) and others",)


def test_marks_of_missing_values_are_not_taken_for_categories(tmp_path):
    """A column of numbers and NA would else become as many categories as numbers; the remedy is a setting."""
    cells = ["1.5", "NA", "2.5", "NA"]
    assert "--set missing_texts=NA" in fault(tmp_path, cells)
    assert np.isnan(column(tmp_path, cells, missing_texts=["NA"]).values).tolist() == [False, True, False, True]


def test_kinds_can_be_asked_for(tmp_path):
    """Whole numbers as categories, padded ones as numbers, a column left out."""
    table = read(tmp_path, "a,b,c\n1,007,x\n2,008,y\n", categorical=["a"], numeric=["b"], ignore=["c"])
    assert table.columns["a"].categories == ("1", "2") and table.columns["a"].asked
    assert table.columns["b"].values.tolist() == [7, 8]
    assert [*table.columns] == ["a", "b"] and table.left_out[0].column == "c"


def test_text_in_a_column_asked_to_be_numeric_is_refused(tmp_path):
    """The wish does not make numbers of words."""
    assert "line 3, column 'x': 'b' is no number" in fault(tmp_path, ["1", "b", "c"], numeric=["x"])


def test_contradicting_wishes_are_a_fault_of_the_settings(tmp_path):
    """One column cannot be asked for as two kinds."""
    with pytest.raises(ConfigError, match="asked for as numeric and as ignore"):
        read(tmp_path, "a\n1\n", numeric=["a"], ignore=["a"])


def test_absent_column_lists_the_columns_and_the_nearest(tmp_path):
    """A typing error in the target's name is answered with the name."""
    table = read(tmp_path, "age,class\n1,a\n", ignore=["age"])
    with pytest.raises(DataError, match="has no column 'clas'; it has class. Nearest: class"):
        require_column(table, "clas")
    with pytest.raises(DataError, match="column 'age' was left out: asked for"):
        require_column(table, "age")
    with pytest.raises(DataError, match="it has age, class"):
        read(tmp_path, "age,class\n1,a\n", numeric=["agee"])


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("values", [(0, 1, 2), (1, 2, 3), (17, 3, 8)])
def test_index_without_a_name_is_left_out(tmp_path, name, values):
    """What pandas writes in front of the rows is no feature, in order or shuffled."""
    table = read(tmp_path, f"{name},a\n" + "".join(f"{value},{value}.5\n" for value in values))
    assert [*table.columns] == ["a"] and table.left_out[0].reason.startswith("no name, and ")


def test_blank_column_without_a_name_is_left_out(tmp_path):
    """Separators at the end of every line, the header's too, make a column of nothing."""
    table = read(tmp_path, "a,b,\n1,2,\n3,4,\n")
    assert [*table.columns] == ["a", "b"] and table.left_out[0].reason == "no name and no cells"


@pytest.mark.parametrize("content", ["a,\n1,2.5\n2,3.5\n", "a,\n1,x\n2,y\n", ",a\n1.5,2\n2.5,3\n"])
def test_data_without_a_name_is_refused(tmp_path, content):
    """Only an index may do without."""
    assert "has no name, and it is no index of rows" in refusal(tmp_path, content)


def test_formula_is_text(tmp_path):
    """A cell that a spreadsheet would run is a category like others."""
    assert column(tmp_path, ['"=HYPERLINK(""http://x"")"', "b"]).categories[0] == '=HYPERLINK("http://x")'


def test_column_that_turns_out_to_be_text_is_read_again(tmp_path, monkeypatch):
    """Numbers in the first block and texts in later ones give all cells as they were written."""
    monkeypatch.setattr(table_head, "MAX_BLOCK_BYTES", 64)
    cells = ["1.50"] * 100 + ["x"] * 100
    found = column(tmp_path, cells)
    assert [found.categories[code] for code in found.values] == cells


def test_column_that_turns_out_to_be_names_is_read_again(tmp_path, monkeypatch):
    """A postal code with a zero in front far below keeps its zero."""
    monkeypatch.setattr(table_head, "MAX_BLOCK_BYTES", 64)
    cells = [str(n) for n in range(10_000, 10_100)] + ["01067"]
    found = column(tmp_path, cells)
    assert [found.categories[code] for code in found.values] == cells


def test_column_that_begins_with_texts_may_be_faulty_numbers(tmp_path):
    """The share of numbers is that of all cells, not of the first block."""
    assert "'x' is no number" in fault(tmp_path, ["x"] * 5 + [str(n) for n in range(200)])


def test_blank_cells_first_do_not_decide(tmp_path):
    """A column that is blank in its first blocks is what its cells are."""
    assert column(tmp_path, [""] * 50 + ["x"]).categories == ("x",)


def test_texts_can_be_turned_into_numbers(tmp_path):
    """A target read as text is a number for regression."""
    table = read(tmp_path, "y\n1.5\n 2\n1.5\n", text=["y"])
    assert looks_numeric(table, "y")
    assert as_numbers(table, "y").values.tolist() == [1.5, 2, 1.5]


def test_target_that_is_no_number_is_named(tmp_path):
    """The line and the text of the first one; a blank is NaN."""
    table = read(tmp_path, "n,y\n1,1.5\n2,\n3,2.5\n4,many\n5,few\n", text=["y"])
    assert not looks_numeric(table, "y")
    with pytest.raises(DataError, match="line 5, column 'y': 'many' is no number"):
        as_numbers(table, "y")
    table = read(tmp_path, "n,y\n1,1.5\n2,\n", text=["y"])
    assert math.isnan(as_numbers(table, "y").values[1])


def test_target_that_is_too_large_is_named(tmp_path):
    """What a CSV file can say is more than 32-bit numbers hold."""
    table = read(tmp_path, "n,y\n1,1.5\n2,1e39\n", text=["y"])
    with pytest.raises(DataError, match="line 3, column 'y': 1e\\+39 is too large"):
        as_numbers(table, "y")


def test_target_is_offered_no_remedy_of_features(tmp_path):
    """Leaving the target out, or asking for categories, would not help."""
    table = read(tmp_path, "n,y\n1,1.5\n2,inf\n", text=["y"])
    with pytest.raises(DataError, match="'inf' is no number.*Take it out$"):
        as_numbers(table, "y", remedy="Take it out")


def test_columns_cannot_be_changed(tmp_path):
    """A table is a value: its arrays are read-only."""
    with pytest.raises(ValueError, match="read-only"):
        read(tmp_path, "a\n1\n").columns["a"].values[0] = 2


@pytest.mark.parametrize(
    ("name", "num_rows", "columns"),
    [("wine", 178, 14), ("diabetes", 442, 11), ("sunspots", 309, 2)],
)
def test_sample_tables_are_read(name, num_rows, columns):
    """The tables that come with the project have the rows and columns that their cards state."""
    table = read_table(str(Path(__file__).parents[3] / "data" / f"{name}.csv"))
    assert (table.num_rows, len(table.columns), table.notes, table.left_out) == (num_rows, columns, (), ())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process grew by")
def test_memory_stays_within_three_times_the_arrays(tmp_path):
    """100,000 rows of 45 numbers and 5 texts: the growth of the process against the bytes of the result."""
    generator = np.random.default_rng(0)
    path = tmp_path / "large.csv"
    with open(path, "w") as file:
        file.write(",".join(f"c{i}" for i in range(50)) + "\n")
        for _ in range(100_000):
            file.write(",".join([*(f"{x:.6g}" for x in generator.normal(size=45)), "a", "b", "c", "d", "e"]) + "\n")
    code = (
        "import sys\n"
        "from finetune.data.table_reading import read_table\n"
        "def memory(name):\n"
        "    return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith(name))\n"
        "before = memory('VmRSS')\n"
        "table = read_table(sys.argv[1])\n"
        "grown = memory('VmHWM') - before\n"
        "print(grown * 1024 / sum(column.values.nbytes for column in table.columns.values()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3
