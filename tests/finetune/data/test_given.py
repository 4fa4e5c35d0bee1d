"""Data sets of TensorFlow's and Keras' are read as the examples they hold, or refused where that is not certain."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from finetune.data.given import as_given
from zoo.errors import DataError

pytestmark = pytest.mark.keras

ROWS = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
NUMBERS = ROWS.argmax(axis=1)
ONE_HOT = np.eye(3, dtype="float32")[NUMBERS]
PICTURES = np.random.default_rng(0).integers(0, 255, (12, 8, 8, 3)).astype("uint8")


def read(data):
    """Return the arrays that a data set is read as."""
    (part,) = as_given(data, max_bytes=10**7).parts
    return part.x, part.y


def slices(x, y):
    """Return a data set of single examples."""
    return tf.data.Dataset.from_tensor_slices((x, y))


def generated(x, y, *, batch=None):
    """Return a data set of which the shapes are not known beforehand."""
    steps = range(0, len(x), batch) if batch else range(len(x))
    pairs = [(x[at : at + batch], y[at : at + batch]) if batch else (x[at], y[at]) for at in steps]
    return tf.data.Dataset.from_generator(lambda: iter(pairs), output_types=(x.dtype, y.dtype))


FORMS = {
    "single numbers": (slices(ROWS, NUMBERS), ROWS, NUMBERS),
    "batches": (slices(ROWS, ONE_HOT).batch(5), ROWS, ONE_HOT),
    "full batches of one-hot rows": (slices(ROWS, ONE_HOT).batch(3, drop_remainder=True), ROWS, ONE_HOT),
    "single pictures": (slices(PICTURES, ONE_HOT), PICTURES, ONE_HOT),
    "full batches of pictures": (slices(PICTURES, NUMBERS).batch(4, drop_remainder=True), PICTURES, NUMBERS),
    "full batches of grey pictures": (
        slices(PICTURES[..., 0], NUMBERS).batch(6, drop_remainder=True),
        PICTURES[..., 0],
        NUMBERS,
    ),
    "generated rows": (generated(ROWS, NUMBERS), ROWS, NUMBERS),
    "generated batches of pictures": (generated(PICTURES, NUMBERS, batch=5), PICTURES, NUMBERS),
    "generated pictures": (generated(PICTURES, ONE_HOT), PICTURES, ONE_HOT),
}


@pytest.mark.parametrize("form", FORMS)
def test_examples_and_batches_are_told_apart(form):
    """A data set gives its examples once each, in batches or not, with shapes that are known beforehand or not."""
    data, x, y = FORMS[form]
    found = read(data)
    np.testing.assert_array_equal(found[0], x)
    np.testing.assert_array_equal(found[1], y)


@pytest.mark.parametrize(
    "data",
    [
        slices(ROWS, ONE_HOT),
        generated(ROWS, ONE_HOT),
        slices(PICTURES, np.eye(8, dtype="float32")[NUMBERS]),
        slices(ROWS, NUMBERS).batch(3, drop_remainder=True),
    ],
)
def test_what_may_be_both_is_refused(data):
    """Three numbers with three numbers are one example or three, and the user says which."""
    with pytest.raises(DataError, match=r"one example or a batch.*\.batch\(32\)"):
        read(data)


def test_other_elements_are_refused_in_words():
    """Elements without targets, of dicts, of differing lengths or shapes, are named."""
    for data, message in (
        (tf.data.Dataset.range(5), "pairs"),
        (tf.data.Dataset.from_tensor_slices(({"a": ROWS}, NUMBERS)), "pairs"),
        (slices(ROWS, ONE_HOT[:, :2]).map(lambda x, y: (x, y[None, None])), r"x of shape .* y of shape"),
        (tf.data.Dataset.from_tensors((ROWS, ONE_HOT[:5])), r"x of shape \(12, 3\) with y of shape \(5, 3\)"),
        (generated(ROWS[:0], NUMBERS[:0]), "is empty"),
        (slices(ROWS, NUMBERS).map(lambda x, y: (x, y, 1.0)), "more than"),
    ):
        with pytest.raises(DataError, match=message):
            read(data)


def test_pictures_of_several_sizes_are_refused_in_words():
    """Examples that do not go into one array are told so, with what takes them instead."""
    pairs = [(PICTURES[0], 0), (PICTURES[1, :5], 1)]
    signature = (tf.TensorSpec((None, None, 3), "uint8"), tf.TensorSpec((), "int64"))
    data = tf.data.Dataset.from_generator(lambda: iter(pairs), output_signature=signature)
    with pytest.raises(DataError, match="differ in shape.*resize"):
        read(data)


def test_fault_of_the_data_set_itself_is_named():
    """What a user's own map raises while it is read comes in one line."""
    data = slices(ROWS, NUMBERS).map(lambda x, y: (tf.io.decode_png(tf.constant("no png")), y))
    with pytest.raises(DataError, match=r"the tf\.data\.Dataset cannot be read"):
        read(data.batch(4))


def test_batches_of_keras_are_batches():
    """A PyDataset gives batches, whatever their shapes are."""

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return ROWS[3 * index : 3 * index + 3], ONE_HOT[3 * index : 3 * index + 3]

    np.testing.assert_array_equal(read(Batches())[0], ROWS)
