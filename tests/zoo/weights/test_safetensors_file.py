"""Safetensors files are read as their own library reads them, and their headers are believed in nothing."""

import functools
import json
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from weight_files import entry
from weight_files import safetensors as packed

from zoo.errors import ModelFileError
from zoo.weights.safetensors_file import read_safetensors
from zoo.weights.weight_file import ReadLimits

ROOT = Path(__file__).parents[3]
KINDS = ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")


@pytest.fixture
def refuse(refusal):
    """Return the message with which the bytes are refused as a safetensors file."""
    return functools.partial(refusal, name="model.safetensors")


@pytest.fixture
def write_index(tmp_path):
    """Write two shards and an index with this weight map; return the index's path."""

    def _write_index(weight_map):
        safetensors.numpy.save_file({"b": np.zeros(2, "<f4"), "a": np.ones(2, "<f4")}, tmp_path / "1.safetensors")
        safetensors.numpy.save_file({"c": np.arange(3)}, tmp_path / "2.safetensors")
        path = tmp_path / "model.safetensors.index.json"
        path.write_text(json.dumps({"metadata": {"total_size": 40}, "weight_map": weight_map}))
        return path

    return _write_index


# Good files


def test_every_kind_of_number_is_read_as_the_library_reads_it(write):
    """Names, shapes, dtypes and bits; the library wrote the file."""
    rng = np.random.default_rng(0)
    arrays = {kind: (rng.random((2, 3)) * 100 - 20 * (kind[0] in "fi")).astype(kind) for kind in KINDS}
    arrays |= {"scalar": np.array(3.5), "empty": np.zeros((0, 4), "f4"), "none": np.zeros(0, "?")}
    path = write(safetensors.numpy.save(arrays))
    found, expected = read_safetensors(path), safetensors.numpy.load_file(path)
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


def test_half_precision_becomes_float32(write):
    """Both kinds, exactly, with infinities."""
    halves = np.array([0.1, -2, 65504, np.inf], "<f2")
    brains = np.array([0x3F80, 0xC000, 0x7F80, 0x0001], "<u2")
    header = {"h": entry("F16", [4], [0, 8]), "b": entry("BF16", [2, 2], [8, 16])}
    found = read_safetensors(write(packed(header, halves.tobytes() + brains.tobytes())))
    assert found["h"].tolist() == halves.astype("f4").tolist()
    assert found["b"].tolist() == [[1.0, -2.0], [np.inf, 2.0**-133]]
    assert {array.dtype for array in found.values()} == {np.dtype("float32")}


def test_order_is_that_of_the_header(write):
    """Not that of the bytes."""
    header = {"z": entry(offsets=[16, 32]), "a": entry(offsets=[0, 16]), "__metadata__": {"format": "pt"}}
    assert list(read_safetensors(write(packed(header, bytes(32))))) == ["z", "a"]


@pytest.mark.parametrize("size", [0x3C + 0x100, 0x213C, 0x8B1F, 0x0A20])
def test_header_length_that_looks_like_another_format_is_no_matter(write, size):
    """The first bytes are a number; "<", "<!", gzip's mark and white space are numbers too."""
    header = json.dumps({"w": entry()}).encode().ljust(size)
    assert list(read_safetensors(write(packed(header)))) == ["w"]


def test_arrays_cannot_be_written(write):
    """As those of the other reader."""
    with pytest.raises(ValueError, match="read-only"):
        read_safetensors(write(packed()))["w"][0] = 2


# Bad files


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!doctype html>", "HTML"),
        (b"1234567", "cut short"),
        (struct.pack("<Q", 100) + b"{", "promises a header of 100 bytes and has 1"),
        (b"\xff" * 16, "promises a header of 18446744073709551615 bytes"),
        (packed(b"[]"), "its header starts with b'[]'; '{' expected"),
        (packed(b" {}"), "its header starts with b' {}'"),
        (packed(b'{"\xff": 0}'), "not UTF-8: invalid start byte at byte 2"),
        (packed(b'{"w": '), "not JSON"),
        (packed(b'{"w": NaN}'), "NaN is not JSON"),
        (packed(b'{"w": ' + b"9" * 5000 + b"}"), "not JSON"),
        (packed(b"{}"), "holds no tensor"),
        (packed(b'{"w": 0, "w": 0}'), "the key 'w' comes twice"),
        (packed(b'{"w": {"dtype": "F32", "dtype": "F16"}}'), "the key 'dtype' comes twice"),
        (packed(b'{"\\ud800": 0}'), "is not Unicode text"),
    ],
)
def test_bad_headers_are_refused(refuse, data, reason):
    """Each for its own reason."""
    assert reason in refuse(data)


