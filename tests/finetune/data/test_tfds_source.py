"""Data sets that tensorflow-datasets prepared: by name and by folder, and what is refused."""

import sys

import numpy as np
import pytest
from picture_files import encode, pixels
from prepared_sets import BOXES, IMAGE, LABEL, features_json, prepare
from small_pictures import SETTINGS

import finetune
from finetune.config import make_config
from finetune.data.images import open_image
from finetune.data.sources import find_pictures
from finetune.data.tfds_source import is_tfds, scan_tfds
from zoo.errors import DataError


def scan(base, data="tfds:tiny", **settings):
    """Read a prepared data set."""
    return scan_tfds(make_config({"data": data, "datasets_dir": str(base)} | settings))


def refusal(base, data="tfds:tiny", **settings):
    """Return the message with which a data set is refused."""
    with pytest.raises(DataError) as caught:
        scan(base, data, **settings)
    return str(caught.value)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_pictures_come_as_the_bytes_of_their_files(tmp_path, file_format):
    """Both forms of files give the encoded pictures in their order, so that the one decoder decodes them."""
    prepare(tmp_path, file_format=file_format)
    examples = scan(tmp_path)
    assert examples.files[:2] == ("train[0]", "train[1]") and examples.class_names == ("cat", "dog")
    assert examples.given_splits.count("test") == 4 and examples.root == "tfds:tiny:1.0.0"
    assert examples.source("train[3]") == encode(pixels(3))
    np.testing.assert_array_equal(
        np.array(open_image(examples.source("test[0]"))), np.array(open_image(encode(pixels(16))))
    )


def test_folder_is_known_by_its_files(tmp_path):
    """The folder of a version is DATA too."""
    folder = prepare(tmp_path)
    assert is_tfds(str(folder)) and not is_tfds(str(tmp_path))
    assert len(scan(tmp_path, str(folder))) == 20


def test_part_of_a_split_is_split_by_us(tmp_path):
    """A split that is named is all there is, and no side is given."""
    prepare(tmp_path)
    examples = scan(tmp_path, "tfds:tiny:train[:50%]")
    assert len(examples) == 8 and examples.given_splits == () and examples.files[0] == "train[:50%][0]"
    assert examples.source(examples.files[5]) == encode(pixels(5))


def test_other_splits_are_left_out_and_noted(tmp_path):
    """A split that is no side is not used, and one without labels neither."""
    prepare(tmp_path, splits={"train": [0, 1] * 4, "extra": [0, 1], "test": [-1, -1]})
    examples = scan(tmp_path)
    assert len(examples) == 8 and examples.given_splits == ()
    assert {"split extra is not used", "split test is left out: it has no labels"} <= set(examples.notes)


def test_unknown_name_gets_near_names(tmp_path):
    """A typo is answered with what is here and what the library knows; nothing is fetched."""
    prepare(tmp_path, "tiny")
    assert "Nearest: tiny" in refusal(tmp_path, "tfds:tinny")
    assert "Nearest: fashion_mnist" in refusal(tmp_path, "tfds:fashion_minst")


def test_known_but_absent_name_says_how_to_bring_it(tmp_path):
    """The library's own command prepares it, elsewhere."""
    assert "nothing is fetched" in (message := refusal(tmp_path, "tfds:mnist"))
    assert "tfds build mnist --file_format=array_record" in message


