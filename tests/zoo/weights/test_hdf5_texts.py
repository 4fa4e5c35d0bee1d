"""Lists of texts are read out of HDF5 attributes, whichever way they are stored."""

import random

import h5py
import numpy as np
import pytest
from keras_files import hdf5

from zoo.weights.hdf5_file import read_tree
from zoo.weights.hdf5_header import Window
from zoo.weights.hdf5_texts import TextReader
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.weight_file import DEFAULT_LIMITS, Refused, WeightFile

NAMES = ("one", "three\u00e9", "a" * 300)
BYTES = [name.encode() for name in NAMES]


@pytest.fixture
def texts(write):
    """Return the texts of one attribute of the root of an HDF5 file."""

    def _texts(data, name="names", limits=None):
        limits = limits or KerasLimits()
        with write(data, "weights.h5").open("rb", buffering=0) as handle:
            window = Window(WeightFile(handle, len(data), DEFAULT_LIMITS), 0, len(data))
            return TextReader(window, limits).texts(name, read_tree(window, limits).attributes[""][name])

    return _texts


def having(value, dtype=None, copies=1):
    """A file whose root has an attribute of this value."""

    def change(file):
        for number in range(copies):
            file.attrs.create("names" if number == copies - 1 else f"other{number}", value, dtype=dtype)

    return hdf5({}, change)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array(BYTES), None),
        (BYTES, h5py.string_dtype("ascii")),
        (list(NAMES), h5py.string_dtype()),
        (BYTES, h5py.string_dtype("utf-8", 500)),
    ],
    ids=["numpy", "bytes of any size", "texts of any size", "fixed size"],
)
def test_lists_of_texts_are_read(texts, value, dtype):
    """As Keras has written them over the years, by h5py of the time."""
    assert texts(having(value, dtype)) == NAMES


def test_header_that_goes_on_elsewhere_is_read(texts):
    """Twenty attributes do not fit into the first block of a header."""
    assert texts(having(np.array(BYTES), copies=20)) == NAMES


@pytest.mark.parametrize("value", [[], np.array([], "S5")], ids=["numbers", "texts"])
def test_empty_list_is_empty(texts, value):
    """An empty list is stored as one of numbers."""
    assert texts(having(value)) == ()


@pytest.mark.parametrize(
    "value", [3, [1.5], "text", np.array([[b"a", b"b"]]), [True]], ids=["number", "numbers", "text", "table", "bools"]
)
def test_anything_else_is_refused(texts, value):
    """By the attribute's name."""
    with pytest.raises(Refused, match="attribute 'names' that is not a list of texts"):
        texts(having(value))


@pytest.mark.parametrize("dtype", ["S3", h5py.string_dtype("ascii")], ids=["fixed", "any size"])
def test_bytes_that_are_no_text_are_refused(texts, dtype):
    """Names are UTF-8."""
    with pytest.raises(Refused, match="not UTF-8"):
        texts(having([b"\xff\xfe"], dtype))


def test_heaps_are_counted(texts):
    """One long text, said to be in the list a thousand times, would take memory each time."""
    data = bytearray(having([b"x" * 10_000] * 1000, h5py.string_dtype("ascii")))
    with pytest.raises(Refused, match="bytes of its HDF5 attributes"):
        texts(bytes(data), limits=KerasLimits(structure_bytes=5 * 2**20))


def test_mutated_files_are_read_or_refused(texts):
    """Any other exception is a defect."""
    rng, verdicts = random.Random(0), {"read": 0, "refused": 0}
    data = having(list(NAMES), h5py.string_dtype())
    used = [at for at, byte in enumerate(data) if byte and byte != ord("a")]
    for _ in range(1000):
        bad = bytearray(data)
        for at in rng.sample(used, rng.choice((1, 2))):
            bad[at] = rng.choice((0, 1, 2, 255, bad[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
        try:
            texts(bytes(bad))
            verdicts["read"] += 1
        except (Refused, KeyError):  # KeyError: the attribute is called something else
            verdicts["refused"] += 1
    assert min(verdicts.values()) > 50
