"""The frozen trunk: cut, run, joined again, and checked against the cached path."""

import keras
import numpy as np
import pytest

from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.transfer import trunk as trunks
from finetune.transfer.network import make_network
from zoo.errors import RunStateError

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def trunk():
    """Real Lite0 weights at a small size."""
    config = make_config({"model": "efficientnet_lite0", "image_size": 64, "cache_dir": "/nonexistent"})
    return trunks.build_trunk(config).model


@pytest.fixture(scope="module")
def pictures():
    """Five noisy pictures."""
    return np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype="uint8")


def features_of(trunk, pictures, batch_size=4):
    """Run the trunk over pictures in batches."""
    batches = [pictures[start : start + batch_size] for start in range(0, len(pictures), batch_size)]
    return np.concatenate(list(trunks.forward(trunk, batches, batch_size=batch_size)))


def test_short_batch_gives_only_its_rows(trunk, pictures):
    """The filling of the last batch is cut off, and rows do not depend on their neighbours."""
    features = features_of(trunk, pictures)
    assert features.shape == (5, 1280)
    np.testing.assert_allclose(features, features_of(trunk, pictures, batch_size=5), atol=1e-4)


def test_nothing_of_the_trunk_is_trainable(trunk):
    """The trunk is frozen, BatchNormalization included."""
    assert not trunk.trainable_variables


def joined(trunk):
    """Return a network with a new head, and its finished model."""
    network = make_network(trunk, trunks.new_head(1280, 3, dropout=0.2, seed=0), staged=True)
    return network, network.finished(TASKS["classification"], None)


def test_finished_model_is_flat_and_agrees_with_the_cached_path(trunk, pictures):
    """Trunk and head in one graph give what the head gives on the trunk's features."""
    network, model = joined(trunk)
    head = network.above("features")
    expected = trunks.head_outputs(head, features_of(trunk, pictures)[:4], TASKS["classification"])
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    assert trunks.verify_joined(model, pictures[:4], expected) < 1e-5


def test_features_of_other_pictures_are_noticed(trunk, pictures):
    """Cached rows that do not belong to the pictures stop the run with the remedy."""
    network, model = joined(trunk)
    others = trunks.head_outputs(
        network.above("features"), features_of(trunk, pictures)[1:5] * 3, TASKS["classification"]
    )
    with pytest.raises(RunStateError, match="Delete the folder"):
        trunks.verify_joined(model, pictures[:4], others)