@pytest.mark.parametrize("name", ["evil_features.Custom", "os.path.join", "tensorflow_datasets.core.features..os.x"])
def test_custom_class_is_refused_and_never_imported(tmp_path, monkeypatch, name):
    """A feature whose class is not the library's own would be imported by it; its module is not touched."""
    (tmp_path / "evil_features.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    prepare(tmp_path, features=features_json(image=IMAGE, label=LABEL | {"pythonClassName": name}))
    assert f"names the class {name!r}, which is not one of tensorflow-datasets' own" in refusal(tmp_path)
    assert "evil_features" not in sys.modules


@pytest.mark.parametrize("split", ["validation", "train[:0]", "train[", "nope[1:2]", "train[5:3]", "train[50%:10%]"])
def test_absent_or_empty_split_lists_the_splits(tmp_path, split):
    """What is not there is answered with what is."""
    prepare(tmp_path)
    assert "there are train (16), test (4)" in refusal(tmp_path, f"tfds:tiny:{split}")


def test_slice_over_the_end_says_how_many_there_are(tmp_path):
    """A slice of more examples than a split has is answered with how many it has."""
    prepare(tmp_path)
    assert "'train[:99]' cannot be taken of 'train'; there are train (16)" in (
        found := refusal(tmp_path, "tfds:tiny:train[:99]")
    )
    assert "such as train[:16]" in found


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"image": IMAGE}, "no feature is a class label, so there is nothing to learn. Features: image (Image)"),
        ({"image": IMAGE, "a": LABEL, "b": LABEL}, "several labels; name the one to learn with --set target=NAME"),
        ({"image": IMAGE, "label": LABEL, "boxes": BOXES}, "boxes/* holds boxes"),
        ({"label": LABEL}, "one picture an example is expected; there are 0. Features: label (ClassLabel)"),
    ],
)
def test_other_features_are_named(tmp_path, features, message):
    """Data that are not one picture with one class say what they are."""
    prepare(tmp_path, features=features_json(**features))
    assert message in refusal(tmp_path)


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "{}", '"text"'])
def test_damaged_features_are_refused(tmp_path, content):
    """A features.json that says nothing is named."""
    prepare(tmp_path, features=content)
    assert "features.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "dataset_info.json is damaged"),
        ("[]", "dataset_info.json is damaged"),
        ('{"name": "tiny"}', "dataset_info.json is damaged"),
        ('{"name": "tiny", "version": "1.0.0", "fileFormat": "tape"}', "dataset_info.json is damaged"),
    ],
)
def test_damaged_info_is_refused(tmp_path, content, message):
    """A dataset_info.json that the library cannot take is named, with the remedy."""
    (prepare(tmp_path) / "dataset_info.json").write_text(content)
    assert message in (found := refusal(tmp_path)) and "prepare the data set again" in found


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_damaged_records_are_refused(tmp_path, file_format, damage):
    """Files of examples that are missing, cut or something else are a fault of the data, not a traceback."""
    (file,) = prepare(tmp_path, file_format=file_format).glob("*-train.*")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"not a record" if damage == "foreign" else file.read_bytes()[:-60])
    assert "the split train cannot be read" in (found := refusal(tmp_path)) and "prepare the data set again" in found
    assert "{{" not in found


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 12, "all examples are 'cat'; at least two classes are needed"),
        ([0, 1, 7] * 4, "the label of train[2] is 7, but there are names for 2 in"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(tmp_path, labels, message):
    """One class alone, and numbers without a name, are named before anything is trained."""
    prepare(tmp_path, splits={"train": labels})
    assert message in refusal(tmp_path)


def test_folder_above_the_version_is_refused_with_the_remedy(tmp_path):
    """The folder of a data set holds versions, of which one is to be named."""
    folder = prepare(tmp_path).parent
    with pytest.raises(DataError, match=r"is prepared there; name it: .*tiny/1\.0\.0"):
        find_pictures(make_config({"data": str(folder)}))


@pytest.mark.parametrize("data", ["x" * 5000, "nul\0byte", "hf:owner/name"])
def test_names_that_cannot_be_folders_are_refused(data):
    """Looking for a prepared data set stumbles over no name."""
    with pytest.raises(DataError, match="does not exist|cannot be read"):
        find_pictures(make_config({"data": data}))


def test_files_without_random_access_have_a_limit(tmp_path):
    """TFRecord files are read into memory, up to the limit."""
    prepare(tmp_path)
    assert "over 1,000 bytes of pictures" in refusal(tmp_path, max_array_bytes=1000)


def test_absent_version_lists_those_there(tmp_path):
    """A version that is not prepared is answered with those that are."""
    prepare(tmp_path)
    assert "versions there are 1.0.0" in refusal(tmp_path, "tfds:tiny:2.0.0")


@pytest.mark.keras
def test_prepared_data_set_is_learned(tmp_path):
    """A prepared data set goes the whole way, and is known again."""
    folder = prepare(tmp_path, splits={"train": [0, 1] * 8, "test": [0, 1] * 3})
    settings = SETTINGS | {"epochs": 2, "cache_dir": tmp_path / "cache", "run_dir": tmp_path / "run", "verbose": 0}
    run = finetune.fit(folder, **settings)
    assert run.class_names == ("cat", "dog") and run.metrics["test"]["num_examples"] == 6
    assert run.evaluate()["confusion_matrix"] == run.metrics["test"]["confusion_matrix"]
