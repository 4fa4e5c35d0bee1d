"""Arrays as data: what their shapes and values mean, files that hold them, and data sets by name."""

import gzip
import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from finetune.config import make_config
from finetune.data.array_pictures import array_examples
from finetune.data.array_targets import array_target
from finetune.data.arrays import Arrays, Part, check_parts, kind_of
from finetune.data.cifar_file import read_cifar_batch
from finetune.data.idx_file import read_idx
from finetune.data.images import open_image
from finetune.data.keras_sets import SETS, keras_arrays
from finetune.data.npz_file import npz_arrays, read_npz
from finetune.data.pixels import picture_of
from zoo.errors import DataError, ImageError

LIMIT = 10**7


def arrays_of(x, y=None, **known):
    """Return arrays of one part."""
    return Arrays("t.npz", (Part("x", "", np.asarray(x), None if y is None else np.asarray(y)),), **known)


def noise(*shape, dtype="uint8"):
    """Return random pixels."""
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


@pytest.mark.parametrize(
    ("pixels", "dtype"), [((5, 7), "uint8"), ((5, 7, 3), "uint8"), ((5, 7, 4), "uint8"), ((5, 7), "uint16")]
)
def test_array_is_the_picture_of_its_file(pixels, dtype):
    """Grey, RGB, transparency over white and 16 bits: an array gives what a PNG of it gives."""
    array = noise(*pixels, dtype=dtype)
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    np.testing.assert_array_equal(np.array(open_image(array)), np.array(open_image(stream.getvalue())))


def test_channel_of_grey_may_be_said():
    """(height, width, 1) is grey like (height, width), and whole numbers of any type are taken."""
    grey = noise(5, 7)
    for same in (grey[..., None], grey.astype("float32"), grey.astype("int64")):
        np.testing.assert_array_equal(np.array(open_image(same)), np.array(open_image(grey)))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4), -1), "values from -1 to -1"),
        (np.full((4, 4), 300.0), "values from 300 to 300"),
        (np.full((4, 4), np.nan), "values from nan"),
        (np.zeros((4, 4, 2), "uint8"), "shape"),
        (np.zeros((0, 4), "uint8"), "nothing to see"),
    ],
)
def test_array_that_is_no_picture_has_a_reason(array, message):
    """A bad picture is skipped with its reason, like a bad file."""
    with pytest.raises(ImageError, match=message):
        picture_of(array)


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((9, 8, 8), "uint8", "pictures"),
        ((9, 8, 8, 3), "float32", "pictures"),
        ((9, 4), "float32", "table"),
        ((9,), "float32", "table"),
        ((9, 24, 2), "float32", "windows"),
    ],
)
def test_kind_goes_by_shape_and_type(shape, dtype, kind):
    """Pictures, rows and windows differ in their axes."""
    assert kind_of(arrays_of(np.ones(shape, dtype))) == kind


def test_grey_pictures_in_fractions_are_asked_about():
    """Fractional (n, height, width) may be pictures or windows, and the user says which."""
    with pytest.raises(DataError, match=r"may be grey pictures or windows.*give whole numbers"):
        kind_of(arrays_of(np.ones((9, 28, 28), "float32")))


def test_channels_first_gets_the_remedy():
    """Pictures as PyTorch has them are refused with the transposition that mends them."""
    with pytest.raises(DataError, match=r"channels first; give x\.transpose\(0, 2, 3, 1\)"):
        kind_of(arrays_of(noise(9, 3, 16, 16)))


@pytest.mark.parametrize(
    ("scale", "message"), [(1 / 255, r"scaled to \[0, 1\]; give x \* 255"), (257.0, "more than 8 bits")]
)
def test_scaled_pictures_are_refused_with_the_remedy(scale, message):
    """Pixels in [0, 1] would be black to every model, so they are never taken in silence."""
    x = noise(20, 8, 8, 3).astype("float32") * scale
    with pytest.raises(DataError, match=message):
        array_examples(make_config({"data": "t.npz"}), arrays_of(x, np.arange(20) % 2))


