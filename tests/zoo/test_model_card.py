"""What a run says of its model is read as a stranger's file."""

import json
import re

import pytest

from zoo.errors import RunStateError
from zoo.model_card import parse_card, read_card
from zoo.spec import Preprocessing

PREPROCESSING = {
    "image_size": 32,
    "mean": [127.0, 127.0, 127.0],
    "std": [128.0, 128, 128.0],
    "interpolation": "bicubic",
    "crop_fraction": 1.0,
}
CARD = {"format": 1, "class_names": ["cat", "dog"], "preprocessing": PREPROCESSING, "model_sha256": "0" * 64}


@pytest.fixture
def refuse(tmp_path):
    """Return the message with which a card is refused, having checked that it names the file."""

    def _refuse(values):
        (tmp_path / "model.json").write_text(values if isinstance(values, str) else json.dumps(values))
        with pytest.raises(RunStateError) as caught:
            read_card(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path / 'model.json'}: ")
        return str(caught.value)

    return _refuse


def test_card_is_read(tmp_path):
    """Names, preprocessing and hash come as plain values; other fields are of no concern here."""
    (tmp_path / "model.json").write_text(json.dumps(CARD | {"decisions": []}))
    card = read_card(tmp_path)
    assert card.class_names == ("cat", "dog") and card.model_sha256 == "0" * 64
    assert card.preprocessing == Preprocessing(32, (127.0,) * 3, (128.0,) * 3, "bicubic", 1.0)


@pytest.mark.parametrize("mode", ["crop", "pad", "stretch"])
def test_resize_mode_is_read(mode, tmp_path):
    """How pictures meet the square is the run's own choice."""
    card = parse_card(CARD | {"preprocessing": PREPROCESSING | {"resize": mode}}, tmp_path)
    assert card.preprocessing.resize == mode


def test_card_of_an_earlier_run_crops(tmp_path):
    """A run from before there was a choice cut the middle out."""
    assert "resize" not in PREPROCESSING
    assert parse_card(CARD, tmp_path).preprocessing.resize == "crop"


def test_card_of_an_earlier_run_has_no_hash(tmp_path):
    """A run from before the hash was recorded can still be opened."""
    assert parse_card({name: CARD[name] for name in CARD if name != "model_sha256"}, tmp_path).model_sha256 is None


def test_card_of_a_model_without_pictures_has_no_preprocessing(tmp_path):
    """A run on a table says nothing of pictures."""
    assert parse_card({name: CARD[name] for name in CARD if name != "preprocessing"}, tmp_path).preprocessing is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "not of format 1"),
        ({"class_names": "cat"}, "class_names must be a list"),
        ({"class_names": []}, "class_names must be a list"),
        ({"class_names": ["cat", 2]}, "class_names must be a list"),
        ({"class_names": ["cat", "cat"]}, "a name twice"),
        ({"model_sha256": "0" * 63}, "model_sha256 must be 64"),
        ({"preprocessing": None}, "preprocessing must have the fields crop_fraction, image_size"),
        ({"preprocessing": PREPROCESSING | {"gamma": 2}}, "preprocessing must have the fields"),
        ({"preprocessing": PREPROCESSING | {"image_size": 0}}, "image_size = '0'"),
        ({"preprocessing": PREPROCESSING | {"image_size": True}}, "image_size = 'True'"),
        ({"preprocessing": PREPROCESSING | {"mean": [1, 2]}}, r"mean = '\[1, 2\]'"),
        ({"preprocessing": PREPROCESSING | {"mean": [1, 2, float("nan")]}}, "mean = .*nan"),
        ({"preprocessing": PREPROCESSING | {"std": [1, 1, 0]}}, "std = "),
        ({"preprocessing": PREPROCESSING | {"interpolation": ["bicubic"]}}, "interpolation = "),
        ({"preprocessing": PREPROCESSING | {"crop_fraction": 1.5}}, "crop_fraction = '1.5'"),
        ({"preprocessing": PREPROCESSING | {"resize": "squash"}}, "resize = 'squash'"),
        ({"preprocessing": PREPROCESSING | {"resize": ["pad"]}}, "resize = "),
    ],
)
def test_impossible_fields_are_named(refuse, change, message):
    """A field that is missing or cannot be is named, with what to do."""
    found = refuse(CARD | change)
    assert re.search(message, found) and "--overwrite" in found


@pytest.mark.parametrize("text", ["", "[1", "[" * 10**5, "9" * 5000, "[]", '"card"'])
def test_what_is_no_card_is_refused(refuse, text):
    """A file that is not JSON, or is something else than an object, is refused."""
    assert "--overwrite" in refuse(text)


def test_directory_without_card_is_no_run(tmp_path):
    """A folder that holds no model.json is named."""
    with pytest.raises(RunStateError, match=r"model\.json: cannot be read .*name the directory of a run"):
        read_card(tmp_path)


def test_giant_card_is_refused_by_its_size(tmp_path):
    """A file of a terabyte is not read to its end."""
    with (tmp_path / "model.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(RunStateError, match="has more than"):
        read_card(tmp_path)
