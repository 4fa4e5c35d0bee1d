"""Cached features: computed once, continued after a crash, never taken for others'."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from finetune.transfer.features import ROWS_PER_FLUSH, cached_features, features_key
from zoo.errors import ResourceError, RunStateError

ROWS, WIDTH, BATCH = 600, 8, 50
PARTS = {"weights": "abc", "data": "def", "image_size": 224}


def rows_from(first, last=ROWS):
    """Yield batches of the features that row numbers stand for."""
    for start in range(first, last, BATCH):
        stop = min(start + BATCH, last)
        yield np.repeat(np.arange(start, stop, dtype="float32")[:, None], WIDTH, axis=1)


def never(first):
    """Fail when asked to compute."""
    pytest.fail("features were computed again")


def test_second_time_nothing_is_computed(tmp_path):
    """A complete entry is mapped from disk."""
    first = cached_features(tmp_path, PARTS, (ROWS, WIDTH), rows_from)
    second = cached_features(tmp_path, PARTS, (ROWS, WIDTH), never)
    assert (first.reused_rows, second.reused_rows) == (0, ROWS)
    np.testing.assert_array_equal(first.array, second.array)


@pytest.mark.parametrize("part", PARTS)
def test_anything_that_decides_the_numbers_changes_the_key(part):
    """Other weights, other data or another image size never meet the same entry."""
    assert features_key(PARTS) != features_key(PARTS | {part: "other"})
    assert features_key(PARTS) == features_key(dict(reversed(PARTS.items())))


def test_interrupted_computation_continues(tmp_path):
    """After an exception the rows that were flushed are kept and only the rest is computed."""

    def breaks(first):
        yield from rows_from(first, 400)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(tmp_path, PARTS, (ROWS, WIDTH), breaks)
    starts = []
    done = cached_features(tmp_path, PARTS, (ROWS, WIDTH), lambda first: starts.append(first) or rows_from(first))
    assert starts == [300] and 300 >= ROWS_PER_FLUSH
    np.testing.assert_array_equal(done.array[:, 0], np.arange(ROWS))


def test_killed_computation_continues(tmp_path):
    """SIGKILL in the middle costs at most the rows since the last flush, and the result is the same to the bit."""
    code = (
        "import sys, time, pathlib; sys.path.insert(0, sys.argv[2])\n"
        "import test_features as t\n"
        "def slow(first):\n"
        "    for n, batch in enumerate(t.rows_from(first)):\n"
        "        if n == 9: print('now', flush=True); time.sleep(60)\n"
        "        yield batch\n"
        "t.cached_features(pathlib.Path(sys.argv[1]), t.PARTS, (t.ROWS, t.WIDTH), slow)"
    )
    command = [sys.executable, "-c", code, str(tmp_path), os.path.dirname(__file__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"now\n"
        child.send_signal(signal.SIGKILL)
    done = cached_features(tmp_path, PARTS, (ROWS, WIDTH), rows_from)
    assert done.reused_rows == 300
    np.testing.assert_array_equal(done.array[:, 0], np.arange(ROWS))


@pytest.mark.parametrize("fault", ["torn manifest", "short file", "missing file", "other shape"])
def test_damaged_entry_is_computed_again(tmp_path, fault):
    """An entry that cannot be what its manifest says is not trusted."""
    entry = cached_features(tmp_path, PARTS, (ROWS, WIDTH), rows_from).path
    manifest, data = entry / "manifest.json", entry / "features.f32"
    if fault == "torn manifest":
        manifest.write_text(manifest.read_text()[:20])
    elif fault == "short file":
        os.truncate(data, 100)
    elif fault == "missing file":
        data.unlink()
    else:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"shape": [ROWS, WIDTH + 1]}))
    again = cached_features(tmp_path, PARTS, (ROWS, WIDTH), rows_from)
    assert again.reused_rows == 0
    np.testing.assert_array_equal(again.array[:, 0], np.arange(ROWS))


def test_value_that_is_not_finite_is_refused(tmp_path):
    """NaN from a trunk stops the run before a head learns on it."""
    with pytest.raises(RunStateError, match="not finite"):
        cached_features(tmp_path, PARTS, (2, WIDTH), lambda first: [np.full((2, WIDTH), np.nan, "float32")])


def test_unwritable_cache_names_the_bytes_needed(tmp_path):
    """A cache that cannot be written says how much it needs and how to move it."""
    (tmp_path / "features").write_text("in the way")
    with pytest.raises(ResourceError, match=r"need 19,200 bytes.*--set cache_dir=DIR"):
        cached_features(tmp_path / "features", PARTS, (ROWS, WIDTH), rows_from)
