"""HDF5 files are read as the HDF5 library reads them, and never beyond what Keras writes."""

import io
import random
import struct
import tracemalloc

import h5py
import numpy as np
import pytest
from keras_files import ARRAYS, KERNEL, hdf5

from zoo.weights.hdf5_file import read_tree
from zoo.weights.hdf5_header import Window
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.weight_file import DEFAULT_LIMITS, ReadLimits, Refused, WeightFile

KINDS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")


@pytest.fixture
def tree(write):
    """Return the directory of an HDF5 file of these bytes."""

    def _tree(data, limits=None, **options):
        with write(data, "weights.h5").open("rb", buffering=0) as handle:
            window = Window(WeightFile(handle, len(data), DEFAULT_LIMITS), 0, len(data))
            return read_tree(window, limits or KerasLimits(), **options)

    return _tree


@pytest.fixture
def refused(tree):
    """Return why an HDF5 file of these bytes is refused."""

    def _refused(data, limits=None):
        with pytest.raises(Refused) as caught:
            tree(data, limits)
        return caught.value.found

    return _refused


def changed(data, at, new):
    """The bytes with some of them replaced."""
    return data[:at] + new + data[at + len(new) :]


def record(data, signature, which=0):
    """Where a record with this signature stands."""
    at = -1
    for _ in range(which + 1):
        at = data.index(signature, at + 1)
    return at


# Good files


def test_arrays_lie_where_the_library_finds_them(tree):
    """Every kind of number, scalars and empty arrays included, in nested groups."""
    rng = np.random.default_rng(0)
    arrays = {f"a/{kind}/x": (rng.random((2, 3)) * 100).astype(kind) for kind in KINDS}
    arrays |= {"scalar": np.array(3, "i8"), "a/empty": np.zeros((0, 4), "f4"), "a/none": np.zeros(0, "f8")}
    data = hdf5(arrays)
    found = tree(data).datasets
    assert set(found) == set(arrays)
    for path, array in arrays.items():
        place = found[path]
        assert (place.shape, np.dtype(place.element.stored)) == (array.shape, array.dtype)
        assert data[place.offset : place.offset + place.num_bytes] == array.tobytes()


def test_large_groups_are_read(tree):
    """A thousand members take several levels of the tree of names."""
    arrays = {f"g/{number}": np.float32(number) for number in range(1000)}
    assert set(tree(hdf5(arrays)).datasets) == set(arrays)


def test_skipped_groups_are_not_looked_into(tree):
    """Whatever they hold."""
    data = hdf5(ARRAYS, lambda file: file.create_group("optimizer").update({"x": h5py.SoftLink("/y")}))
    assert set(tree(data, skip=("optimizer",)).datasets) == set(ARRAYS)


def test_bfloat16_is_known_by_its_two_opaque_bytes(tree):
    """NumPy lacks it, and Keras stores it so."""
    data = hdf5({"x": np.zeros(3, "V2")})
    assert tree(data).datasets["x"].element.name == "BF16"


# Bad files


def soft(file):
    """Add a SoftLink."""
    file["layers/x"] = h5py.SoftLink(f"/{KERNEL}")


def external(file):
    """Add an ExternalLink."""
    file["layers/x"] = h5py.ExternalLink("/etc/passwd", "y")


def outside(file):
    """Add a dataset whose numbers lie in another file."""
    file.create_dataset("layers/x", (3,), "f4", external=[("/etc/passwd", 0, 12)])


def virtual(file):
    """Add a dataset that is put together from other files."""
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "y", (3,))
    file.create_virtual_dataset("layers/x", layout)


def twice(file):
    """Give a dataset a second name."""
    file["layers/x"] = file[KERNEL]


def circle(file):
    """Put the root into one of its groups."""
    file["layers/x"] = file["/"]


def zipped(file):
    """Add a compressed dataset: 4 GB in 4 kB."""
    file.create_dataset("layers/x", (2**30,), "f4", compression="gzip", chunks=(2**20,))