BAD_ENTRIES = {
    "no dict": ([], "is described by a list"),
    "key missing": ({"dtype": "F32", "shape": [4]}, "'dtype', 'shape'; dtype, shape, data_offsets expected"),
    "key too many": (entry() | {"url": "x"}, "'url'"),
    "float8": (entry("F8_E4M3", [16]), "dtype 'F8_E4M3'; accepted are F64"),
    "float4": (entry("F4", [32]), "dtype 'F4'"),
    "complex": (entry("C64", [2]), "dtype 'C64'"),
    "list as dtype": (entry([]), "dtype list"),
    "no text as dtype": (entry(4), "dtype int"),
    "too few numbers": (entry(shape=[3]), "needs 12 bytes; its data_offsets hold 16"),
    "too many numbers": (entry(shape=[2, 3]), "needs 24 bytes"),
    "wider dtype": (entry("F64"), "needs 32 bytes"),
    "shape is a number": (entry(shape=4), "a shape that is not a list"),
    "negative size": (entry(shape=[-2, -2]), "a shape that is not a list of at most 16 integers"),
    "fraction": (entry(shape=[4.0]), "a shape that is not"),
    "truth value": (entry(shape=[True, 4]), "a shape that is not"),
    "size of 2**63": (entry(shape=[2**63, 0], offsets=[0, 0]), "integers below 2**63"),
    "product overflows to 4": (entry(shape=[2**62, 4, 2**62, 4, 1], offsets=[0, 16]), "bytes"),
    "nothing of huge size": (entry(shape=[2**62, 0], offsets=[0, 0]), "needs 0 bytes"),
    "17 sizes": (entry(shape=[1] * 16 + [4]), "at most 16"),
    "one offset": (entry(offsets=[16]), "data_offsets [16]"),
    "backwards": (entry(offsets=[16, 0]), "data_offsets [16, 0]"),
    "negative offset": (entry(offsets=[-16, 0]), "a data_offsets that is not"),
    "hole at the start": (entry(shape=[3], offsets=[4, 16]), "leaves a hole"),
    "ends early": (entry(shape=[3], offsets=[0, 12]), "tensors take 12 bytes, 16 follow"),
    "ends late": (entry(shape=[5], offsets=[0, 20]), "tensors take 20 bytes, 16 follow"),
    "boolean 2": (entry("BOOL", [16]), "tensor 'w' is damaged: a boolean"),
}