@pytest.mark.parametrize(
    ("y", "known", "task", "names"),
    [
        ([0, 1, 2] * 10, (), "classification", ("0", "1", "2")),
        (np.arange(30) % 3 + 0.0, (), "classification", ("0", "1", "2")),
        ([3, 7] * 15, (), "classification", ("3", "7")),
        (["no", "yes"] * 15, (), "classification", ("no", "yes")),
        (np.arange(30) % 25, (), "regression", ("y",)),
        (np.arange(30) % 15, (), "classification", tuple(map(str, range(15)))),
        (np.linspace(0, 1, 30), (), "regression", ("y",)),
        (np.eye(3)[np.arange(30) % 3], ("a", "b", "c"), "classification", ("a", "b", "c")),
        (np.tile([[1, 1], [0, 0], [0, 1]], (10, 1)), (), "multi_label", ("y0", "y1")),
        (np.full((30, 2), 0.5), (), "regression", ("y0", "y1")),
        ([[0], [1]] * 15, ("a", "b", "c"), "classification", ("a", "b")),
    ],
)
def test_targets_mean_what_they_look_like(y, known, task, names):
    """Classes, labels and numbers are told apart by type and shape, and the order of classes is theirs."""
    found = array_target(make_config({"data": "t"}), arrays_of(np.zeros((30, 2)), y, class_names=known))
    assert (found.task, found.names) == (task, names) and found.why


@pytest.mark.parametrize(
    ("y", "known", "message"),
    [
        ([0, 1, 5], ("a", "b"), r"target of x\[2\] is 5, but 2 classes have names"),
        ([0.0, np.nan, 1.0], (), r"target of x\[1\] is no number"),
        ([1, 1, 1], ("a", "b"), "at least two classes"),
        (["a", " ", "b"], (), r"target of x\[1\] is blank"),
        ([0.5, 1.5, 1e39], (), r"target of x\[2\]: 1e\+39 is too large"),
        ([[0.5, 0], [0.5, -1e30], [1, 1]], (), r"target of x\[1\]: -1e\+30 is too large"),
        (None, (), "there are no targets"),
    ],
)
def test_bad_targets_are_named(y, known, message):
    """A target that cannot be is named with its place."""
    with pytest.raises(DataError, match=message):
        array_target(make_config({"data": "t"}), arrays_of(np.zeros((3, 2)), y, class_names=known))


def test_labels_of_arrays_that_look_alike_are_warned_of():
    """Texts that differ by case or blanks only are named, as those of a CSV file are."""
    x, y = noise(30, 8, 8, 3), ["cat", "Cat", " cat"] * 10
    examples, _ = array_examples(make_config({"data": "t.npz"}), arrays_of(x, y))
    (finding,) = examples.findings
    assert finding.severity == "warning" and "' cat', 'Cat', 'cat'" in finding.message


@pytest.mark.parametrize("names", [("x", "y"), ("X", "Y"), ("images", "labels"), ("train_images", "train_labels")])
def test_names_of_arrays_in_a_file(tmp_path, names):
    """Inputs and targets go by several names."""
    np.savez(tmp_path / "t.npz", **{names[0]: noise(4, 2), names[1]: [0, 1, 0, 1], "extra": [1]})
    found = npz_arrays(str(tmp_path / "t.npz"), max_bytes=LIMIT)
    assert found.parts[0].y.tolist() == [0, 1, 0, 1] and "extra" in found.notes[0]


def refused(path):
    """Return the message with which a .npz file is refused."""
    with pytest.raises(DataError) as caught:
        check_parts(npz_arrays(str(path), max_bytes=LIMIT))
    return str(caught.value)


class Evil:
    """Would end the test run if it were unpickled."""

    def __reduce__(self):
        return exit, (3,)


