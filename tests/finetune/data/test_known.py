"""Examples that a run has learned from are known again by their marks, in any order."""

import hashlib

import numpy as np
import pytest

from finetune.data.columns import Column
from finetune.data.known import digest_marks, pack, row_marks, unseen
from zoo.errors import DataError


def marks_of(*names):
    """Return marks of contents."""
    digests = b"".join(hashlib.sha256(name.encode()).digest() for name in names)
    return digest_marks(np.frombuffer(digests, "uint8").reshape(-1, 32))


def test_marks_are_eight_bytes_each_without_order():
    """The file of a run is the same whatever order its examples came in, and holds each once."""
    packed = pack(marks_of("a", "b", "c", "a"))
    assert len(packed) == 24 and packed == pack(marks_of("c", "b", "a"))


def test_known_examples_are_left_out_and_counted():
    """What was trained on does not judge; what is left keeps its order."""
    found = unseen(pack(marks_of("a", "b")), marks_of("x", "b", "y", "a", "z"), (4, 1, 0, 3))
    assert found.indices == (4, 0) and found.note == "2 of 4 examples were trained on and are left out"
    assert unseen(b"", marks_of("a"), (0,)).indices == (0,) and not unseen(b"", marks_of("a"), (0,)).note


def test_examples_that_are_all_known_are_refused():
    """A run is not judged by what it learned from."""
    with pytest.raises(DataError, match="all 2 examples were trained on.*its own test side"):
        unseen(pack(marks_of("a", "b")), marks_of("b", "a", "z"), (0, 1))


def columns(numbers, texts):
    """Return a column of numbers and one of texts."""
    known = sorted(set(texts) - {""})
    codes = np.array([known.index(text) if text else -1 for text in texts], "int32")
    return {
        "size": Column("size", "numeric", np.array(numbers, "float64"), (), ""),
        "word": Column("word", "categorical", codes, tuple(known), ""),
    }


def test_rows_are_known_whatever_else_is_in_the_table():
    """Other lines, other texts in a column and another order of columns do not change a row's mark."""
    found = row_marks(columns([1.5, 0.0, np.nan], ["dog", "", "cat"]))
    again = columns([7.0, np.nan, -0.0, 1.5], ["ape", "cat", "", "dog"])
    assert row_marks(again)[[3, 2, 1]].tolist() == found.tolist() and len(set(found.tolist())) == 3
    assert row_marks(dict(reversed(again.items()))).tolist() == row_marks(again).tolist()
    assert not np.isin(row_marks(columns([1.5, 1.5000001], ["cat", "dog"])), found).any()
