"""CSV files that list pictures: which column, which labels, what is skipped, what is refused."""

import pytest
from csv_files import write
from picture_files import encode, pixels

from finetune.config import make_config
from finetune.data.listed_pictures import scan_list
from finetune.data.picture_paths import path_column
from zoo.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path):
    """A folder with ten pictures."""
    for index in range(10):
        (tmp_path / f"{index}.png").write_bytes(encode(pixels()))
    return tmp_path


def scan(folder, content, column="path", **settings):
    """Read a list of this content."""
    return scan_list(make_config({"data": write(folder, content)} | settings), column)


def listed(labels, header="path,label"):
    """Return a list of pictures with these labels."""
    return "\n".join([header, *(f"{index}.png,{label}" for index, label in enumerate(labels))]) + "\n"


def refusal(folder, content, error=DataError, **settings):
    """Return the message with which a list is refused."""
    with pytest.raises(error) as caught:
        scan(folder, content, **settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "cell", "found"),
    [
        ("path,label", "{}.png", "path"),
        ("label,path", "gone{}.png", None),
        ("path,label", "gone{}.png", "path"),
        ("Image,label", "{}.png", "Image"),
        ("file,size,label", "gone{}.png,1", None),
        ("path,label", "/usr/bin/{}", None),
    ],
)
def test_column_of_paths_is_found_by_name_and_cells(folder, header, cell, found):
    """A column called path may list missing files; one called image or file must hold picture files."""
    rows = "".join(f"{cell.format(index)},a\n" for index in range(10))
    result = path_column(make_config({"data": write(folder, f"{header}\n{rows}")}))
    assert (result[0] if result else None) == found


def test_missing_picture_is_skipped_with_line_and_path(folder):
    """A path that leads nowhere is listed with its line, and the others are used."""
    examples, _ = scan(folder, "path,label\n0.png,a\n1.png,b\nsub/x.png,a\n")
    assert [(item.file, item.reason) for item in examples.skipped] == [("sub/x.png", "line 4: there is no such file")]
    assert examples.files == ("0.png", "1.png") and examples.source("0.png") == str(folder / "0.png")


def test_absolute_paths_are_taken(folder):
    """A path from the root needs no folder."""
    examples, _ = scan(folder, f"path,label\n{folder}/0.png,a\n1.png,b\n")
    assert examples.source(examples.files[0]) == str(folder / "0.png")


def test_web_address_is_no_file(folder):
    """An address is skipped with what to do."""
    examples, _ = scan(folder, "path,label\n0.png,a\n1.png,b\nhttps://example.org/x.png,a\n")
    assert "an address, not a file; fetch it first" in examples.skipped[0].reason


def test_folder_is_no_picture(folder):
    """A path that leads to a folder is listed with its line."""
    (folder / "sub").mkdir()
    examples, _ = scan(folder, "path,label\n0.png,a\n1.png,b\nsub,a\n")
    assert [(item.file, item.reason) for item in examples.skipped] == [("sub", "line 4: a folder, not a picture")]


def test_blank_label_is_skipped_with_its_line(folder):
    """A row without a class says nothing."""
    examples, _ = scan(folder, "path,label\n0.png,a\n1.png,b\n2.png,\n")
    assert examples.skipped[0].reason == "line 4: no label in the column 'label'"


def test_one_picture_with_two_labels_is_refused(folder):
    """The same file cannot be two things; several labels have their own way of being written."""
    message = refusal(folder, "path,label\n0.png,a\n./0.png,b\n1.png,b\n")
    assert "0.png is listed in lines 2 and 3 with the labels 'a' and 'b'" in message and "a|b" in message


def test_repeated_line_is_left_out(folder):
    """The same file with the same label counts once."""
    examples, _ = scan(folder, "path,label\n0.png,a\n1.png,b\n0.png,a\n")
    assert len(examples) == 2 and examples.left_out[0].reason == "line 4: listed before in line 2"


@pytest.mark.parametrize("word", ["NA", "None", "null", "nan", "007"])
def test_words_for_nothing_are_classes(folder, word):
    """Class names are text as the user wrote them."""
    examples, _ = scan(folder, listed([word, "b"]))
    assert set(examples.class_names) == {word, "b"}


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (["a", "b", "a|b", "a|b"], "multi_label"),
        (["a;c", "b;c", "a;b"], "multi_label"),
        (["x|y", "z", "z", "x|y"], "classification"),
        (["1.5", "2.5", "3.25"], "regression"),
        (["cat", "dog", "cat"], "classification"),
    ],
)
def test_task_goes_by_the_cells(folder, labels, task):
    """Labels recur in other cells; the parts of one name do not."""
    examples, decisions = scan(folder, listed(labels))
    assert examples.task == task
    assert {"task": task}.items() <= {item.what: item.value for item in decisions}.items()


def test_separator_of_labels_can_be_said(folder):
    """A comma stands between labels only where the user says so."""
    examples, _ = scan(folder, 'path,label\n0.png,"a,b"\n1.png,b\n2.png,\n', label_separator=",")
    assert examples.class_names == ("a", "b") and examples.labels == ((0, 1), (1,), ())


def test_labels_that_look_alike_are_warned_of(folder):
    """Spellings of one label are named."""
    examples, _ = scan(folder, listed(["cat", "Cat", "dog"]))
    assert [finding.check for finding in examples.findings] == ["similar labels"]


def test_class_only_in_test_is_refused(folder):
    """What training never sees cannot be learned."""
    content = "path,label,side\n0.png,a,train\n1.png,b,train\n2.png,c,test\n"
    assert "only in validation or test, where it cannot be learned: 'c'" in refusal(folder, content, side="side")


def test_class_without_a_picture_is_refused(folder):
    """A class whose pictures are all missing is named."""
    message = refusal(folder, "path,label\n0.png,a\n1.png,b\ngone.png,c\n")
    assert "no usable picture is left of 'c' (gone.png: line 4: there is no such file)" in message


def test_list_needs_a_target(folder):
    """Paths alone say nothing."""
    assert "a column is needed that says what each picture shows" in refusal(folder, "path\n0.png\n1.png\n")


def test_absent_target_gets_the_nearest_name(folder):
    """A column that is not there is answered with those that are."""
    assert "Nearest: label" in refusal(folder, listed(["a", "b"]), target="lable")


def test_forecasts_of_pictures_are_refused(folder):
    """A task that pictures have not is a fault of the config."""
    assert "needs a series" in refusal(folder, listed(["a", "b"]), ConfigError, task="forecasting")