def test_objects_are_never_unpickled(tmp_path):
    """An array of objects is refused by its header, and nothing of it is run."""
    np.savez(tmp_path / "t.npz", x=np.array([Evil()], object), y=[1])
    assert "x.npy holds objects, which would have to be unpickled" in refused(tmp_path / "t.npz")


def header(shape, dtype="|u1"):
    """Return the head of a .npy member."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((10**6, 10**6)) + b"abc", "says it has the shape"),
        (header((2,)) + b"abc", "another length"),
        (b"not an array", "no array of NumPy's"),
        (header((2**62, 8)), "says it has the shape"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "no array of NumPy's"),
    ],
)
def test_lying_headers_are_refused_unread(tmp_path, content, message):
    """A header that promises more or less than there is costs nothing."""
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("x.npy", content)
    assert message in refused(tmp_path / "t.npz")


def test_packed_zeros_are_measured_before_they_are_unpacked(tmp_path):
    """A small file that unpacks to more than the limit is refused, with the setting that raises it."""
    np.savez_compressed(tmp_path / "t.npz", x=np.zeros(2 * LIMIT, "uint8"))
    assert (tmp_path / "t.npz").stat().st_size < 10**5
    assert "over the limit of 10,000,000" in refused(tmp_path / "t.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"<html>"])
def test_other_files_are_no_npz(tmp_path, content):
    """A damaged file is refused in one line."""
    (tmp_path / "t.npz").write_bytes(content)
    assert "is no .npz file, or is damaged" in refused(tmp_path / "t.npz")


def test_file_without_x_lists_its_arrays(tmp_path):
    """A file with other names says which it has."""
    np.savez(tmp_path / "t.npz", a=[1], b=[2])
    assert "has the arrays 'a', 'b'; expected are x and y" in refused(tmp_path / "t.npz")


def idx_bytes(array):
    """Return an array in the form of MNIST's files."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_clothes(folder, count=40):
    """Write files as those of Fashion-MNIST."""
    folder.mkdir(parents=True)
    for stem, number in (("train", count), ("t10k", 10)):
        for what, array in (
            ("images-idx3", noise(number, 28, 28)),
            ("labels-idx1", np.arange(number, dtype="uint8") % 10),
        ):
            (folder / f"{stem}-{what}-ubyte.gz").write_bytes(gzip.compress(idx_bytes(array)))


def by_name(folder, name):
    """Read a data set by name from a folder."""
    return keras_arrays(make_config({"data": f"keras:{name}", "datasets_dir": folder}))


def test_fashion_mnist_is_read_with_its_sides_and_names(tmp_path):
    """Its own test side is kept, and classes are called as its publisher calls them."""
    write_clothes(tmp_path / "fashion-mnist")
    found = by_name(tmp_path, "fashion_mnist")
    assert [part.side for part in found.parts] == ["train", "test"] and found.root == "keras:fashion_mnist"
    assert found.class_names[9] == "Ankle boot" and found.names[0] == "train[0]"