REFUSED = {
    "soft link": (soft, "its HDF5 object 'layers': holds 'x', a SoftLink"),
    "external link": (external, "its HDF5 object 'layers': holds an ExternalLink, which leads to another file"),
    "external storage": (outside, "its HDF5 object 'layers/x': has external storage"),
    "virtual": (virtual, "its HDF5 object 'layers/x': is stored as a virtual dataset, in other files"),
    "two names": (twice, "one object has two names"),
    "circle": (circle, "one object has two names"),
    "compressed": (zipped, "its HDF5 object 'layers/x': is compressed"),
    "chunks": (lambda file: file.create_dataset("x", (9,), "f4", chunks=(3,)), "is stored in chunks"),
    "never written": (lambda file: file.create_dataset("x", (2**40,), "f4"), "needs 4398046511104 bytes"),
    "big-endian": (lambda file: file.create_dataset("x", data=np.ones(3, ">f4")), "unknown kind: a float of 4 bytes"),
    "texts": (lambda file: file.create_dataset("x", data=np.bytes_(b"abc")), "unknown kind: a text of 3 bytes"),
    "booleans": (lambda file: file.create_dataset("x", data=[True]), "unknown kind: an enumeration of 1 bytes"),
    "records": (lambda file: file.create_dataset("x", data=np.zeros(2, "i4,f4")), "unknown kind: a record"),
    "named type": (lambda file: file.update({"x": np.dtype("f4")}), "is neither an array nor a group"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_keras_never_writes_is_refused(refused, change, reason):
    """Nothing leads out of the file, and nothing in it stands for more than it is."""
    assert reason in refused(hdf5(ARRAYS, change))


@pytest.mark.parametrize("version", ["v108", "latest"])
def test_newer_format_is_refused(refused, version):
    """By name, for such a file may be sound."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v108" if version == "v108" else "latest", "latest")) as file:
        file["x"] = np.ones(3)
    assert "of the newer HDF5 format" in refused(buffer.getvalue())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_files_are_refused(refused, share):
    """Wherever the cut is."""
    data = hdf5()
    assert "cut short" in refused(data[: 48 + int(share * (len(data) - 48))])


def test_appended_bytes_are_refused(refused):
    """The superblock knows the length."""
    assert "has something appended" in refused(hdf5() + b"x")


SMALL = hdf5({"g/x": np.arange(4, dtype="f4")})
FLOAT = SMALL.index(b"\x11\x20\x1f\x00")
DAMAGE = {
    "signature": (0, b"X", "is no HDF5 file"),
    "superblock": (8, b"\x05", "of the newer HDF5 format (superblock 5)"),
    "size of offsets": (13, b"\x04", "its HDF5 superblock is not one that h5py writes"),
    "base address": (24, b"\x01", "counts"),
    "root": (64, b"\xff" * 8, "is cut short or damaged"),
    "header version": (96, b"\x07", "its HDF5 root: is damaged: its header has version 7"),
    "header size": (104, b"\xff\xff\xff\x7f", "its HDF5 root: bytes of its HDF5 structure: 2147483647"),
    "message": (112, b"\x77", "a header message of kind 119"),
    "shared message": (116, b"\x02", "of kind 17 with flags 2"),
    "message size": (114, b"\xff\xff", "its header ends inside a message"),
    "tree": (record(SMALL, b"TREE"), b"X", "its tree of names is broken"),
    "level of the tree": (record(SMALL, b"TREE") + 5, b"\x01", "its tree of names is broken"),
    "nodes in the tree": (record(SMALL, b"TREE") + 6, b"\xff\xff", "is cut short or damaged"),
    "node that is its own child": (record(SMALL, b"TREE") + 32, struct.pack("<Q", 136), "referred to twice"),
    "symbols": (record(SMALL, b"SNOD"), b"X", "its symbol table is broken"),
    "names": (record(SMALL, b"HEAP"), b"X", "its names are not where they should be"),
    "place of a name": (record(SMALL, b"SNOD") + 8, b"\xff\xff", "a name in it is not a text"),
    "name with a slash": (SMALL.index(b"g\0\0\0\0\0\0\0", 600), b"/", "holds a slash"),
    "upper name": (SMALL.index(b"g\0\0\0\0\0\0\0", 600), b"..", "is not a text"),
    "size of a number": (FLOAT + 4, b"\x03", "unknown kind: a float of 3 bytes"),
    "bits of a number": (FLOAT + 12, b"\x16", "unknown kind: a float of 4 bytes"),
    "number of dimensions": (FLOAT - 31, b"\x33", "with 51 dimensions"),
    "dimension": (FLOAT - 24, b"\x05", "of shape (5,) and kind F32 needs 20 bytes, and its header promises 16"),
}


@pytest.mark.parametrize(("at", "new", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named(refused, at, new, reason):
    """Each record is checked by its own."""
    assert reason in refused(changed(SMALL, at, new))


def test_array_beyond_the_file_is_refused(refused, tree):
    """Its header agrees with itself: 4 TB promised, in shape and in size."""
    place, count = tree(SMALL).datasets["g/x"], 2**40
    at = SMALL.index(struct.pack("<QQ", place.offset, place.num_bytes))
    data = changed(SMALL, at + 8, struct.pack("<Q", 4 * count))
    for dimension in (FLOAT - 24, FLOAT - 16):
        data = changed(data, dimension, struct.pack("<Q", count))
    assert "array 'g/x' of shape (1099511627776,) ends at byte" in refused(data)


def test_arrays_that_share_bytes_are_refused(refused, tree):
    """A small file could stand for a huge model."""
    data = hdf5({"a": np.zeros(100, "f8"), "b": np.ones(100, "f8")})
    first, second = (tree(data).datasets[name] for name in "ab")
    at = data.index(struct.pack("<QQ", second.offset, 800))
    assert "arrays 'a' and 'b' overlap" in refused(changed(data, at, struct.pack("<Q", first.offset + 8)))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (KerasLimits(parts=20), "records of its HDF5 structure: 21; at most 20 accepted"),
        (KerasLimits(structure_bytes=1000), "bytes of its HDF5 structure"),
        (KerasLimits(nesting=2), "groups inside one another: 3; at most 2 accepted"),
        (KerasLimits(reading=ReadLimits(tensors=1)), "arrays: 2; at most 1 accepted"),
    ],
)
def test_limits_are_kept(refused, limits, reason):
    """Each is reached by a file of two arrays."""
    assert reason in refused(hdf5(), limits)


def test_a_million_messages_are_refused_early(refused):
    """A header that goes on in 8 MB of empty messages, 8 bytes each."""
    data = bytearray(SMALL)
    data[112:136] = struct.pack("<HH4xQQ", 0x10, 16, len(data), 8 * 10**6)
    data += bytes(8 * 10**6)
    data[40:48] = struct.pack("<Q", len(data))
    tracemalloc.start()
    try:
        assert "records of its HDF5 structure: 200001" in refused(bytes(data))
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()


def test_mutated_files_are_read_or_refused(tree):
    """Any other exception is a defect; the HDF5 library crashes on some of these."""
    rng, verdicts = random.Random(0), {"read": 0, "refused": 0}
    data = hdf5()
    used = [at for at, byte in enumerate(data) if byte]
    for _ in range(1500):
        bad = bytearray(data)
        for at in rng.sample(used, rng.choice((1, 2, 4))):
            bad[at] = rng.choice((0, 1, 2, 255, bad[at] ^ 1 << rng.randrange(8), rng.randrange(256)))
        try:
            tree(bytes(bad))
            verdicts["read"] += 1
        except Refused:
            verdicts["refused"] += 1
    assert min(verdicts.values()) > 100
