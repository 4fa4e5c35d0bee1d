"""Lists as they come from elsewhere: other names, other folders, no endings, backslashes, a column for each label."""

import pytest
from csv_files import write
from picture_files import encode, pixels

from finetune.config import make_config
from finetune.data.listed_pictures import scan_list
from finetune.data.picture_paths import path_column
from zoo.errors import DataError


@pytest.fixture
def folder(tmp_path):
    """A folder with ten pictures, and ten in a folder below it."""
    (tmp_path / "train").mkdir()
    for index in range(10):
        (tmp_path / f"{index}.png").write_bytes(encode(pixels()))
        (tmp_path / "train" / f"n{index}.png").write_bytes(encode(pixels()))
    return tmp_path


def config(folder, header, cell, **settings):
    """Return the config of a list of ten rows."""
    rows = "".join(f"{cell.format(index)},{'ab'[index % 2]}\n" for index in range(10))
    return make_config({"data": write(folder, f"{header}\n{rows}")} | settings)


@pytest.mark.parametrize("name", ["image_id", "img", "Filepath", "file_name", "photo", "img_path", "ImageName"])
def test_other_names_of_a_column_of_paths_are_known(folder, name):
    """What people call such a column is enough where its pictures are there."""
    assert path_column(config(folder, f"{name},label", "{}.png"))[0] == name


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        ("image,label", "n{}.png", r"'n0\.png' is not .*but train/n0\.png is.*write that"),
        ("id,label", "n{}", r"'n0' is not .*but train/n0\.png is"),
        ("image_id,label", "{}", r"'0' is not .*but 0\.png is"),
        ("img,label", r"train\n{}.png", r"'train\\\\n0\.png' is not .*but train/n0\.png is"),
        ("filename,label", "gone{}.png", r"'gone0\.png'.*not found.*looked for in .*--set ignore=filename"),
    ],
)
def test_pictures_that_are_elsewhere_are_looked_for(folder, header, cell, message):
    """A list beside which its pictures are not says where they were looked for, and where they are."""
    with pytest.raises(DataError, match=message):
        path_column(config(folder, header, cell))


@pytest.mark.parametrize(
    ("header", "cell"), [("id,size,label", "n{},3"), ("id,label", "x{}"), ("image,label", "yes"), ("id,label", "{}.5")]
)
def test_tables_stay_tables(folder, header, cell):
    """A number or text that could be a picture's name does not make a list of what else is a table."""
    assert path_column(config(folder, header, cell)) is None


def test_ignored_column_is_not_looked_at(folder):
    """The remedy of the message works."""
    assert path_column(config(folder, "filename,label", "gone{}.png", ignore="filename")) is None


def test_backslashes_get_a_hint(folder):
    """A path as Windows writes it is skipped with what to write."""
    listed = write(folder, "path,label\n0.png,a\n1.png,b\ntrain\\n1.png,a\n")
    examples, _ = scan_list(make_config({"data": listed}), "path")
    assert examples.skipped[0].reason == r"line 4: there is no such file, but train/n1.png is; write / for \ there"


ONE_HOT = "path,red,blue\n0.png,1,0\n1.png,0,1\n2.png,1,0\n3.png,0,1\n"
SEVERAL = ONE_HOT + "4.png,1,1\n5.png,0,0\n"


def read(folder, content, **settings):
    """Return the labels of a list by name."""
    examples, decisions = scan_list(make_config({"data": write(folder, content)} | settings), "path")
    return examples.task, examples.class_names, [examples.words(label) for label in examples.labels], decisions


def test_column_for_each_class_is_not_passed_over(folder):
    """Columns of 0 and 1 are named with the setting that takes them together."""
    with pytest.raises(DataError, match=r"'red', 'blue' hold 0 and 1.*--set target=red,blue"):
        read(folder, ONE_HOT)
    assert read(folder, ONE_HOT, target="blue", task="classification")[1] == ("0", "1")


def test_columns_of_classes_and_labels_are_read_together(folder):
    """One 1 in every row makes classes, anything else labels."""
    task, names, words, decisions = read(folder, ONE_HOT, target="red, blue")
    assert (task, names, words) == ("classification", ("blue", "red"), ["red", "blue", "red", "blue"])
    assert [decision.what for decision in decisions] == ["task"]
    assert read(folder, SEVERAL, target="red,blue")[2] == ["red", "blue", "red", "blue", "blue, red", "none"]
    assert read(folder, ONE_HOT, target="red,blue", task="multi_label")[0] == "multi_label"


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        (ONE_HOT + "4.png,2,0\n", {}, r"line 6, column 'red': '2'.*0 or 1"),
        (ONE_HOT + "4.png,,0\n", {}, r"line 6, column 'red': ''.*0 or 1"),
        (SEVERAL, {"task": "classification"}, r"line 6 has 2.*one 1.*task=multi_label"),
        (ONE_HOT, {"target": "red,green"}, "green"),
        (ONE_HOT, {"task": "regression"}, "regression"),
    ],
)
def test_other_cells_in_such_columns_are_refused(folder, content, settings, message):
    """What is neither 0 nor 1, and rows that contradict the task, are named."""
    with pytest.raises(Exception, match=message):
        read(folder, content, **({"target": "red,blue"} | settings))
