"""Names in little memory are the names that were given."""

import sys

import pytest

from finetune.data.names import PackedNames

NAMES = ("a/1.png", "", "ü/日本.jpg", "bad\udcff.png", "last")


def test_packed_names_are_those_given():
    """Each name comes back, by its place from either end, in a slice, and in order; undecodable bytes too."""
    packed = PackedNames(NAMES)
    assert tuple(packed) == NAMES and len(packed) == 5
    assert (packed[2], packed[-1], packed[1:4]) == (NAMES[2], "last", NAMES[1:4])


@pytest.mark.parametrize("place", [5, -6])
def test_there_is_no_name_beyond_the_ends(place):
    """A place that is not there is an IndexError, as of a tuple."""
    with pytest.raises(IndexError):
        PackedNames(NAMES)[place]


def test_packed_names_hold_no_objects():
    """A name costs its bytes and eight more."""
    packed = PackedNames(f"{number:020}" for number in range(1000))
    assert sys.getsizeof(packed._bytes) + packed._ends.nbytes < 1000 * 29
