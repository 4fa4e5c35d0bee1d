"""Decoded pictures: kept for the next run where they fit, and never those of another preparation."""

from dataclasses import replace

import numpy as np
import pytest
from picture_files import class_folders, encode, pixels, write_files

from finetune.config import make_config
from finetune.data import load
from finetune.data.folder import scan_folder
from finetune.data.store import DecodedOnDemand, decoded_pictures
from finetune.progress import Reporter
from zoo.spec import Preprocessing

DARK = Preprocessing(8, mean=(10.0, 20.0, 30.0), std=(1.0,) * 3, resize="pad")


@pytest.fixture
def stored(tmp_path):
    """Return the decoded pictures of a small folder for a preparation, and what holds them."""
    class_folders(tmp_path / "data", per_class=2)
    write_files(tmp_path / "data", {f"{name}/wide.png": encode(pixels(7, 4, 12)) for name in ("cat", "dog")})
    config = make_config({"data": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache"), "batch_size": 4})
    inspection = load.check_examples(config, scan_folder(config.data), Reporter(0))

    def stored(preprocessing, **settings):
        return decoded_pictures(config.model_copy(update=settings), inspection, preprocessing, Reporter(0)).array

    return stored


def test_kept_pictures_are_not_decoded_again(stored, monkeypatch):
    """The second run maps the file that the first one left."""
    first = np.array(stored(DARK))
    monkeypatch.setattr(load, "pictures", lambda *given: pytest.fail("decoded again"))
    np.testing.assert_array_equal(stored(DARK), first)


def test_pictures_that_do_not_fit_are_decoded_on_demand(stored):
    """They are the same, whichever rows are asked for."""
    kept, asked = stored(DARK), stored(DARK, store_gigabytes=0)
    assert isinstance(asked, DecodedOnDemand) and asked.shape == kept.shape
    np.testing.assert_array_equal(asked[:], kept[:])
    np.testing.assert_array_equal(asked[np.array([4, 1])], kept[[4, 1]])


def test_padded_pictures_have_the_colour_of_their_network(stored):
    """Another mean is another colour beside the picture: one network's pictures are not another's."""
    dark, light = np.array(stored(DARK)), np.array(stored(replace(DARK, mean=(200.0, 210.0, 220.0))))
    wide = [2, 5]
    assert (dark[wide, 0, 0] == (10, 20, 30)).all() and (light[wide, 0, 0] == (200, 210, 220)).all()


def test_mean_and_deviation_belong_to_the_network_otherwise(stored, monkeypatch):
    """Where nothing is padded they change no pixel, and nothing is decoded for another network."""
    whole = replace(DARK, resize="stretch")
    first = np.array(stored(whole))
    monkeypatch.setattr(load, "pictures", lambda *given: pytest.fail("decoded again"))
    np.testing.assert_array_equal(stored(replace(whole, mean=(0.0,) * 3, std=(9.0,) * 3)), first)
