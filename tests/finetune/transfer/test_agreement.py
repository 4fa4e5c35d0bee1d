"""Features that were computed another way, held against those of Keras."""

import tracemalloc

import numpy as np
import pytest

from finetune.transfer.agreement import FLOAT32_COSINE, agreement, is_as_good, probe_answers


@pytest.fixture
def features():
    """Forty rows of positive numbers, some of which are zero."""
    return np.maximum(np.random.default_rng(0).normal(size=(40, 6, 4)), 0).astype("float32")


def test_same_features_agree_fully(features):
    """What differs in the last digits has a cosine of 1 to five digits."""
    nearly = features * np.float32(1 + 1e-6)
    assert agreement(nearly, features, each=True) == pytest.approx(1, abs=1e-9)


def test_one_picture_that_differs_is_seen(features):
    """The cosine of each is that of the worst picture; all of them as one vector hide it."""
    wrong = features.copy()
    wrong[7] = wrong[7][::-1]
    assert agreement(wrong, features, each=True) < 0.9 < agreement(wrong, features, each=False)


@pytest.mark.parametrize("change", [lambda f: 1.03 * f, lambda f: 0 * f, lambda f: f * np.nan, lambda f: -f])
def test_another_length_is_no_agreement(features, change):
    """A factor, zeros, values that are not finite and the other sign do not pass."""
    assert not agreement(change(features), features, each=False) >= FLOAT32_COSINE


def test_pictures_without_features_agree_with_each_other(features):
    """Rows of zeros on both sides are the same, not undefined."""
    features[3] = 0
    assert agreement(features, features, each=True) == pytest.approx(1)
    other = features.copy()
    other[3] = 1
    assert agreement(other, features, each=True) == 0


@pytest.mark.parametrize("each", [True, False])
def test_maps_take_no_copies(each):
    """Features of a low cut are compared in little more memory than they have."""
    maps = np.random.default_rng(0).random((8, 64, 64, 16), "float32")
    tracemalloc.start()
    cosine = agreement(maps * np.float32(1.001), maps, each=each)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cosine == pytest.approx(1, abs=1e-9) and most < 2 * maps.nbytes


def test_probe_takes_the_means_of_maps():
    """Of maps a probe learns from what their channels are in the mean."""
    values = np.arange(40) // 2 % 2
    maps = np.random.default_rng(0).normal(size=(40, 3, 3, 2)) + 4 * np.eye(2)[values][:, None, None, :]
    means = maps.mean(axis=(1, 2))
    for on_maps, on_means in zip(probe_answers(maps, maps, values), probe_answers(means, means, values), strict=True):
        assert on_maps.all() and np.array_equal(on_maps, on_means)


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_probe_on_other_features_is_worse(kind):
    """A probe that learned from features in another order fails on those of Keras, whatever is predicted."""
    classes = np.arange(80) // 2 % 4
    flags = np.eye(4)[classes]
    values = {"classes": classes, "labels": flags.astype("float32"), "numbers": classes[:, None] * 2.5}[kind]
    features = flags @ np.array([[5, 0, 0, 0, 1], [0, 5, 0, 0, 1], [0, 0, 5, 0, 1], [0, 0, 0, 5, 1]])
    features = features + np.random.default_rng(0).normal(scale=0.1, size=features.shape)
    same = probe_answers(features, features, values)
    mixed = probe_answers(features[:, [1, 2, 3, 0, 4]], features, values)
    assert np.all(same) and len(same[0]) == 80 and is_as_good(*same)
    assert not mixed[0].any() and mixed[1].all() and not is_as_good(*mixed)


@pytest.mark.parametrize(
    ("lost", "won", "good"), [(0, 0, True), (4, 0, True), (5, 0, False), (9, 5, True), (12, 3, False)]
)
def test_chance_alone_makes_no_probe_worse(lost, won, good):
    """Probes that differ on some pictures are as good as each other unless far more are lost than won."""
    right_of_keras = np.arange(64) < 40
    right = right_of_keras.copy()
    right[:lost], right[40 : 40 + won] = False, True
    assert is_as_good(right, right_of_keras) == good
