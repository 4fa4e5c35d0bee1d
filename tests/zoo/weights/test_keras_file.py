"""A .keras archive is refused unless it holds the three members of model.save, sound and of bounded size."""

import io
import json
import os
import struct
import tracemalloc
import warnings
import zipfile

import pytest
from keras_files import MLP, VERSION, dense, hdf5, keras_archive, promising, sequential, zipped

from zoo.errors import ModelFileError
from zoo.weights.keras_file import opened_archive, opened_hdf5
from zoo.weights.keras_limits import KerasLimits
from zoo.weights.weight_file import ReadLimits, Refused

GOOD = keras_archive()
REMEDY = "Save the weights again."


@pytest.fixture
def refuse(write):
    """Return the message with which an archive is refused, having checked that it names the file."""

    def _refuse(data, limits=None, name="model.keras"):
        path = data if isinstance(data, os.PathLike) else write(data, name)
        with pytest.raises(ModelFileError) as caught:
            with opened_archive(path, limits or KerasLimits(), VERSION):
                pass
        assert str(caught.value).startswith(f"{path}: ")
        return str(caught.value).removeprefix(f"{path}: ")

    return _refuse


@pytest.fixture
def cheap():
    """Check that what happens in the test takes less than 200 MB."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 2**20


@pytest.fixture
def sparse(tmp_path):
    """Write a file of this many bytes that takes no room, with these bytes at its start and end."""

    def _sparse(size, start=b"PK\x03\x04", end=b"", name="model.keras"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(start)
            file.truncate(size)
            file.seek(size - len(end))
            file.write(end)
        return path

    return _sparse


def config_of(text):
    """An archive with this text as config.json."""
    return keras_archive(text.encode())


# Good files


def test_config_and_place_of_the_weights_are_given(write):
    """The weights are not read yet."""
    with opened_archive(write(GOOD, "model.keras"), KerasLimits(), VERSION) as archive:
        assert archive.config == MLP
        assert archive.weights.bytes_at(0, archive.weights.num_bytes) == hdf5()


@pytest.mark.parametrize("saved", ["3.0.0", "3.15", "3.15.1", "3.15.1.dev2026"])
def test_files_of_this_and_older_keras_are_accepted(write, saved):
    """From 3.0 on."""
    with opened_archive(write(keras_archive(version=saved), "model.keras"), KerasLimits(), VERSION) as archive:
        assert archive.config == MLP


def test_empty_folder_of_assets_is_accepted(write):
    """Some tools that repack archives write it."""
    with opened_archive(write(keras_archive(**{"assets/": b""}), "model.keras"), KerasLimits(), VERSION) as archive:
        assert archive.config == MLP


# Files that are none


def test_empty_cut_foreign_and_absent_files_are_told_apart(refuse, tmp_path):
    """Keras says "File not found" to all of them."""
    page = b"<!doctype html><title>404</title>"
    messages = [refuse(data) for data in (b"", GOOD[: len(GOOD) // 2], page)] + [refuse(tmp_path / "absent.keras")]
    reasons = ("is empty (0 bytes)", "is cut short", "is an HTML", "cannot be read (No such file or directory)")
    for message, reason in zip(messages, reasons, strict=True):
        assert reason in message
    assert len(set(messages)) == 4


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_cut_archives_are_refused(refuse, share):
    """In a header, in the weights, in the directory, in the last record."""
    assert "is cut short" in refuse(GOOD[: int(share * len(GOOD))])


def test_legacy_whole_model_is_refused_with_a_way_out(refuse):
    """It may hold code, and cannot be told from weights by its name."""
    message = refuse(hdf5({}, lambda file: file.attrs.update(model_config="{}")))
    assert "is an HDF5 file, not a .keras archive of a whole model" in message and "model.save_weights" in message


def test_anything_else_is_refused_by_its_first_bytes(refuse):
    """A picture, for example."""
    assert "starts with b'\\x89PNG'; a .keras file is a zip archive" in refuse(b"\x89PNG\r\n\x1a\n" + bytes(100))


# Members


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_two_members_of_one_name_are_refused(refuse, name):
    """Keras takes the last, a scanner perhaps the first."""
    buffer = io.BytesIO(GOOD)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "a") as file:
        file.writestr(name, b"{}")
    assert f"holds two members called '{name}'" in refuse(buffer.getvalue())


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_missing_members_are_named(refuse, name):
    """Each of the three is needed."""
    with zipfile.ZipFile(io.BytesIO(GOOD)) as file:
        rest = {other: file.read(other) for other in file.namelist() if other != name}
    assert f"lacks the member {name}" in refuse(zipped(rest))


@pytest.mark.parametrize("name", ["model.weights.npz", "../config.json", "assets/vocabulary.txt", "code.py"])
def test_unknown_members_are_refused(refuse, name):
    """Keras would unpack them to disk."""
    assert f"holds the member '{name}'; metadata.json, config.json" in refuse(keras_archive(**{name: b"x"}))


def test_compressed_members_are_refused(refuse, cheap):
    """100 MB of zeros in 100 kB; Keras compresses nothing."""
    members = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": bytes(10**8)}
    assert "is compressed (method 8)" in refuse(zipped(members, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize("member", [b'"units": 3', b"layers"])
def test_damaged_members_are_refused(refuse, member):
    """Both texts and weights have checksums."""
    data = bytearray(GOOD)
    data[data.rindex(member) if member == b"layers" else data.index(member)] ^= 1
    assert "is damaged: its CRC-32 is" in refuse(bytes(data))


# Bounded cost


def test_file_of_10_gib_is_refused_by_its_size(refuse, sparse, cheap):
    """Before anything in it is looked at."""
    assert "size in bytes: 10737418240; at most 4294967296 accepted" in refuse(sparse(10 * 2**30))


def test_member_that_claims_10_gib_is_refused(refuse, cheap):
    """The file is a few kB."""
    assert "differ from the zip directory" in refuse(promising(GOOD, 10 * 2**30))


def test_thousand_members_of_255_mib_are_refused(refuse, cheap):
    """Each compressed to nothing."""
    names = {f"assets/{number}": bytes(1000) for number in range(1000)}
    data = bytearray(zipped(names, zipfile.ZIP_DEFLATED))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 24 : at + 28] = struct.pack("<I", 255 * 2**20)
        (start,) = struct.unpack_from("<I", data, at + 42)
        data[start + 22 : start + 26] = struct.pack("<I", 255 * 2**20)
        at = data.find(b"PK\x01\x02", at + 1)
    assert "holds the member 'assets/0'" in refuse(bytes(data))


def test_million_members_are_refused_by_their_count(refuse, sparse, cheap):
    """The directory of 60 MB is not read."""
    count, size, total = 10**6, 60 * 10**6, 70 * 10**6
    at = total - 98 - size
    wide = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, at)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at + size, 1)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    reason = "members of the zip archive: 1000000; at most 12000 accepted"
    assert reason in refuse(sparse(total, end=wide + locator + end))


def test_overlapping_members_are_refused(refuse):
    """The weights' entry points into config.json, which holds a second header."""
    inner = zipped({"model.weights.h5": b"12345678"})
    header = inner[: inner.index(b"PK\x01\x02")]
    data = bytearray(zipped({"metadata.json": b"{}", "config.json": header, "model.weights.h5": b"12345678"}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 42 : at + 46] = struct.pack("<I", data.index(header))
    assert "members 'config.json' and 'model.weights.h5' overlap" in refuse(bytes(data))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (KerasLimits(reading=ReadLimits(header_bytes=400)), "config.json has 402 bytes; at most 400 accepted"),
        (KerasLimits(items=5), "values of one list or object of config.json: 6; at most 5 accepted"),
        (KerasLimits(nesting=3), "levels of config.json: 4; at most 3 accepted"),
    ],
)
def test_limits_are_kept(refuse, limits, reason):
    """Each is named with the setting that raises it."""
    config = sequential(dense(), trainable=True, compile_config=None)
    text = json.dumps(config).ljust(402)
    assert reason in refuse(config_of(text), limits)


