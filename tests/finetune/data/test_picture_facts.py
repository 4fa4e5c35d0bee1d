"""What one decode tells of a picture."""

import numpy as np
import picture_files as make
import pytest
from PIL import Image
from scenes import encoded, scene, table

from finetune.data.picture_facts import FACTS, facts_of, keep_facts, kept_facts, table_of


def bits_apart(one: Image.Image, other: Image.Image) -> int:
    """Count the bits in which two pictures' hashes differ."""
    return (facts_of(one).hash ^ facts_of(other).hash).bit_count()


def test_size_and_brightness_are_those_of_the_picture():
    """Width, height, extremes, mean and deviation come from the pixels themselves."""
    grey = np.random.default_rng(0).integers(3, 250, (30, 50), np.uint8)
    facts = facts_of(Image.fromarray(grey).convert("RGB"))
    assert (facts.width, facts.height, facts.low, facts.high) == (50, 30, grey.min(), grey.max())
    assert facts.mean == round(grey.mean()) and facts.std == pytest.approx(grey.std())


def test_a_large_picture_is_counted_in_part():
    """Of a picture of megapixels every so many pixels are counted, which hardly changes the figures."""
    image = scene(1, 2000, 1500)
    facts, grey = facts_of(image), np.asarray(image.convert("L"))
    assert facts.mean == pytest.approx(grey.mean(), abs=1) and facts.std == pytest.approx(grey.std(), rel=0.02)


@pytest.mark.parametrize(("colour", "difference"), [((9, 9, 9), 0), ((200, 100, 100), 100), ((0, 50, 255), 205)])
def test_colour_is_the_difference_of_channels(colour, difference):
    """Grey has none."""
    assert facts_of(Image.new("RGB", (20, 20), colour)).colour == difference


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (2, 3)])
def test_every_shape_has_facts(size):
    """One pixel, one row and one column are described like any other picture."""
    facts = facts_of(Image.new("RGB", size, "white"))
    assert (facts.width, facts.height) == size and facts.thumbnail.shape == (16, 16) and facts.low == facts.high == 255


def test_copies_have_nearly_the_same_hash():
    """Encoding, resizing and brightness turn at most four of the 64 bits."""
    image = scene(1)
    copies = [
        encoded(image, 40),
        image.resize((80, 60)),
        image.resize((224, 224)),
        image.point(lambda value: value * 0.7),
    ]
    assert max(bits_apart(image, copy) for copy in copies) <= 4


def test_other_pictures_have_another_hash():
    """Of unlike pictures about half of the bits differ."""
    distances = [bits_apart(scene(one), scene(other)) for one in range(10) for other in range(one)]
    assert min(distances) > 9 and 26 < np.mean(distances) < 38


def test_facts_are_few_bytes():
    """A data set of any size keeps at most 400 bytes a picture, some ninety of them for its path."""
    assert FACTS.itemsize <= 310


def test_table_holds_the_facts():
    """Every fact stands in the record of its picture."""
    facts = facts_of(scene(1))
    record = table(scene(0), scene(1))[1]
    for name in FACTS.names:
        assert np.array_equal(record[name], np.asarray(getattr(facts, name), FACTS[name].base)), name


def test_kept_facts_are_read_again(tmp_path):
    """What was kept comes back the same."""
    kept = table(scene(0), scene(1))
    keep_facts(tmp_path / "facts.npy", kept)
    assert np.array_equal(kept_facts(tmp_path / "facts.npy", 2), kept)


@pytest.mark.parametrize(
    "content", [b"", b"text", b"\x93NUMPY\x01\x00v\x00{'descr'", make.ZIP, None, "pickle", "short"]
)
def test_what_is_no_table_is_not_taken(tmp_path, content):
    """A file that is missing, torn, of another kind or of another data set is as good as none, and runs no code."""
    path = tmp_path / "facts.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "pickle":
        np.save(path, np.array([print], object), allow_pickle=True)
    elif content == "short":
        keep_facts(path, table_of([], 0))
    assert kept_facts(path, 2) is None


def test_a_torn_table_is_not_taken(tmp_path):
    """Half a file is as good as none."""
    keep_facts(tmp_path / "facts.npy", table(scene(0), scene(1)))
    content = (tmp_path / "facts.npy").read_bytes()
    (tmp_path / "facts.npy").write_bytes(content[:-9])
    assert kept_facts(tmp_path / "facts.npy", 2) is None
