"""What can be asked of a finished run."""

import hashlib
import shutil

import numpy as np
import pytest
from PIL import Image
from small_pictures import make_pictures

import finetune
from finetune.run_dir import RunDir
from zoo.errors import DataError, ModelFileError, RunStateError

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
    make_pictures(tmp_path / "new", per_class=5, seed=1)
    shutil.rmtree(tmp_path / "new" / "blue")
    metrics = small_run.evaluate(tmp_path / "new")
    assert metrics["num_examples"] == 10 and metrics["examples"] == "all pictures of the folder"
    assert metrics["per_class"]["blue"]["support"] == 0 and metrics["per_class"]["red"]["support"] == 5


def test_unknown_class_is_refused(small_run, tmp_path):
    """A folder with a class that the model does not know is named with the classes it knows."""
    make_pictures(tmp_path / "new", classes=("red", "violet"))
    with pytest.raises(DataError, match="'violet' not among the classes of this run: blue, green, red"):
        small_run.evaluate(tmp_path / "new")


@pytest.fixture
def run_copy(small_run, tmp_path):
    """A copy of the finished run, to damage."""
    shutil.copytree(small_run.path, tmp_path / "run")
    return RunDir(tmp_path / "run")


def change_card(run, **fields):
    """Write other fields into a run's model.json."""
    run.write_json("model", run.read_json("model") | fields)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"<html>", "is an HTML or XML page"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    ],
)
def test_damaged_model_is_a_model_file_error(run_copy, content, message):
    """A model file that is gone, empty or something else is named, each in its own words."""
    run_copy.model_path.unlink() if content is None else run_copy.model_path.write_bytes(content)
    with pytest.raises(ModelFileError, match=f"model.keras: .*{message}"):
        _ = finetune.Run(run_copy.path).model


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 0.9999])
def test_truncated_model_is_a_model_file_error(run_copy, share):
    """A model file that was cut is refused."""
    content = run_copy.model_path.read_bytes()
    run_copy.model_path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelFileError, match="model.keras"):
        _ = finetune.Run(run_copy.path).model


def test_model_of_another_run_is_refused(run_copy):
    """A good model of the right shapes that is not the one that was written is refused by its hash."""
    model = finetune.Run(run_copy.path).model
    model.get_layer("logits").set_weights([np.zeros_like(array) for array in model.get_layer("logits").get_weights()])
    model.save(run_copy.model_path)
    with pytest.raises(ModelFileError, match="not the model that model.json describes: SHA-256 is .*--overwrite"):
        _ = finetune.Run(run_copy.path).model


def test_hash_of_the_model_is_recorded(small_run):
    """model.json holds the SHA-256 of model.keras."""
    content = RunDir(small_run.path).model_path.read_bytes()
    assert RunDir(small_run.path).read_json("model")["model_sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class_names": ["blue", "red"]}, r"has outputs of shape \(3,\), but model.json names 2 classes"),
        ({"image_size": 64}, r"takes inputs of shape \(32, 32, 3\), but model.json says pictures of \(64, 64, 3\)"),
        ({"mean": [0.0, 0.0, 0.0]}, "normalizes its pictures otherwise"),
    ],
)
def test_card_that_does_not_go_with_the_model_is_refused(run_copy, fields, message):
    """Another number of classes, another size or normalization of pictures in model.json is noticed."""
    preprocessing = RunDir(run_copy.path).read_json("model")["preprocessing"]
    inside = {name: value for name, value in fields.items() if name in preprocessing}
    change_card(run_copy, **(fields if not inside else {"preprocessing": preprocessing | inside}))
    with pytest.raises(ModelFileError, match=message):
        _ = finetune.Run(run_copy.path).model


def test_missing_card_is_a_run_state_error(run_copy):
    """Without model.json nobody knows what the outputs mean."""
    run_copy.card_path.unlink()
    with pytest.raises(RunStateError, match=r"model\.json is missing"):
        _ = finetune.Run(run_copy.path).model


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