def test_mnist_is_read_from_keras_file(tmp_path):
    """The file that Keras leaves in its cache is a .npz file like others."""
    x, y = noise(40, 28, 28), np.arange(40, dtype="uint8") % 10
    np.savez(tmp_path / "mnist.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    found = by_name(tmp_path, "mnist")
    assert found.class_names == tuple("0123456789") and found.names[-1] == "test[9]"


def test_houses_are_shuffled_and_cut_as_keras_does(tmp_path):
    """The rows on the test side are those that keras.datasets gives."""
    x = np.arange(260.0).reshape(20, 13)
    np.savez(tmp_path / "boston_housing.npz", x=x, y=np.arange(20.0))
    order = np.arange(20)
    np.random.RandomState(113).shuffle(order)
    found = by_name(tmp_path, "boston_housing")
    np.testing.assert_array_equal(found.parts[1].y, np.arange(20.0)[order][16:])
    assert kind_of(found) == "table" and found.column_names[5] == "RM"


def python2_pickle(pixels, labels, key=b"labels"):
    """Return a batch as Python 2 packed it: pickle protocol 2 with byte strings."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01"
    array += b"M" + struct.pack("<H", len(labels)) + b"M\0\x0c\x86cnumpy\ndtype\nU\x02u1K\0K\x01\x87R"
    array += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T" + struct.pack("<I", pixels.nbytes)
    array += pixels.tobytes() + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    parts = [text(b"data"), array, text(key), numbers, text(b"batch_label"), text(b"batch 1 of 5")]
    return b"\x80\x02}(" + b"".join(parts) + b"u."


def test_cifar_is_read_without_unpickling(tmp_path):
    """Pictures and labels come out of the pickle's own parts, channels last."""
    pixels, labels = noise(12, 3, 32, 32), [number % 10 for number in range(12)]
    content = python2_pickle(pixels, labels)
    assert pickle.loads(content, encoding="bytes")[b"labels"] == labels
    (tmp_path / "data_batch_1").write_bytes(content)
    x, y = read_cifar_batch(tmp_path / "data_batch_1", labels="labels", max_bytes=LIMIT)
    np.testing.assert_array_equal(x, pixels.transpose(0, 2, 3, 1))
    assert y.tolist() == labels


@pytest.mark.parametrize("content", [b"", b"cos\nsystem\nU\x04trueR.", pickle.dumps({"data": 1}), b"\x80\x02}(U\x04da"])
def test_other_pickles_are_no_batches(tmp_path, content):
    """What is no batch is refused, and runs nothing."""
    (tmp_path / "batch").write_bytes(content)
    with pytest.raises(DataError, match="is no batch of CIFAR"):
        read_cifar_batch(tmp_path / "batch", labels="labels", max_bytes=LIMIT)


@pytest.mark.parametrize("name", SETS)
def test_absent_data_set_says_how_to_bring_it(tmp_path, name):
    """Nothing is fetched; one line says what does it."""
    with pytest.raises(DataError, match=rf"keras\.datasets\.{name}\.load_data.*datasets_dir=FOLDER"):
        by_name(tmp_path, name)


def test_unknown_name_gets_the_nearest(tmp_path):
    """A typo is answered with what is known."""
    with pytest.raises(DataError, match="Nearest: fashion_mnist"):
        by_name(tmp_path, "fashion_minst")


@pytest.mark.parametrize(
    ("name", "near"),
    [("IMDB", "imdb"), ("imbd", "imdb"), ("router", "reuters"), ("MNIST", "mnist"), ("cifar", "cifar10")],
)
def test_unknown_name_gets_the_nearest_of_all_that_keras_has(tmp_path, name, near):
    """Capital letters, and the data sets of texts, are thought of too."""
    with pytest.raises(DataError, match=f"Nearest: .*{near}"):
        by_name(tmp_path, name)


@pytest.mark.parametrize("name", ["imdb", "reuters"])
def test_texts_are_refused_in_words(tmp_path, name):
    """Sequences of word numbers are no input of any model here; the message says how to make a table of them."""
    with pytest.raises(DataError, match=rf"texts as sequences of word numbers.*x\[i, word\] = 1.*fit {name}\.npz"):
        by_name(tmp_path, name)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(gzip.compress(b"\0\0\x0d\x01\0\0\0\1aaaa"), id="float32"),
        pytest.param(gzip.compress(idx_bytes(noise(4, 4))[:-3]), id="cut"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, content):
    """A file of other numbers, or one that was cut, is named."""
    (tmp_path / "t.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.gz"):
        read_idx(tmp_path / "t.gz", max_bytes=LIMIT)


def test_npz_arrays_keep_their_order_in_memory(tmp_path):
    """An array that was saved column by column comes out as it was."""
    x = np.asfortranarray(noise(4, 6))
    np.savez(tmp_path / "t.npz", x=x)
    np.testing.assert_array_equal(read_npz(str(tmp_path / "t.npz"), max_bytes=LIMIT)["x"], x)