# Texts


def test_json_nested_100_000_deep_is_refused(refuse, cheap):
    """Keras answers with a RecursionError."""
    assert "config.json nests too deeply" in refuse(config_of('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "its config.json is not JSON"),
        ("[1]", "its config.json is a list; a JSON object expected"),
        ('{"a": 1, "a": 2}', "the key 'a' comes twice"),
        ('{"a": NaN}', "holds NaN, which is not JSON"),
        ('{"a": -Infinity}', "holds -Infinity"),
        ('{"a": 1e999}', "holds the number inf"),
        ('{"a": 99999999999999999999}', "holds the number 99999999999999999999"),
        ('{"a": ' + "9" * 5000 + "}", "its config.json is not JSON"),
        ('{"a": "\\u0000"}', "holds '\\x00'; printable texts"),
        ('{"\\ud800": 1}', "holds '\\ud800'; printable texts"),
        (json.dumps({"a": "b" * 1001}), "(1001 characters); printable texts of at most 1000 letters"),
    ],
)
def test_odd_json_is_refused(refuse, text, reason):
    """Each for its own reason."""
    assert reason in refuse(config_of(text))


def test_json_that_is_not_utf8_is_refused(refuse):
    """By the place."""
    assert "its config.json is not UTF-8: invalid start byte at byte 1" in refuse(keras_archive(b"{\xff}"))


