"""Runs on arrays: .npz files and objects of Python, as pictures and as rows."""

import json
from decimal import Decimal

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image
from small_pictures import SETTINGS, make_pictures

import finetune
from finetune.cli import cli, run_command
from finetune.config import make_config
from finetune.data.frame_table import frame_table
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.keras


def coloured(folder):
    """Return the pictures of class folders as one array with their classes."""
    make_pictures(folder)
    files = sorted(folder.rglob("*.png"))
    return np.stack([np.array(Image.open(file)) for file in files]), np.array([file.parent.name for file in files])


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Thirty pictures as an array, their classes, and the folder they came from."""
    folder = tmp_path_factory.mktemp("arrays")
    return *coloured(folder / "pictures"), folder


@pytest.fixture(scope="module")
def settings(arrays):
    """Settings of a quick run with a cache that the tests share."""
    return SETTINGS | {"cache_dir": arrays[2] / "cache", "verbose": 0}


@pytest.fixture(scope="module")
def run(arrays, settings):
    """A finished run on arrays of Python."""
    x, y, folder = arrays
    return finetune.fit(x, y, run_dir=folder / "run", **settings)


def test_arrays_are_learned(run):
    """Pictures in memory go the whole way, and their report shows them."""
    assert run.class_names == ("blue", "green", "red") and run.metrics["test"]["accuracy"] >= 0.8
    data = json.loads((run.path / "data.json").read_text())
    assert data["kind"] == "arrays" and data["num_examples"] == 30
    assert (run.path / "predictions.csv").read_text().splitlines()[1].startswith("x[")


def test_array_and_folder_give_bit_equal_features(run, arrays):
    """The same pixels in a file and in an array are the same numbers to the model."""
    x, y, folder = arrays
    file = run.predict([folder / "pictures" / y[0] / "0.png"])[0]
    array = run.predict(x[:1])[0]
    assert array.probabilities == file.probabilities and array.file == "x[0]"


def test_own_arrays_are_known_again(run, arrays):
    """Evaluating the same arrays takes the run's own test side; other arrays are judged whole."""
    x, y, _ = arrays
    again = run.evaluate((x, y))
    assert again["examples"] == "the run's own test side"
    assert again["confusion_matrix"] == run.metrics["test"]["confusion_matrix"]
    assert run.evaluate((x[:20], y[:20]))["examples"].startswith("all pictures of the data set; ")


def test_arrays_are_asked_for_again(run):
    """A run on arrays cannot find them by itself, and says how to give them."""
    with pytest.raises(DataError, match=r"give them again, as in .* run\.evaluate\(\(x, y\)\)"):
        run.evaluate()


def test_npz_with_given_test_side(arrays, settings):
    """x_test is the test side, validation comes out of x_train, and classes have the names that the file gives."""
    x, y, folder = arrays
    names = np.array(["blue", "green", "red"])
    numbers = np.searchsorted(names, y)
    chosen = np.arange(30) % 10 < 7
    np.savez(
        folder / "set.npz",
        **{"x_train": x[chosen], "y_train": numbers[chosen], "x_test": x[~chosen], "y_test": numbers[~chosen]},
        class_names=names,
    )
    run = finetune.fit(folder / "set.npz", run_dir=folder / "npz-run", **settings)
    assert json.loads((run.path / "data.json").read_text())["splits"] == {"train": 18, "validation": 3, "test": 9}
    assert run.class_names == tuple(names)
    assert run.evaluate()["confusion_matrix"] == run.metrics["test"]["confusion_matrix"]


