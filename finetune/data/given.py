"""Objects of Python as data: arrays, DataFrames, and data sets of TensorFlow and Keras, which are read once."""

import os
from collections.abc import Iterable, Iterator

import keras
import numpy as np
import pandas as pd
from PIL import Image

from finetune.data.arrays import Arrays, Part
from finetune.data.pixels import CHANNELS
from finetune.settings.data import OBJECTS
from zoo.errors import ConfigError, DataError

# What a config calls them.
NAME = f"{OBJECTS}arrays"
Given = Arrays | pd.DataFrame
_ACCEPTED = (
    "a path or name, a DataFrame, an array x beside y, a pair (x, y), a tf.data.Dataset or a keras.utils.PyDataset"
)


def as_given(data: object, y: object = None, *, max_bytes: int) -> Given:
    """Return objects of Python in one of two forms: arrays with their targets, or a DataFrame.

    Args:
        data: a DataFrame; inputs beside `y`; a pair (x, y); or a `tf.data.Dataset` or `keras.utils.PyDataset` of such
            pairs, which must end, and give the same order each time where a run is to know its own data again.
        y: targets, where they do not come with `data`; None leaves them out.
        max_bytes: that are read from a data set.

    Raises:
        DataError: the objects are no data, or do not end.
        ConfigError: they contradict each other.
    """
    if y is not None and (isinstance(data, str | pd.DataFrame) or is_data_set(data)):
        raise ConfigError(f"y goes with an array x; a {type(data).__name__} has its own targets")
    if isinstance(data, pd.DataFrame | Arrays):
        return data
    notes: tuple[str, ...] = ()
    if is_data_set(data):
        batches = _tf_batches(data) if _is_tf_dataset(data) else _py_batches(data)
        data, y = _joined(batches, max_bytes)
        notes = ("read once, in the order in which the examples came",)
    elif y is None and isinstance(data, tuple | list) and len(data) == 2 and not np.isscalar(data[0]):
        data, y = data
    _refuse_files(data)
    x, y = as_array("x", data), None if y is None else as_array("y", y)
    return Arrays(NAME, (Part("x", "", x, y),), notes=notes)


def _refuse_files(data: object) -> None:
    several = len(data) > 0 and data[0] if isinstance(data, list | tuple | np.ndarray) else data
    if isinstance(several, str | os.PathLike | Image.Image):
        raise DataError(
            "files alone do not say what they show: name a folder of class folders, or a CSV file with the columns "
            "path and label"
        )


def as_array(name: str, values: object, accepted: str = _ACCEPTED) -> np.ndarray:
    """Return what is an array, a tensor, or nested lists, as an array of numbers or texts.

    Args:
        name: for messages.
        values: the object.
        accepted: what messages say is expected.

    Raises:
        DataError: it is no array.
    """
    if isinstance(values, pd.Series):
        values = values.to_numpy()
    try:
        # tensors of every backend, which need not lie in main memory
        array = keras.ops.convert_to_numpy(values) if keras.ops.is_tensor(values) else np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} is no array: {error}; accepted is {accepted}") from error
    if array.dtype == object and array.size and all(isinstance(value, bytes) for value in array.ravel()):
        # texts of TensorFlow's
        array = np.array([value.decode("utf-8", "backslashreplace") for value in array.ravel()]).reshape(array.shape)
    if array.dtype == object and array.size and all(isinstance(value, str) for value in array.ravel()):
        array = array.astype(str)
    if array.dtype == object and array.ndim == 1 and any(isinstance(value, str) for value in array):
        at = next(index for index, value in enumerate(array) if not isinstance(value, str))
        raise DataError(
            f"{name} holds texts, but {name}[{at}] is {array[at]!r:.40}; give a text there, or leave that example out"
        )
    if array.ndim < 1 or array.dtype.kind not in "biufUS":
        raise DataError(f"{name} is a {type(values).__name__}; accepted is {accepted}")
    return array


