"""The zoo's head is known again by what it computes, not by its names alone."""

import keras
import pytest

from zoo.head import activate, classifier, find_classifier, pool

pytestmark = pytest.mark.keras


def model(activation="softmax", units=3, pooling=pool):
    """Make a model that is little more than a head."""
    inputs = keras.Input((4, 4, 2))
    return keras.Model(inputs, activate(classifier(pooling(inputs), units, dropout=0.1), activation))


@pytest.mark.parametrize("activation", ["softmax", None])
def test_head_of_classes_is_found(activation):
    """Probabilities and logits are both our head."""
    assert find_classifier(model(activation)).units == 3


@pytest.mark.parametrize(
    "other",
    [
        lambda: model("sigmoid"),
        lambda: model(units=1),
        lambda: model(pooling=lambda x: keras.layers.GlobalMaxPooling2D(name="pool")(x)),
        lambda: longer(),
        lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="logits")]),
    ],
    ids=["sigmoid", "number", "max", "longer", "sequential"],
)
def test_other_ends_are_no_head_of_classes(other):
    """Several labels, a number, another pooling and more layers are something else."""
    assert find_classifier(other()) is None


def longer():
    """Make a model that goes on behind its probabilities."""
    whole = model()
    return keras.Model(whole.input, keras.layers.Dense(2)(whole.output))