def batches(x, y):
    """Return the same examples as the data sets of TensorFlow and of Keras."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return -(-len(x) // 8)

        def __getitem__(self, index):
            return x[8 * index : 8 * index + 8], y[8 * index : 8 * index + 8]

    single = tf.data.Dataset.from_tensor_slices((x, y))
    return {"single": single, "batched": single.batch(7), "PyDataset": Batches()}


@pytest.mark.parametrize("form", ["single", "batched", "PyDataset"])
def test_data_sets_are_read_like_arrays(run, arrays, form):
    """A data set of TensorFlow's or Keras' is the same data as its arrays."""
    x, y, _ = arrays
    given = batches(x, np.searchsorted(["blue", "green", "red"], y))[form]
    with pytest.raises(DataError, match="'0', '1', '2' not among the classes"):
        run.evaluate(given)


def test_labels_and_numbers_of_arrays(arrays, settings):
    """Rows of 0 and 1 are several labels, and fractional numbers a regression."""
    x, y, folder = arrays
    labels = np.stack([y == "blue", y != "red"], axis=1).astype(int)
    run = finetune.fit((x, labels), run_dir=folder / "labels-run", **(settings | {"epochs": 2}))
    assert run.metrics["task"] == "multi_label" and run.class_names == ("y0", "y1")
    run = finetune.fit(x, np.linspace(0, 1, 30), run_dir=folder / "numbers-run", **(settings | {"epochs": 2}))
    assert run.metrics["task"] == "regression" and set(run.predict(x[:1])[0].values) == {"y"}


@pytest.fixture(scope="module")
def rows():
    """Rows of numbers with a class that two of them decide."""
    x = np.random.default_rng(0).normal(size=(200, 3))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int)


def test_rows_become_a_table(rows, tmp_path):
    """A matrix goes the way of a CSV file: columns x0, x1, x2, and answers row by row."""
    x, y = rows
    np.savez(tmp_path / "t.npz", x=x, y=y, x_test=x[:50] + 0.01, y_test=y[:50])
    run = finetune.fit(tmp_path / "t.npz", run_dir=tmp_path / "run", epochs=30, verbose=0)
    data = json.loads((run.path / "data.json").read_text())
    assert data["kind"] == "table" and data["splits"]["test"] == 50
    assert [column["name"] for column in data["columns"]] == ["x0", "x1", "x2"]
    assert run.metrics["test"]["accuracy"] > 0.8
    assert run.evaluate()["accuracy"] == run.metrics["test"]["accuracy"]
    answers = run.predict(x[:2])
    assert [answer.class_name for answer in answers] == [str(label) for label in y[:2]] and answers[1].row == "row 1"
    assert run_command(cli, ["predict", str(run.path), str(tmp_path / "t.npz")]) == 0


def test_frame_becomes_a_table(rows, tmp_path):
    """A DataFrame's types are its columns' kinds, and its blanks are what pandas calls missing."""
    x, y = rows
    frame = pd.DataFrame({"size": x[:, 0], "word": np.where(x[:, 1] > 0, "long", "short"), "grade": y})
    run = finetune.fit(frame, target="grade", run_dir=tmp_path / "run", epochs=30, verbose=0)
    columns = json.loads((run.path / "data.json").read_text())["columns"]
    assert {item["name"]: item["kind"] for item in columns} == {"size": "numeric", "word": "categorical"}
    assert run.predict(frame.drop(columns="grade"))[0].class_name in ("0", "1")
    assert run.evaluate(frame)["examples"] == "the run's own test side"
    frame.loc[3, "size"] = np.nan
    with pytest.raises(DataError, match="blank"):
        finetune.fit(frame, target="grade", run_dir=tmp_path / "blank", verbose=0)


@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (pd.DataFrame({"a": [1.0]}), {"y": [1]}, ConfigError, "has its own targets"),
        ([object()], {"y": [1]}, DataError, "accepted is a path or name, a DataFrame"),
        (np.zeros((4, 8, 8), "uint8"), {"y": [0, 1, 0]}, DataError, "has 4 examples, but its targets have shape"),
        (np.zeros((4, 8, 8, 5), "uint8"), {"y": [0, 1, 0, 1]}, DataError, "expected are pictures"),
        (
            np.zeros((2, 8, 8), "uint8"),
            {"y": ["cat", None]},
            DataError,
            r"y holds texts, but y\[1\] is None; give a text",
        ),
        (pd.DataFrame({"path": ["a.png"], "y": [1]}), {"path": "path"}, ConfigError, "to_csv.*name that file"),
        (tf.data.Dataset.range(5).repeat(), {}, DataError, "has no end"),
        (tf.data.Dataset.range(5), {}, DataError, "pairs"),
    ],
)
def test_other_objects_are_refused(data, options, error, message, tmp_path):
    """What is no data is answered with what is."""
    with pytest.raises(error, match=message):
        finetune.fit(data, run_dir=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_frame_of_numbers_with_a_fault_is_refused(tmp_path):
    """One cell that is no number makes texts of a column in pandas; it is named, unless the texts are asked for."""
    frame = pd.DataFrame({"a": [*map(str, range(39)), "1,5"], "y": ["cat", "dog"] * 20})
    with pytest.raises(DataError, match="line 39, column 'a': '1,5' is no number"):
        finetune.fit(frame, run_dir=tmp_path / "run", verbose=0)
    config = make_config({"data": "t", "categorical": ("a",)})
    assert frame_table(config, frame)[0].columns["a"].kind == "categorical"


def test_data_sets_have_a_limit(tmp_path):
    """A data set that would fill the memory is refused while it is read."""
    data = tf.data.Dataset.from_tensor_slices((np.zeros((64, 32, 32, 3), "uint8"), np.zeros(64, int)))
    with pytest.raises(DataError, match="over 10,000 bytes.*max_array_bytes"):
        finetune.fit(data.batch(8), max_array_bytes=10_000)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([Decimal("1.5"), Decimal("2"), None], "numeric"),
        (["1.5", " 2", ""], "numeric"),
        (["007", "12", ""], "categorical"),
        ([True, False, None], "categorical"),
        (pd.Categorical([1, 2, 2]), "categorical"),
        (["NA", "2", "3"], "numeric"),
    ],
)
def test_objects_of_a_frame_are_typed_as_cells(cells, kind):
    """What a CSV file would say of the same cells is said of objects and texts in a DataFrame."""
    table, _, _ = frame_table(
        make_config({"data": "t", "missing_texts": ("NA",)}), pd.DataFrame({"a": cells, "y": [1, 2, 3]})
    )
    column = table.columns["a"]
    assert column.kind == kind and column.blank.sum() == (cells[0] == "NA" or cells[-1] in (None, ""))
