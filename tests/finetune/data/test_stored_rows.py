"""Rows of a file: the rows that an array would give, without being in memory."""

import resource

import numpy as np
import pytest

from finetune.data import stored_rows
from finetune.data.stored_rows import StoredRows

ROWS = np.arange(600, dtype="<f4").reshape(50, 3, 4)
CHOSEN = {
    "one": 3,
    "last": -1,
    "slice": slice(4, 40, 3),
    "run": slice(5, 20),
    "indices": np.array([7, 7, 8, 9, 0, 49]),
    "none": np.array([], int),
    "mask": np.arange(50) % 7 == 0,
    "all": slice(None),
}


@pytest.fixture(params=[0, 10**9], ids=["read on demand", "read at once"])
def rows(tmp_path, request, monkeypatch):
    """The same rows in a file that is gone by now."""
    monkeypatch.setattr(stored_rows, "_AT_ONCE_BYTES", request.param)
    (tmp_path / "rows").write_bytes(ROWS.tobytes())
    rows = StoredRows(tmp_path / "rows", ROWS.dtype, ROWS.shape)
    (tmp_path / "rows").unlink()
    return rows


@pytest.mark.parametrize("chosen", CHOSEN.values(), ids=CHOSEN)
def test_rows_are_those_of_the_array(rows, chosen):
    """By index, slice, indices or mask; as copies that may be changed."""
    found = rows[chosen]
    np.testing.assert_array_equal(found, ROWS[chosen], strict=True)
    found += 1
    np.testing.assert_array_equal(rows[chosen], ROWS[chosen])


def test_shape_is_that_of_the_array(rows):
    """What asks an array for its shape, type and size can ask rows too, and make an array of them."""
    assert (rows.shape, rows.dtype, rows.ndim, len(rows), rows.nbytes) == ((50, 3, 4), ROWS.dtype, 3, 50, 2400)
    np.testing.assert_array_equal(np.asarray(rows), ROWS)


@pytest.mark.parametrize("place", [50, -51])
def test_there_is_no_row_beyond_the_ends(rows, place):
    """A place that is not there is an IndexError, as of an array."""
    with pytest.raises(IndexError):
        rows[place]


def test_file_that_was_cut_short_is_an_error(tmp_path, monkeypatch):
    """Rows that are not there any more are never made up."""
    monkeypatch.setattr(stored_rows, "_AT_ONCE_BYTES", 0)
    (tmp_path / "rows").write_bytes(ROWS.tobytes())
    rows = StoredRows(tmp_path / "rows", ROWS.dtype, ROWS.shape)
    with (tmp_path / "rows").open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(OSError, match="ends at byte 2,160"):
        rows[45]


def test_rows_that_were_read_do_not_stay_in_memory(tmp_path):
    """After all of a file of 200 MB was read, the process has never held a quarter of it."""
    path, shape = tmp_path / "many", (20_000, 10_000)
    with path.open("wb") as file:
        file.truncate(shape[0] * shape[1])
    rows = StoredRows(path, np.dtype("uint8"), shape)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for first in range(0, len(rows), 100):
        rows[first : first + 100]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
