"""What a run on pictures may be asked about, and what is refused in words."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from finetune.cli import cli, run_command
from zoo.errors import DataError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def files(small_run):
    """Pictures of every class."""
    return sorted(Path(small_run.config.data).rglob("*.png"))[::3]


@pytest.fixture(scope="module")
def pixels(files):
    """The same pictures as one array."""
    return np.stack([np.array(Image.open(file)) for file in files])


@pytest.fixture(scope="module")
def expected(small_run, files):
    """The answers to the files."""
    return [answer.probabilities for answer in small_run.predict(files)]


def answers(run, data):
    """Return the probabilities of what a run answers."""
    return [answer.probabilities for answer in run.predict(data)]


FORMS = {
    "array": lambda files, x: x,
    "fractional": lambda files, x: x.astype("float32"),
    "16 bits": lambda files, x: x.astype("uint16") * 257,
    "list of arrays": lambda files, x: list(x),
    "two arrays": lambda files, x: list(x[:2]),
    "nested lists": lambda files, x: x.tolist(),
    "tensor": lambda files, x: tf.constant(x),
    "Keras tensor": lambda files, x: keras.ops.convert_to_tensor(x),
    "list of tensors": lambda files, x: [tf.constant(one) for one in x],
    "Pillow": lambda files, x: [Image.open(file) for file in files],
    "texts": lambda files, x: [str(file) for file in files],
    "iterator": lambda files, x: iter(files),
    "array of texts": lambda files, x: np.array([str(file) for file in files]),
    "Series": lambda files, x: pd.Series([str(file) for file in files]),
    "mixed": lambda files, x: [files[0], x[1], Image.fromarray(x[2]), *files[3:]],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture_gets_the_answer_of_its_file(form, small_run, files, pixels, expected):
    """Files, arrays, tensors and pictures of Pillow's are one to the model."""
    found = answers(small_run, FORMS[form](files, pixels))
    assert found == [pytest.approx(one, abs=1e-5) for one in expected[: len(found)]]
    assert len(found) == (2 if form == "two arrays" else len(files))


def test_one_path_needs_no_list(small_run, files, expected):
    """A text and a Path are one picture, a folder the pictures in it."""
    assert answers(small_run, str(files[0])) == answers(small_run, files[0]) == answers(small_run, [files[0]])
    folder = small_run.predict(files[0].parent)
    assert len(folder) == 10 and folder[0].file == str(files[0].parent / "0.png")
    assert answers(small_run, Image.open(files[0])) == [pytest.approx(expected[0], abs=1e-5)]


def test_picture_of_pillow_is_turned_and_laid_over_white(small_run, tmp_path):
    """What Pillow has opened goes through the same decoder as its file."""
    picture = Image.fromarray(np.arange(40 * 48 * 4, dtype="uint32").reshape(40, 48, 4).astype("uint8"), "RGBA")
    exif = Image.Exif()
    exif[274] = 6
    picture.save(tmp_path / "turned.png", exif=exif)
    file, opened = small_run.predict([tmp_path / "turned.png", Image.open(tmp_path / "turned.png")])
    assert file.probabilities == pytest.approx(opened.probabilities, abs=1e-5) and opened.file == file.file