def is_data_set(data: object) -> bool:
    """Whether an object is a data set of TensorFlow's or Keras'."""
    return isinstance(data, keras.utils.PyDataset) or _is_tf_dataset(data)


def _is_tf_dataset(data: object) -> bool:
    # without an import, for there are backends that need no TensorFlow
    return type(data).__module__.startswith("tensorflow.") and hasattr(data, "element_spec")


def _py_batches(data: keras.utils.PyDataset) -> Iterator[tuple]:
    count = data.num_batches
    if count is None:
        raise DataError("the PyDataset has no end (num_batches is None); one with a length is expected")
    return (data[index] for index in range(count))


def _tf_batches(data: object) -> Iterator[tuple]:
    if int(data.cardinality()) == -1:
        raise DataError("the tf.data.Dataset has no end; take a part of it with .take(n)")
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) < 2 or not all(hasattr(one, "shape") for one in spec[:2]):
        raise DataError(f"the tf.data.Dataset gives {spec}; pairs (x, y) are expected, as from dataset.map")
    shapes = [one.shape for one in spec[:2]]
    try:
        if _is_batched(data, shapes):
            yield from data.as_numpy_iterator()
        elif all(shape.is_fully_defined() for shape in shapes):
            yield from data.batch(256).as_numpy_iterator()
        else:
            # one by one, for examples that do not go into one batch have a message of ours
            for parts in data.as_numpy_iterator():
                yield tuple(np.asarray(part)[None] for part in parts)
    except Exception as error:
        # TensorFlow's errors, without importing it; they come from what the user's own data set does
        if not type(error).__module__.startswith("tensorflow."):
            raise
        raise DataError(f"the tf.data.Dataset cannot be read: {' '.join(str(error).split())[:200]}") from error


def _is_batched(data: object, shapes: list) -> bool:
    """Whether a data set gives batches and not single examples.

    Raises:
        DataError: it may be either, or is neither.
    """
    x, y = shapes
    if x.rank and y.rank and x[0] is None and y[0] is None:
        return True
    if not all(shape.is_fully_defined() for shape in shapes):
        first = next(iter(data.take(1).as_numpy_iterator()), None)
        if first is None:
            raise DataError("the data set is empty")
        x, y = (np.shape(part) for part in first[:2])
    x, y = tuple(x), tuple(y)
    # one example is a number, a row, or a picture, with a number or a row of them
    single = len(y) <= 1 and (len(x) <= 2 or (len(x) == 3 and x[2] in CHANNELS))
    batch = bool(x and y) and x[0] == y[0]
    if not single and not batch:
        raise DataError(
            f"the tf.data.Dataset gives x of shape {x} with y of shape {y}, which is neither one example nor a batch"
        )
    if single and batch:
        raise DataError(
            f"the tf.data.Dataset gives x of shape {x} with y of shape {y}, which may be one example or a batch. Give "
            f"batches of any length: data.batch(32), or data.unbatch().batch(32) where drop_remainder=True made them"
        )
    return batch


def _joined(batches: Iterable[tuple], max_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    xs, ys, total = [], [], 0
    for batch in batches:
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise DataError("the data set gives inputs without targets; pairs (x, y) are expected")
        if len(batch) > 2:
            raise DataError("the data set gives more than (x, y); weights belong into a column of a CSV file")
        x, y = (as_array(name, values) for name, values in zip("xy", batch, strict=True))
        total += x.nbytes + y.nbytes
        if total > max_bytes:
            raise DataError(
                f"the data set holds over {max_bytes:,} bytes as arrays. Take a part of it, save its pictures as "
                f"files, or raise the limit with max_array_bytes=…"
            )
        xs.append(x)
        ys.append(y)
    if not xs:
        raise DataError("the data set is empty")
    try:
        return np.concatenate(xs), np.concatenate(ys)
    except ValueError as error:
        raise DataError(
            f"the examples differ in shape ({error}); resize pictures to one size, as in "
            f"data.map(lambda x, y: (tf.image.resize(x, (224, 224)), y)), or save them as files"
        ) from error
