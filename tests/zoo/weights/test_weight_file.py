"""What no weight reader takes is named for what it is, before anything is parsed."""

import os

import pytest
import weight_files as build

from zoo.errors import ModelFileError
from zoo.weights.torch_file import read_torch_file
from zoo.weights.weight_file import ReadLimits, opened


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404", "HTML"),
        (b"\xef\xbb\xbf\n  <html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\x1f\x8b\x08\x00rest", "gunzip"),
        (b"\x89HDF\r\n\x1a\nrest", "HDF5"),
        (b"\x93NUMPY\x01", "NumPy"),
        (b"random bytes", "Get the file again, or save"),
    ],
)
def test_other_kinds_of_file_are_named(refusal, name, data, reason):
    """The message says what the file is instead, or what to do, whichever reader got it."""
    assert reason in refusal(data, name)


def test_missing_file_and_folder_are_named(tmp_path):
    """Neither is mistaken for a damaged file."""
    for path, reason in ((tmp_path / "no.pth", "No such file"), (tmp_path, "is a folder")):
        with pytest.raises(ModelFileError, match=reason):
            read_torch_file(path)


def test_odd_paths_are_refused_on_one_line(tmp_path):
    """A NUL, a newline, a file as folder: a message, not a traceback, and never a second line."""
    (tmp_path / "file").touch()
    for name in ("a\0b", "a\nb", "file/weights.pth"):
        with pytest.raises(ModelFileError) as caught:
            read_torch_file(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_pipe_is_refused_without_waiting(tmp_path):
    """Opening a pipe would wait for a writer that never comes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="device or a pipe"):
        read_torch_file(tmp_path / "pipe")


def test_file_that_shrinks_while_it_is_read_is_refused(write):
    """Another process may write there; what is missing is not made up."""
    path = write(b"a")
    for read in (lambda file: file.bytes_at(0, 100), lambda file: file.array_at(0, 25, "<f4")):
        path.write_bytes(bytes(range(200)))
        with pytest.raises(ModelFileError, match="became shorter"), opened(path, ReadLimits(), "") as file:
            path.write_bytes(b"")
            read(file)


def test_array_beyond_the_file_is_refused_before_it_is_allocated(write):
    """A terabyte would not fit; the file's size is asked first."""
    with (
        pytest.raises(ModelFileError, match="needs 1099511627776 bytes"),
        opened(write(b"a"), ReadLimits(), "") as file,
    ):
        file.array_at(0, 2**38, "<f4")


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ("file_bytes", "size in bytes"),
        ("pickle_bytes", "bytes of data.pkl"),
        ("opcodes", "pickle instructions"),
        ("rebuilds", "tensors, storages and ordered dicts"),
        ("nesting", "open MARKs"),
        ("tensors", "tensors: 1"),
        ("members", "members of the zip archive"),
        ("header_bytes", "bytes of the zip directory"),
    ],
)
def test_every_limit_can_be_set_and_is_named(refusal, limit, reason):
    """The message says which limit was met, and how it is raised."""
    message = refusal(build.archive(build.ONE), **{limit: 0})
    assert reason in message
    assert f"ReadLimits({limit}=...)" in message


def test_memo_limit_can_be_set_and_is_named(refusal):
    """It bounds the highest index, not the number of entries."""
    program = b"N" + b"r" + (7).to_bytes(4, "little")
    assert "memo entries: 8; at most 7 accepted" in refusal(build.archive(program), memo_entries=7)
