"""Layers that families share: grouped convolution, padding, random weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.blocks import GroupedConv2D, convolution, normalization

pytestmark = pytest.mark.keras


def block_diagonal(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Return the kernel of the plain convolution that a grouped one amounts to: zeros between the groups."""
    height, width, channels, filters = kernel.shape
    dense = np.zeros((height, width, channels * groups, filters), kernel.dtype)
    for group in range(groups):
        of_group = slice(group * filters // groups, (group + 1) * filters // groups)
        dense[:, :, group * channels : (group + 1) * channels, of_group] = kernel[..., of_group]
    return dense


@pytest.mark.parametrize(("strides", "padding"), [(1, "same"), (2, "valid")])
def test_groups_do_not_see_each_other(strides, padding):
    """A grouped convolution is the plain one whose kernel is zero between the groups."""
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 6)).astype("float32")
    grouped = GroupedConv2D(9, 3, groups=3, strides=strides, padding=padding)
    plain = keras.layers.Conv2D(9, 3, strides=strides, padding=padding)
    found, _ = grouped(x), plain(x)
    plain.set_weights([block_diagonal(grouped.kernel.numpy(), 3), grouped.bias.numpy()])
    np.testing.assert_allclose(found, plain(x), atol=1e-5)


def test_gradients_pass_through_groups():
    """Gradients by the kernel and by the input are those of the plain convolution."""
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 5, 4)), "float32")
    grouped, plain = GroupedConv2D(6, 3, groups=2), keras.layers.Conv2D(6, 3)
    _ = grouped(x), plain(x)
    plain.set_weights([block_diagonal(grouped.kernel.numpy(), 2), grouped.bias.numpy()])
    gradients = []
    for layer in (grouped, plain):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 3)
        gradients.append(tape.gradient(loss, [x, layer.kernel.value]))
    np.testing.assert_allclose(gradients[0][0], gradients[1][0], rtol=1e-4, atol=1e-4)
    inside = block_diagonal(np.ones(grouped.kernel.shape, "bool"), 2)
    between_groups_ignored = np.where(inside, gradients[1][1], 0)
    np.testing.assert_allclose(block_diagonal(gradients[0][1].numpy(), 2), between_groups_ignored, rtol=1e-4, atol=1e-4)


def test_strided_convolution_pads_all_sides_alike():
    """With strides of 2 the first output is centred on the first pixel, as in torch, also where the side is even."""
    x = keras.Input((6, 6, 1))
    model = keras.Model(x, convolution(x, "conv", 1, 3, strides=2))
    model.set_weights([np.arange(9, dtype="float32").reshape(3, 3, 1, 1)])
    picture = np.zeros((1, 6, 6, 1), "float32")
    picture[0, 0, 0] = 1
    np.testing.assert_array_equal(model(picture)[0, :, :, 0], [[4, 0, 0], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("groups", [1, 8])
def test_random_weights_are_scaled_by_fan_out(groups):
    """Weights start with a variance of 2 / (kernel area * filters), and layers of one shape start apart."""
    x = keras.Input((8, 8, 64))
    model = keras.Model(x, convolution(convolution(x, "a", 64, 3, groups=groups), "b", 64, 3, groups=groups))
    first, second = model.get_weights()
    assert np.std(first) == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.05)
    assert not np.array_equal(first, second)


def test_running_statistics_take_a_tenth_of_each_batch():
    """Keras' momentum of 0.9 is torch's 0.1: after one batch of ones the running mean has moved from 0 to 0.1."""
    x = keras.Input((2, 2, 3))
    model = keras.Model(x, normalization(x, "bn"))
    model(np.ones((4, 2, 2, 3), "float32"), training=True)
    np.testing.assert_allclose(model.get_layer("bn").moving_mean, [0.1, 0.1, 0.1], rtol=1e-6)
