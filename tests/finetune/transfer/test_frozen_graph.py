"""A frozen network as a graph gives what Keras gives, and the same for a picture wherever it stands."""

import keras
import numpy as np
import pytest

import zoo
from finetune.transfer.frozen_graph import FrozenGraph

pytestmark = pytest.mark.keras
PICTURES = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype="uint8")


@pytest.fixture(scope="module")
def model():
    """Real Lite0 weights at a small size."""
    return zoo.backbone("efficientnet_lite0", input_shape=(32, 32, 3))


def answers(graph, pictures):
    """Return what a graph gives for pictures in batches of three."""
    batches = (pictures[first : first + 3] for first in range(0, len(pictures), 3))
    return np.concatenate(list(graph.run(batches, batch_size=3)))


def test_numbers_are_those_of_keras(model):
    """Scales that are multiplied into kernels change the last digits, and no more."""
    expected = model.predict_on_batch(PICTURES)
    np.testing.assert_allclose(answers(FrozenGraph(model), PICTURES), expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("offset", [1, 2, 5])
def test_rows_depend_on_nothing_but_their_picture(model, offset):
    """A picture gives the same bits at another place of a batch and in a short one: a run can go on anywhere."""
    graph = FrozenGraph(model)
    np.testing.assert_array_equal(answers(graph, PICTURES)[offset:], answers(graph, PICTURES[offset:]))


def test_weights_are_those_of_the_first_run():
    """What changes afterwards is not seen: the graph is of a network that learns nothing more."""
    inputs = keras.Input((4, 4, 3))
    layer = keras.layers.Conv2D(2, 1)
    model = keras.Model(inputs, layer(inputs))
    graph = FrozenGraph(model)
    before = answers(graph, PICTURES[:, :4, :4])
    layer.kernel.assign(layer.kernel + 1)
    np.testing.assert_array_equal(answers(graph, PICTURES[:, :4, :4]), before)


def test_random_layers_are_still():
    """A frozen network answers as in inference, and Keras' generators of random numbers do not move."""
    inputs = keras.Input((32, 32, 3))
    dropout = keras.layers.Dropout(0.5, seed=1)
    graph = FrozenGraph(keras.Model(inputs, dropout(inputs)))
    state = np.asarray(dropout.seed_generator.state)
    np.testing.assert_array_equal(answers(graph, PICTURES), PICTURES)
    np.testing.assert_array_equal(np.asarray(dropout.seed_generator.state), state)


def test_parts_give_together_what_the_whole_gives(model):
    """The first part ends where maps are last half as large as the picture; the second goes on from there."""
    first, second = FrozenGraph(model).parts()
    maps = answers(first, PICTURES)
    assert maps.shape == (7, 16, 16, 16) and (first.takes_pictures, second.takes_pictures) == (True, False)
    expected = answers(FrozenGraph(model), PICTURES)
    np.testing.assert_allclose(answers(second, maps), expected, atol=1e-5 * expected.max())


def test_network_without_stages_is_one_part():
    """Where no stage ends, and where later layers take more than a stage gives, there is nothing to part."""
    inputs = keras.Input((8, 8, 3))
    plain = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))
    x = keras.layers.Conv2D(2, 1, name="stage1_conv")(inputs)
    beside = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()([x, inputs]))
    for model in (plain, keras.Model(inputs, beside)):
        graph = FrozenGraph(model)
        assert graph.parts() == (graph,)
