"""From a folder to Examples: what counts as a picture, and which arrangements are refused with which remedy."""

import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from picture_files import touch, unprivileged

from finetune.data import listing
from finetune.data.examples import Skipped, printable
from finetune.data.folder import scan_folder
from zoo.errors import DataError


def refusal(root: Path, **options: bool) -> str:
    """Give the message with which a folder is refused."""
    with pytest.raises(DataError) as caught:
        scan_folder(root, **options)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    """A sound folder of two classes."""
    return touch(tmp_path / "data", "cat/1.jpg", "cat/2.PNG", "dog/1.jpg")


@pytest.fixture
def visible(monkeypatch):
    """A temporary folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def test_class_folders_become_labelled_files(root):
    """Each file has the label of its folder; nothing is left out of a clean folder."""
    examples = scan_folder(str(root))
    assert examples.root == str(root)
    assert examples.files == ("cat/1.jpg", "cat/2.PNG", "dog/1.jpg")
    assert (examples.labels, examples.class_names) == ((0, 0, 1), ("cat", "dog"))
    assert not (examples.given_splits or examples.skipped or examples.left_out or examples.notes)


def test_root_is_absolute(root, monkeypatch):
    """A relative path still names the same folder after the working directory changed."""
    monkeypatch.chdir(root.parent)
    assert scan_folder("data").root == str(root)


def test_order_does_not_depend_on_the_file_system(root, monkeypatch):
    """Files come sorted by class and the bytes of their path, however the folder lists them."""
    cats = [
        b"1.jpg",
        b"2.PNG",
        b"B.jpg",
        b"Z.jpg",
        b"a.jpg",
        b"a/1.jpg",
        "ä.jpg".encode(),
        "😀.jpg".encode(),
        b"\xff.jpg",
    ]
    expected = ("Zoo/1.jpg", *(os.fsdecode(b"cat/" + name) for name in cats), "dog/1.jpg")
    touch(root, *expected[3:-1], "Zoo/1.jpg")
    assert scan_folder(root).files == expected
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self):
            return self.entries

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(listing.os, "scandir", Backwards)
    assert scan_folder(root).files == expected


@pytest.mark.parametrize("validation", ["validation", "val", "valid", "Val"])
def test_ready_made_splits_are_kept(tmp_path, validation):
    """Train, validation and test folders say which side each file is on."""
    sides = ("train", validation, "test")
    examples = scan_folder(touch(tmp_path, *(f"{side}/{name}/1.jpg" for side in sides for name in ("cat", "dog"))))
    side_of = dict(zip(examples.files, examples.given_splits, strict=True))
    assert side_of["train/cat/1.jpg"] == "train"
    assert side_of[f"{validation}/dog/1.jpg"] == "validation"
    assert side_of["test/dog/1.jpg"] == "test"
    assert examples.class_names == ("cat", "dog")
    assert sorted(examples.labels) == [0, 0, 0, 1, 1, 1]
    assert [examples.class_names[label] in file for file, label in zip(examples.files, examples.labels, strict=True)]


def test_ready_made_splits_are_stated(tmp_path):
    """The report says how many pictures each given side has."""
    touch(tmp_path, "train/cat/1.jpg", "train/cat/2.jpg", "train/dog/1.jpg", "test/cat/3.jpg", "test/dog/3.jpg")
    assert "split as the folders say: test 2, train 3" in scan_folder(tmp_path).notes


def test_a_class_may_be_called_train(tmp_path):
    """One such name among others is a class like any other."""
    assert scan_folder(touch(tmp_path, "bus/1.jpg", "train/1.jpg")).class_names == ("bus", "train")


def test_splits_with_different_classes_are_refused_with_the_difference(tmp_path):
    """A class that one side lacks could be neither learnt nor judged."""
    touch(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "train/bird/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg")
    assert "train has bird, which others lack" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["val/a/1.jpg", "val/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"], "test, val but no train"),
        (
            ["train/a/1.jpg", "val/a/1.jpg", "notes/1.jpg"],
            r"ready-made splits \(train, val\) beside other folders \(notes\)",
        ),
        (["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"], "2 folders for validation"),
        (["train/1.jpg", "train/2.jpg", "test/1.jpg"], "train holds 2 pictures and no class folders|test holds 1"),
        (
            ["1.jpg", "2.jpg"],
            "holds 2 pictures and no class folders. Put the pictures of each class into a folder of its own",
        ),
        (["notes.txt"], "holds no class folders"),
        (["cat/1.jpg"], "at least two class folders are needed; found cat"),
        (["train/cat/1.jpg", "train/dog/1.jpg"], "train holds the folders cat, dog: is .*train meant?"),
        (["train/cat/1.jpg", "test/cat/1.jpg"], "at least two class folders are needed; found cat"),
    ],
)
def test_other_arrangements_are_refused_with_the_remedy(tmp_path, files, words):
    """The message says what lies there and how it should lie."""
    with pytest.raises(DataError, match=words):
        scan_folder(touch(tmp_path, *files))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("dat", "does not exist; .* Nearest: data."),
        ("data/cat/1.jpg", "is a file of another kind; accepted are a folder of class folders, a CSV file"),
        ("table.xlsx", "Excel: 'CSV UTF-8'"),
        ("table.csv.gz", "Unpack it first"),
        ("table.parquet", "Write the table as CSV first"),
        ("Keras:mnist", "does not exist; accepted are .*keras:NAME"),
        ("pets.zip", "is an archive: unzip or unpack it"),
        ("pets.TAR.gz", "is an archive: unzip or unpack it"),
        ("data/cat/1.jpg/x", "does not exist"),
        ("nul\0byte", "cannot be read"),
    ],
)
def test_a_root_that_is_no_folder_is_refused(root, name, words):
    """What is not there or not a folder is named with the remedy."""
    touch(root.parent, "pets.zip", "pets.TAR.gz", "table.xlsx", "table.csv.gz", "table.parquet")
    with pytest.raises(DataError, match=words):
        scan_folder(root.parent / name)


def test_an_empty_class_folder_is_refused_by_name(root):
    """A class without pictures would be a phantom output of the model."""
    (root / "bird").mkdir()
    touch(root, "fish/scores.npy", "fish/notes.txt")
    message = refusal(root)
    assert "bird; fish (first of 2: fish/notes.txt, not a picture by its name: .txt)" in message
    assert "drop_empty_classes=true" in message


def test_empty_class_folders_can_be_dropped(root):
    """What was dropped is stated, and what lay in it is still listed."""
    touch(root, "bird/notes.txt")
    examples = scan_folder(root, drop_empty_classes=True)
    assert examples.class_names == ("cat", "dog")
    assert examples.notes == ("empty class folders left out: bird",)
    assert [item.file for item in examples.left_out] == ["bird/notes.txt"]


def test_dropping_leaves_at_least_two_classes(root):
    """Nothing can be told apart in a single class."""
    (root / "dog" / "1.jpg").unlink()
    assert "at least two class folders are needed; found cat" in refusal(root, drop_empty_classes=True)


def test_a_class_dropped_from_one_split_only_is_refused(tmp_path):
    """A class must be on all sides, also after empty folders went."""
    touch(tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "test/dog/notes.txt")
    assert "train has dog, which others lack" in refusal(tmp_path, drop_empty_classes=True)


def test_an_unreadable_class_folder_is_refused(visible):
    """Pictures that cannot be counted cannot be left out either."""
    touch(visible, "cat/1.jpg", "dog/1.jpg")
    (visible / "dog").chmod(0)
    with unprivileged():
        message = refusal(visible)
    assert message.startswith(f"{visible}/dog cannot be listed: Permission denied")


def test_pictures_below_a_class_folder_belong_to_it(root):
    """Nested folders are no classes of their own, and the report says so."""
    touch(root, "cat/kittens/small/3.jpg", "cat/kittens/.hidden")
    examples = scan_folder(root)
    assert examples.labels[examples.files.index("cat/kittens/small/3.jpg")] == 0
    assert examples.notes == ("1 of 4 pictures lie in folders below their class folder and belong to it",)


@pytest.mark.parametrize(
    ("name", "other", "shown"),
    [
        ("Cat", "cat", "'Cat' and 'cat'"),
        ("caf\u00e9", "cafe\u0301", r"('cafe\u0301') and 'café' ('caf\xe9')"),
        ("STRASSE", "straße", r"'STRASSE' and 'straße'"),
        ("cat", "cat ", "'cat' and 'cat '"),
    ],
)
def test_two_spellings_of_one_class_are_refused(tmp_path, name, other, shown):
    """They would become two outputs for one thing; both are named so that they can be told apart."""
    assert shown in refusal(touch(tmp_path, f"{name}/1.jpg", f"{other}/1.jpg"))


def test_two_spellings_across_splits_are_refused(tmp_path):
    """Cat in train and cat in test are named as spellings, not as missing classes."""
    touch(tmp_path, "train/Cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "test/dog/1.jpg")
    assert "'Cat' and 'cat' differ only in" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["two\nlines", os.fsdecode(b"\xff\xfe"), "bell\a"])
def test_a_class_name_must_be_text_on_one_line(root, name):
    """Class names go into tables and JSON files, so bytes that are no text are refused."""
    touch(root, f"{name}/1.jpg")
    assert f"the class folder {printable(name)} has control characters" in refusal(root)


def test_a_root_of_linked_class_folders_is_refused_with_the_reason(root):
    """Whoever linked all classes is told why none was found."""
    linked = root.parent / "linked"
    linked.mkdir()
    (linked / "cat").symlink_to(root / "cat")
    assert "no class folders (1 links to folders are not followed)" in refusal(linked)


def test_a_picture_beside_the_class_folders_is_skipped(root):
    """It shows something, but nobody knows what; many of them are a fault of the arrangement."""
    assert scan_folder(touch(root, "cover.jpg")).skipped == (Skipped("cover.jpg", "in no class folder"),)


def test_a_scan_keeps_under_400_bytes_a_file(tmp_path):
    """A hundred thousand files cost 40 MB at most."""
    touch(tmp_path, *(f"class_{number % 2}/IMG_{number:08d}.jpg" for number in range(2000)))
    tracemalloc.start()
    examples = scan_folder(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(examples) == 2000
    assert peak / 2000 < 400
