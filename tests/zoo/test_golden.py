"""Pixels to logits on real weights, against values that an independent torch computation gave (golden/)."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

import zoo
from finetune.data.images import ImageLimits, read_square

pytestmark = pytest.mark.keras
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
PHOTOS = Path(sklearn.datasets.__file__).parent / "images"
TOLERANCE = 1e-3


@pytest.fixture(scope="module", params=GOLDEN, ids=lambda path: path.stem)
def golden(request):
    """One file of golden values and the model it speaks of."""
    values = json.loads(request.param.read_text())
    return values, zoo.create(request.param.stem, weights=values["weights"], classifier_activation=None)


@pytest.mark.parametrize("photo", ["china.jpg", "flower.jpg"])
def test_logits_are_those_of_torch(golden, photo):
    """Decoding, resizing, normalizing and every layer together give the reference's logits."""
    values, model = golden
    expected = values["images"][photo]
    preprocessing = zoo.find(model.name).weights[0].preprocessing
    square = read_square(PHOTOS / photo, preprocessing, ImageLimits())
    assert hashlib.sha256(square.tobytes()).hexdigest() == expected["pixels_sha256"]
    logits = model.predict_on_batch(square[None])[0]
    np.testing.assert_allclose(logits, expected["logits"], atol=TOLERANCE, rtol=0)
    assert int(logits.argmax()) == expected["top_class"]


@pytest.mark.parametrize(("photo", "top_class"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_lite0_sees_a_palace_and_a_daisy(photo, top_class):
    """The published classes of two well-known photos come out."""
    values = json.loads((Path(__file__).parent / "golden" / "efficientnet_lite0.json").read_text())
    assert values["images"][photo]["top_class"] == top_class
