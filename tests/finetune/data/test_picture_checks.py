"""What is said of empty, colourless and wrongly scaled pictures, and of pictures that look the same."""

import numpy as np
from PIL import Image
from scenes import clothes, encoded, scene, table

from finetune.data.picture_checks import near_duplicate_findings, picture_findings


def said(*images: Image.Image) -> list[tuple[str, str, int]]:
    """Give check, severity and count of what is said of pictures 0.png, 1.png and so on."""
    findings = picture_findings(table(*images), [f"{index}.png" for index in range(len(images))])
    return [(finding.check, finding.severity, finding.count) for finding in findings]


def plain(value: int) -> Image.Image:
    """Give a picture of one grey value."""
    return Image.new("RGB", (30, 20), (value,) * 3)


def noisy(low: int, high: int) -> Image.Image:
    """Give a picture of random grey values in [low, high]."""
    pixels = np.random.default_rng(0).integers(low, high + 1, (20, 30, 1), np.uint8)
    return Image.fromarray(pixels.repeat(3, axis=2))


def test_sound_pictures_need_no_word():
    """Pictures in colour with something in them are fine."""
    assert said(*(scene(seed) for seed in range(5))) == [] and picture_findings(table(), []) == []


def test_sample_set_is_grey_and_nothing_else():
    """Small white clothes on black are neither empty nor wrongly scaled."""
    assert said(*clothes(200)) == [("grey pictures", "note", 200)]


def test_one_picture_in_colour_is_enough():
    """Grey is worth a word only where all pictures are."""
    assert said(noisy(0, 255), noisy(0, 255), scene(0)) == []


def test_empty_pictures_are_told_apart():
    """One colour, almost black and almost white are named with their files."""
    images = [scene(0), plain(90), plain(0), noisy(0, 8), noisy(249, 255), noisy(0, 60)]
    findings = picture_findings(table(*images), [f"{index}.png" for index in range(6)])
    assert [(finding.check, finding.severity, finding.places) for finding in findings] == [
        ("empty pictures", "warning", ("1.png", "2.png")),
        ("empty pictures", "warning", ("3.png",)),
        ("empty pictures", "warning", ("4.png",)),
    ]
    assert "2 pictures of 6 are of one colour" in findings[0].message
    assert "almost black" in findings[1].message and "almost white" in findings[2].message


def test_scaled_pictures_are_wrong():
    """Where most pictures hold nothing but 0 and 1, training would see black."""
    assert said(noisy(0, 1), noisy(0, 1), scene(0)) == [("scaled pictures", "error", 2)]
    assert said(noisy(0, 1), scene(0), scene(1)) == [("scaled pictures", "warning", 1)]


def test_black_pictures_are_not_scaled():
    """All zeros are an empty picture."""
    assert said(plain(0), scene(0)) == [("empty pictures", "warning", 1)]


def near(labels: str, sides: str = "", digests: str = "") -> list[tuple[str, str, int]]:
    """Give check, severity and count of what is said of a picture and its copies among others."""
    words = {"t": "train", "e": "test"}
    images = [scene(0), *(encoded(scene(0), 90 - index) for index in range(len(labels) - 1)), *map(scene, range(1, 40))]
    others = len(images) - len(labels)
    findings = near_duplicate_findings(
        table(*images),
        [f"{index}.png" for index in range(len(images))],
        list(labels) + ["x"] * others,
        [words[side] for side in sides] + ["train"] * (others if sides else 0),
        np.array([*map(int, digests), *range(100, 100 + others)], "uint8")[:, None] if digests else None,
    )
    return [(finding.check, finding.severity, finding.count) for finding in findings]


def test_copies_on_one_side_are_a_note():
    """Nothing is wrong with them but their weight."""
    assert near("aa") == near("aa", "tt") == [("near duplicates", "note", 1)]


def test_copies_in_two_classes_are_a_warning():
    """One of the two labels is wrong."""
    assert near("ab") == [("near duplicates across labels", "warning", 1)]


def test_copies_on_two_sides_are_a_warning():
    """The test side would be judged by pictures that were learnt."""
    assert near("aa", "te") == [("near duplicates across sides", "warning", 1)]


def test_copies_can_be_wrong_twice():
    """A pair of two labels on two sides is said of both."""
    checks = ["near duplicates across labels", "near duplicates across sides"]
    assert near("ab", "te") == [(check, "warning", 1) for check in checks]


def test_every_pair_is_counted():
    """Of three copies, two of them in one class, two pairs are of two labels."""
    assert near("aab") == [("near duplicates across labels", "warning", 2), ("near duplicates", "note", 1)]


def test_equal_files_are_left_to_another_check():
    """Files of the same bytes are found by their hash already."""
    assert near("ab", digests="11") == [] and near("ab", digests="12") != []


def test_pairs_are_named_with_their_classes():
    """The message lists each pair, its classes and the remedy, in printable characters."""
    images = [scene(0), encoded(scene(0)), *map(scene, range(1, 20))]
    names = ["cat/\n.png", "dog/1.png", *map(str, range(19))]
    (finding,) = near_duplicate_findings(table(*images), names, ["cat", "dog", *["x"] * 19])
    assert "1 pair of pictures look the same but are labelled differently" in finding.message
    assert finding.places[0].endswith("(cat) ~ dog/1.png (dog)") and "\n" not in finding.message
