"""What can be asked of a finished run."""

import shutil

import numpy as np
import pytest
from PIL import Image
from small_pictures import make_pictures

import finetune
from finetune.run_dir import RunDir
from zoo.errors import DataError, ModelFileError

pytestmark = pytest.mark.keras


def test_prediction_names_class_and_probabilities(small_run):
    """A red picture is red, and the probabilities of all classes sum to one."""
    (answer,) = small_run.predict([f"{small_run.config.data}/red/0.png"])
    assert answer.class_name == "red" and answer.probability == max(answer.probabilities.values())
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert list(answer.probabilities) == ["blue", "green", "red"]


def test_bad_files_do_not_shift_the_answers(small_run, tmp_path):
    """Each answer belongs to its file, whatever lies between, over more files than one batch holds."""
    (tmp_path / "bad.png").write_bytes(b"")
    good = [f"{small_run.config.data}/{name}/{n}.png" for n in range(3) for name in ("blue", "green", "red")]
    mixed = [path for one in good for path in (tmp_path / "bad.png", one)]
    answers = small_run.predict(mixed, batch_size=4)
    assert [answer.error for answer in answers[::2]] == ["empty file"] * 9
    alone = small_run.predict(good)
    assert [a.class_name for a in answers[1::2]] == [a.class_name for a in alone]
    np.testing.assert_allclose([a.probability for a in answers[1::2]], [a.probability for a in alone], atol=1e-5)


def test_missing_file_is_an_error_of_that_file(small_run, tmp_path):
    """A path that is not there is answered with the reason."""
    (answer,) = small_run.predict([tmp_path / "none.png"])
    assert answer.class_name is None and answer.error


def test_training_and_prediction_see_the_same_pixels(small_run):
    """Predicting the test pictures gives the accuracy that the run reported."""
    metrics = small_run.evaluate()
    assert metrics["examples"] == "the run's own test side"
    assert metrics["confusion_matrix"] == small_run.metrics["test"]["confusion_matrix"]
    assert metrics["loss"] == pytest.approx(small_run.metrics["test"]["loss"], rel=1e-4)


def test_other_data_is_judged_whole(small_run, tmp_path):
    """A new folder with some of the classes is judged by all its pictures, in the run's numbering of classes."""
    make_pictures(tmp_path / "new", per_class=5)
    shutil.rmtree(tmp_path / "new" / "blue")
    metrics = small_run.evaluate(tmp_path / "new")
    assert metrics["num_examples"] == 10 and metrics["examples"] == "all pictures of the folder"
    assert metrics["per_class"]["blue"]["support"] == 0 and metrics["per_class"]["red"]["support"] == 5


def test_unknown_class_is_refused(small_run, tmp_path):
    """A folder with a class that the model does not know is named with the classes it knows."""
    make_pictures(tmp_path / "new", classes=("red", "violet"))
    with pytest.raises(DataError, match="'violet' not among the classes of this run: blue, green, red"):
        small_run.evaluate(tmp_path / "new")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "missing"), (b"", "not a .keras file"), (b"<html>", "not a .keras file")]
)
def test_damaged_model_is_a_model_file_error(small_run, tmp_path, content, message):
    """A model file that is gone, empty or something else is named with the remedy."""
    shutil.copytree(small_run.path, tmp_path / "run")
    path = RunDir(tmp_path / "run").model_path
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        _ = finetune.Run(tmp_path / "run").model


def test_truncated_model_is_a_model_file_error(small_run, tmp_path):
    """A model file that was cut is refused."""
    shutil.copytree(small_run.path, tmp_path / "run")
    path = RunDir(tmp_path / "run").model_path
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ModelFileError, match="model.keras"):
        _ = finetune.Run(tmp_path / "run").model


def test_report_can_be_made_again(small_run, tmp_path):
    """The page comes back from the run's own files."""
    shutil.copytree(small_run.path, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    page = finetune.Run(tmp_path / "run").write_report().read_text()
    assert "efficientnet_lite0" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_turned_photo_is_turned_back(small_run, tmp_path):
    """A photo with an EXIF turn gives the answer of the upright picture."""
    upright = Image.open(f"{small_run.config.data}/green/1.png")
    exif = Image.Exif()
    exif[274] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    answers = small_run.predict([f"{small_run.config.data}/green/1.png", tmp_path / "turned.png"])
    assert answers[0].probabilities == pytest.approx(answers[1].probabilities, abs=1e-5)
