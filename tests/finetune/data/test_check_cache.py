"""The check of all files before training: what is remembered of it, and the fingerprint of the data."""

import os
import re
from dataclasses import replace

import picture_files as make
import pytest
from picture_files import check, class_folders, encode, no_track, pixels, write_files

from finetune.data import checks
from finetune.data.checks import inspect
from finetune.data.examples import Skipped
from finetune.data.folder import scan_folder
from finetune.data.images import ImageLimits


@pytest.fixture
def root(tmp_path):
    """A sound folder of two classes with three pictures each."""
    return class_folders(tmp_path / "data")


@pytest.fixture
def cache_dir(tmp_path):
    """A folder for verdicts that does not exist yet."""
    return tmp_path / "cache"


@pytest.fixture
def no_decoding(monkeypatch):
    """Make every attempt to decode a picture fail the test."""

    def forbidden(path, limits, least):
        raise AssertionError(f"{path} is decoded again")

    return lambda: monkeypatch.setattr(checks, "open_reduced", forbidden)


def test_odd_file_names_pass_the_check_and_its_cache(root, cache_dir):
    """Names with line breaks or bytes that are no text are hashed, decoded and remembered."""
    names = ["new\nline.png", "-rf.png", "x" * 251 + ".png", os.fsdecode(b"\xff.png")]
    write_files(root, {f"cat/{name}": encode(pixels(50 + index)) for index, name in enumerate(names)})
    write_files(root, {os.fsdecode(b"dog/bad-\xff.png"): b""})
    first, again = check(root, cache_dir), check(root, cache_dir)
    assert {f"cat/{name}" for name in names} <= set(first.examples.files)
    assert first.examples.skipped[0].file == os.fsdecode(b"dog/bad-\xff.png")
    assert again == replace(first, decoded=False)


def test_a_second_check_decodes_nothing(root, cache_dir, no_decoding):
    """The same bytes get the same verdicts from the cache."""
    write_files(root, {"cat/bad.jpg": b""})
    first = check(root, cache_dir)
    no_decoding()
    assert check(root, cache_dir) == replace(first, decoded=False)


def test_faults_found_by_decoding_are_remembered(root, cache_dir, no_decoding):
    """A damaged file stays out when its verdict comes from the cache."""
    write_files(root, {"cat/bad.jpg": make.HTML})
    check(root, cache_dir)
    no_decoding()
    assert check(root, cache_dir).examples.skipped == (Skipped("cat/bad.jpg", "an HTML page, not an image"),)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: {"root": write_files(root, {"cat/0.png": encode(pixels(77))})},
        lambda root: {"root": (root / "cat/0.png").rename(root / "cat/renamed.png").parent.parent},
        lambda root: {"root": root, "limits": ImageLimits(max_pixels=1_000)},
    ],
)
def test_changed_files_or_limits_are_checked_again(root, cache_dir, change):
    """A verdict holds for these bytes under these names and limits only."""
    check(root, cache_dir)
    changed = change(root)
    assert check(changed.pop("root"), cache_dir, **changed).decoded


@pytest.mark.parametrize("version", ["DECODER_VERSION", "PIL"])
def test_another_decoder_checks_again(root, cache_dir, monkeypatch, version):
    """A new decoder or Pillow may judge otherwise."""
    check(root, cache_dir)
    if version == "PIL":
        monkeypatch.setattr(checks.PIL, "__version__", "0.0")
    else:
        monkeypatch.setattr(checks, "DECODER_VERSION", 0)
    assert check(root, cache_dir).decoded


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"damaged": {"cat/0.png": "emp',
        b'{"damaged": ["cat/0.png"]}',
        b'{"damaged": {"cat/0.png": 7}}',
        b'{"damaged": {"other/1.png": "empty file"}}',
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_torn_or_foreign_cache_file_is_replaced(root, cache_dir, content):
    """What cannot be these files' verdicts is not believed, and the next check finds a good file again."""
    first = check(root, cache_dir)
    (file,) = (cache_dir / "checks").glob("*.json")
    good = file.read_bytes()
    file.write_bytes(content)
    assert check(root, cache_dir) == first
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_written_is_only_noted(root, tmp_path):
    """The check is right without it; the next run just checks again."""
    (tmp_path / "file").write_bytes(b"")
    result = check(root, tmp_path / "file")
    assert len(result.examples) == 6
    assert re.search("cannot be written .*the next run checks all files again", result.examples.notes[-1])


def test_fingerprint_is_of_the_data_not_of_its_place(root, tmp_path):
    """A copy elsewhere is the same data, with whatever bad files beside it."""
    copy = class_folders(tmp_path / "copy")
    write_files(copy, {"cat/bad.jpg": b""})
    assert check(copy).fingerprint == check(root).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda root: write_files(root, {"cat/0.png": encode(pixels(77))}),
        lambda root: (root / "cat/0.png").rename(root / "cat/a.png"),
        lambda root: (root / "cat/0.png").rename(root / "dog/a.png"),
        lambda root: (root / "dog").rename(root / "fox"),
    ],
)
def test_fingerprint_changes_with_bytes_names_and_labels(root, change):
    """Two runs with one fingerprint have seen the same examples."""
    before = check(root).fingerprint
    change(root)
    assert check(root).fingerprint != before


def test_fingerprint_holds_the_given_splits(tmp_path):
    """The same files judged on other sides are another experiment."""
    for side in ("train", "val"):
        class_folders(tmp_path / side)
    before = scan_folder(tmp_path)
    after = replace(
        before, given_splits=tuple("test" if side == "validation" else side for side in before.given_splits)
    )
    found = [inspect(one, ImageLimits(), threads=1, track=no_track, cache_dir=None) for one in (before, after)]
    assert found[0].fingerprint != found[1].fingerprint
