"""Changed versions of pictures: drawn by their row alone, so that a stopped run goes on with the same."""

import numpy as np
import pytest
from PIL import Image

from finetune.config import make_config
from finetune.data.load import pictures
from finetune.data.picture_views import picture_views
from finetune.preparing import check_and_deal, open_data
from finetune.progress import Reporter
from zoo.spec import Preprocessing

pytestmark = pytest.mark.keras
SQUARE = Preprocessing(image_size=32, mean=(0, 0, 0), std=(1, 1, 1), crop_fraction=1.0, interpolation="bilinear")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A config with strong augmentation, and checked pictures."""
    folder = tmp_path_factory.mktemp("views")
    generator = np.random.default_rng(0)
    for index in range(26):
        file = folder / "pictures" / "ab"[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 40, 3), "uint8")).save(file)
    settings = {"data": str(folder / "pictures"), "cache_dir": str(folder / "cache")}
    prepared = check_and_deal(open_data(make_config(settings | {"augmentation": "strong"})), Reporter(0))
    return prepared.config.model_copy(update={"batch_size": 5}), prepared.data.examples


def rows(given, first, last):
    """Return the rows of pictures and versions."""
    return np.concatenate(list(picture_views(*given, range(first, last), SQUARE)))


def test_first_rows_are_the_pictures_themselves(given):
    """Versions come after them, and differ from them and from one another."""
    config, examples = given
    count = len(examples)
    found = rows(given, 0, 3 * count).reshape(3, count, 32, 32, 3)
    np.testing.assert_array_equal(found[0], np.concatenate(list(pictures(config, examples, range(count), SQUARE))))
    assert found.dtype == np.uint8
    differ = [(found[a] != found[b]).any(axis=(1, 2, 3)).mean() for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(differ) > 0.9


def test_versions_go_on_where_a_run_was_stopped(given):
    """From any row on, in the middle of a batch too, they are what they are from the first."""
    count = len(given[1])
    whole = rows(given, 0, 3 * count)
    for first in (1, count - 1, count + 1, 2 * count + 3):
        np.testing.assert_array_equal(rows(given, first, 3 * count), whole[first:])
