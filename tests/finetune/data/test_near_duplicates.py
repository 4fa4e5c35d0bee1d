"""Pictures that look the same are found, and only those."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scenes import clothes, encoded, scene, table

from finetune.data import near_duplicates
from finetune.data.near_duplicates import near_pairs


def found(*images: Image.Image) -> set[tuple[int, int]]:
    """Give the pairs that are found among pictures."""
    pairs = near_pairs(table(*images))
    assert len(pairs.first) == len(pairs.second) == len(pairs.difference) == len(pairs)
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def trimmed(image: Image.Image) -> Image.Image:
    """Cut a hundredth off each side."""
    width, height = image.size
    return image.crop((width // 100, height // 100, width - width // 100, height - height // 100))


COPIES = {
    "the same": lambda image: image,
    "JPEG": lambda image: encoded(image, 75),
    "poor JPEG": lambda image: encoded(image, 30),
    "smaller": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((image.width * 2, image.height * 2)),
    "stretched": lambda image: image.resize((224, 224)),
    "darker": lambda image: image.point(lambda value: value * 0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "trimmed": trimmed,
}


@pytest.fixture(scope="module")
def scenes():
    """Sixty pictures, no two alike."""
    return [scene(seed) for seed in range(60)]


def test_unlike_pictures_make_no_pairs(scenes):
    """Nothing is found where nothing is."""
    assert found(*scenes) == set()


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_copies_are_found(scenes, copy):
    """Each copy makes a pair with its original and with no other picture."""
    copies = [copy(image) for image in scenes[:10]]
    assert found(*scenes, *copies) == {(index, index + len(scenes)) for index in range(10)}


def test_similar_clothes_are_not_the_same():
    """Among a thousand small pictures of clothes, many of which are hard to tell apart, none is called a copy."""
    assert found(*clothes(1000)) == set()


@pytest.mark.parametrize(("kind", "least"), [("JPEG", 100), ("poor JPEG", 95), ("larger", 100), ("darker", 100)])
def test_copies_of_clothes_are_found(kind, least):
    """Most re-encoded copies of tiny pictures are told from their neighbours, and nothing else is."""
    pictures = clothes(1000)
    copies = [COPIES[kind](image) for image in pictures[::10]]
    pairs = found(*pictures, *copies)
    assert pairs <= {(10 * index, 1000 + index) for index in range(100)} and len(pairs) >= least


def test_another_colour_is_another_picture():
    """A red lamp and a green one differ in nothing but their colour."""
    lamps = [Image.new("RGB", (60, 60), "black") for _ in range(2)]
    for lamp, colour in zip(lamps, ((255, 0, 0), (0, 130, 0)), strict=True):
        ImageDraw.Draw(lamp).ellipse((15, 5, 45, 35), fill=colour)
    assert np.ptp([lamp.convert("L").getextrema()[1] for lamp in lamps]) <= 1
    assert found(*lamps) == set() and found(lamps[0], lamps[0]) == {(0, 1)}


def test_blank_pictures_are_left_to_another_check():
    """Empty pictures look all the same, which says nothing."""
    assert found(*[Image.new("RGB", (30, 30), "white")] * 5) == set()


def test_many_copies_of_one_picture_stay_together(scenes):
    """Each of two hundred frames of a still scene is joined to the one before it."""
    pairs = found(*scenes, *[scenes[0]] * 200)
    assert {(0, 60), *((index, index + 1) for index in range(60, 259))} <= pairs


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_pictures_can_be_compared(count):
    """With hardly a picture there is hardly anything to measure, and no harm."""
    assert found(*[scene(seed) for seed in range(count)]) == set()


def test_two_copies_are_found_without_others():
    """Two pictures are enough."""
    assert found(scene(0), encoded(scene(0))) == {(0, 1)}


def test_parts_are_joined_rightly(scenes, monkeypatch):
    """Large data sets are worked on in parts, with the same result."""
    pictures = [*scenes, *(encoded(image) for image in scenes)]
    whole = found(*pictures)
    monkeypatch.setattr(near_duplicates, "_AT_ONCE", 7)
    assert found(*pictures) == whole and len(whole) == len(scenes)