SHAPE = r"\(n, height, width\)"
REFUSED = {
    "scaled": (lambda x: x / 255.0, r"scaled to \[0, 1\]; give x \* 255"),
    "scaled to -1": (lambda x: x / 127.5 - 1, r"scaled to \[-1, 1\]"),
    "dark 16 bits": (lambda x: x.astype("uint16"), "16-bit numbers of at most .*astype"),
    "mask": (lambda x: x > 100, "masks"),
    "scaled in a list": (lambda x: list(x / 255.0), r"x\[0\].*scaled to \[0, 1\]"),
    "one picture": (lambda x: x[0], r"a single picture: give x\[None\]"),
    "one grey picture": (lambda x: x[0, ..., 0], r"a single picture: give x\[None\]"),
    "channels first": (lambda x: x.transpose(0, 3, 1, 2), r"x\.transpose\(0, 2, 3, 1\)"),
    "pair": (lambda x: (x, np.zeros(len(x))), r"a pair \(x, y\).*give x alone"),
    "list of batches": (lambda x: [x, x], r"x\[0\] has the shape .*one picture"),
    "rows": (lambda x: np.zeros((8, 3)), "shape"),
    "nothing": (lambda x: [], "nothing to answer"),
    "None": (lambda x: None, "NoneType"),
    "numbers": (lambda x: [1.5, 2.5], "shape"),
    "a dict": (lambda x: {"x": x}, "dict"),
    "a set": (lambda x: {"a.png"}, "set"),
    "a frame": (lambda x: pd.DataFrame({"path": ["a.png"]}), "DataFrame.*list"),
    "None among paths": (lambda x: ["a.png", None], r"x\[1\] is a NoneType"),
    "a data set": (lambda x: tf.data.Dataset.from_tensor_slices(x), "data set.*give its pictures as an array"),
    "an empty path": (lambda x: "", "empty path"),
    "an empty path in a list": (lambda x: ["a.png", ""], "empty path"),
    "bytes": (lambda x: b"abc", "bytes"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_other_questions_are_refused_in_words(form, small_run, pixels):
    """Pixels that would be black to the model, single pictures, and what is no picture, are named with the remedy."""
    make, message = REFUSED[form]
    with pytest.raises(DataError, match=message):
        small_run.predict(make(pixels))


def test_one_black_picture_is_a_picture(small_run):
    """A frame without light is answered, though a whole data set of them would be refused."""
    assert small_run.predict(np.zeros((1, 40, 48, 3), "uint8"))[0].class_name


def test_one_bad_array_does_not_stop_the_others(small_run, pixels):
    """An array without a pixel is answered with the reason, like a bad file."""
    good, bad = small_run.predict([pixels[0], np.zeros((0, 4), "uint8")])
    assert good.class_name and "nothing to see" in bad.error


def test_list_of_pictures_is_answered_picture_by_picture(small_run, files, expected, tmp_path):
    """A CSV file with a column of paths asks about each, with its line; a missing one is an error of that line."""
    shutil.copy(files[0], tmp_path / "a.png")
    (tmp_path / "list.csv").write_text(f"path,other\na.png,1\ngone.png,2\n{files[1]},3\n,4\n")
    found = small_run.predict(tmp_path / "list.csv")
    assert [answer.row for answer in found] == ["line 2", "line 3", "line 4", "line 5"]
    assert [found[0].probabilities, found[2].probabilities] == [pytest.approx(one, abs=1e-5) for one in expected[:2]]
    assert "no such file" in found[1].error and "no path" in found[3].error
    assert found[0].file == str(tmp_path / "a.png")


def test_list_without_paths_is_refused(small_run, tmp_path):
    """A CSV file that names no pictures is refused with what it has."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column of .*t.csv names pictures.* 'a', 'b'"):
        small_run.predict(tmp_path / "t.csv")


def test_npz_file_is_answered_picture_by_picture(small_run, pixels, expected, tmp_path):
    """The arrays of a file are checked as at fit; those of rows are refused."""
    np.savez(tmp_path / "x.npz", x=pixels, y=np.zeros(len(pixels)))
    found = small_run.predict(tmp_path / "x.npz")
    assert [answer.probabilities for answer in found] == [pytest.approx(one, abs=1e-5) for one in expected]
    assert found[1].file == str(tmp_path / "x.npz") and found[1].row == "x[1]"
    np.savez(tmp_path / "scaled.npz", x=pixels / 255.0)
    with pytest.raises(DataError, match=r"scaled to \[0, 1\]"):
        small_run.predict(str(tmp_path / "scaled.npz"))


def test_command_answers_for_lists_and_arrays(small_run, files, pixels, tmp_path, capfd):
    """The command takes what Python takes by a path, and counts pictures."""
    np.savez(tmp_path / "x.npz", x=pixels)
    (tmp_path / "list.csv").write_text(f"path\n{files[0]}\ngone.png\n")
    code = run_command(cli, ["predict", str(small_run.path), str(tmp_path / "x.npz"), str(tmp_path / "list.csv")])
    out, err = capfd.readouterr()
    assert code == 3 and len(out.splitlines()) == len(files) + 1 and f"1 of {len(files) + 2} files" in err
    assert run_command(cli, ["predict", str(small_run.path), ""]) == 3
    assert "empty path" in capfd.readouterr().err