# Versions


def test_file_of_a_newer_keras_is_refused_with_both_versions(refuse):
    """It may mean something else than it did."""
    message = refuse(keras_archive(version="3.16.0"))
    assert "was saved by Keras '3.16.0', and Keras 3.15.1 is installed. Install it: pip install" in message


@pytest.mark.parametrize("saved", ["3.15.2", "4.0", "10.0.0"])
def test_versions_are_compared_as_numbers(refuse, saved):
    """Not as texts."""
    assert f"was saved by Keras '{saved}'" in refuse(keras_archive(version=saved))


def test_file_of_keras_2_is_refused_with_a_way_out(refuse):
    """Its layers had other settings."""
    assert "3.0.0 to 3.15.1 accepted. Load it with that version" in refuse(keras_archive(version="2.15.0"))


@pytest.mark.parametrize("saved", [None, 3, "new", ["3.15.1"]])
def test_missing_or_odd_version_is_refused(refuse, saved):
    """Nothing says how to read the rest."""
    assert "a text like '3.15.1' expected" in refuse(keras_archive(version=saved))


# HDF5 files


def test_hdf5_files_are_opened(write):
    """With their length."""
    data = hdf5()
    with opened_hdf5(write(data, "x.weights.h5"), KerasLimits(), REMEDY) as window:
        assert (window.start, window.num_bytes) == (0, len(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<html>", "is an HTML or XML page"),
        (GOOD, "starts with b'PK\\x03\\x04\\x14\\x00\\x00\\x00', and is no HDF5 file"),
    ],
)
def test_what_is_no_hdf5_file_is_told_apart(write, data, reason):
    """In the words that all readers of weights use."""
    path = write(data, "x.weights.h5")
    with pytest.raises(ModelFileError) as caught, opened_hdf5(path, KerasLimits(), REMEDY):
        pass
    assert str(caught.value).startswith(f"{path}: {reason}")


def test_hdf5_file_over_the_limit_is_refused(sparse, cheap):
    """By its size alone."""
    path = sparse(10 * 2**30, start=hdf5()[:8], name="x.weights.h5")
    with pytest.raises(ModelFileError, match="size in bytes: 10737418240"):
        with opened_hdf5(path, KerasLimits(), REMEDY):
            pass


def test_refusals_in_the_block_name_the_file(write):
    """And close with the remedy."""
    path = write(hdf5(), "x.weights.h5")
    with pytest.raises(ModelFileError) as caught, opened_hdf5(path, KerasLimits(), REMEDY):
        raise Refused("holds nothing")
    assert str(caught.value) == f"{path}: holds nothing. {REMEDY}"