@pytest.mark.parametrize(("fields", "reason"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_bad_entries_are_refused(refuse, fields, reason):
    """The message names the tensor, what was found and what is accepted."""
    message = refuse(packed({"w": fields}, b"\2" * 16))
    assert reason in message
    assert "'w'" in message or "follow the header" in message


@pytest.mark.parametrize(("begin", "reason"), [(8, "overlaps"), (24, "leaves a hole")])
def test_overlaps_and_holes_are_refused(refuse, begin, reason):
    """Every byte belongs to one tensor."""
    header = {"a": entry(), "b": entry(offsets=[begin, begin + 16])}
    message = refuse(packed(header, bytes(begin + 16)))
    assert f"tensor 'b' {reason}" in message


@pytest.mark.parametrize("metadata", [{"a": 1}, {"a": None}, [], "text"])
def test_metadata_other_than_texts_is_refused(refuse, metadata):
    """The format allows texts alone."""
    assert "__metadata__" in refuse(packed({"__metadata__": metadata, "w": entry()}))


def test_every_truncation_and_appended_bytes_are_refused(write):
    """No prefix of a good file passes for one, nor does a longer file."""
    good = packed()
    for bad in (*(good[:size] for size in range(len(good))), good + b"\0"):
        with pytest.raises(ModelFileError):
            read_safetensors(write(bad))


def test_missing_file_and_folder_are_named(tmp_path):
    """Neither is mistaken for a damaged file."""
    for path, reason in ((tmp_path / "no.safetensors", "No such file"), (tmp_path, "is a folder")):
        with pytest.raises(ModelFileError, match=reason):
            read_safetensors(path)


_ROOM = 4 * 2**20 - 100
HOSTILE = {
    "nesting": (b'{"a":' * (_ROOM // 5), "nests too deeply"),
    "lists": (b'{"a":[' + b"[]," * (_ROOM // 3) + b"[]]}", "is described by a list"),
    "entries": (b"{" + b",".join(b'"%d":0' % n for n in range(30_000)) + b"}", "at most 10000 accepted"),
    "length": (b"{" + b" " * 2**22 + b"}", "bytes of the header: 4194306; at most 4194304"),
}


@pytest.mark.parametrize(("header", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused_at_bounded_memory(refuse, header, reason):
    """The longest header that is parsed stays below 200 MB."""
    data = packed(header)
    tracemalloc.start()
    try:
        assert reason in refuse(data)
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("limit", ["file_bytes", "header_bytes", "tensors"])
def test_every_limit_can_be_set_and_is_named(refuse, limit):
    """The message says which limit was met, and how it is raised."""
    assert f"ReadLimits({limit}=...)" in refuse(packed(), **{limit: 0})


# Several files


def test_index_joins_its_files(write_index):
    """In the order of the index."""
    found = read_safetensors(write_index({"c": "2.safetensors", "a": "1.safetensors", "b": "1.safetensors"}))
    assert {name: array.tolist() for name, array in found.items()} == {"c": [0, 1, 2], "a": [1, 1], "b": [0, 0]}
    assert list(found) == ["c", "a", "b"]


BAD_INDEXES = {
    "parent": ({"a": "../1.safetensors"}, "places tensor 'a' in '../1.safetensors'"),
    "absolute": ({"a": "/1.safetensors"}, "the plain name"),
    "backslash": ({"a": "x\\1.safetensors"}, "the plain name"),
    "drive": ({"a": "c:1.safetensors"}, "the plain name"),
    "pickle": ({"a": "1.pth"}, "the plain name"),
    "NUL": ({"a": "1\0.safetensors"}, "the plain name"),
    "number": ({"a": 1}, "in int"),
    "missing file": ({"a": "3.safetensors"}, "names the file '3.safetensors', which is not beside it"),
    "no map": (["a"], "weight_map"),
    "empty map": ({}, "weight_map"),
    "tensor not in its file": ({"a": "2.safetensors", "c": "2.safetensors"}, "tensor 'a'"),
    "tensor not in the index": ({"a": "1.safetensors"}, "tensor 'b'"),
}


@pytest.mark.parametrize(("weight_map", "reason"), BAD_INDEXES.values(), ids=BAD_INDEXES)
def test_bad_indexes_are_refused(write_index, weight_map, reason):
    """An index leads to files beside it, which hold what it says."""
    with pytest.raises(ModelFileError) as caught:
        read_safetensors(write_index(weight_map))
    assert reason in str(caught.value)


def test_files_of_an_index_share_the_limit_of_size(write_index):
    """Many files are not a way round it."""
    path = write_index({"a": "1.safetensors", "b": "1.safetensors", "c": "2.safetensors"})
    sizes = [(path.parent / name).stat().st_size for name in ("1.safetensors", "2.safetensors")]
    with pytest.raises(ModelFileError, match="all files of the index"):
        read_safetensors(path, limits=ReadLimits(file_bytes=sum(sizes) - 1))


@pytest.mark.parametrize("limit", ["header_bytes", "tensors"])
def test_limits_of_an_index_can_be_set_and_are_named(refuse, limit):
    """It is read before any of its files."""
    index = b'{"weight_map": {"a": "1.safetensors"}}'
    assert f"ReadLimits({limit}=...)" in refuse(index, name="model.safetensors.index.json", **{limit: 0})


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"weight_map": {"a": "1", "a": "2"}}', b"<html>"])
def test_index_that_is_no_json_object_is_refused(refuse, data):
    """It is checked as a header is."""
    assert refuse(data, name="model.safetensors.index.json")


def test_mutated_files_give_arrays_or_a_refusal():
    """A short run of the fuzzer; its limit of time is wide here, because test machines are busy."""
    script = ROOT / "benchmarks" / "fuzz_weight_files.py"
    options = ["--kind", "safetensors", "--count", "300", "--seed", "7", "--most-seconds", "20"]
    done = subprocess.run([sys.executable, script, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "safetensors: 300 mutants" in done.stdout
