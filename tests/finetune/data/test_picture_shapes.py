"""What is said of the pictures' sizes and shapes, and how they should meet the square."""

import numpy as np
import pytest

from finetune.data.picture_facts import FACTS
from finetune.data.picture_shapes import shape_findings, suggest_resize


def sized(*sizes: tuple[int, int]) -> np.ndarray:
    """Give facts that hold nothing but widths and heights."""
    facts = np.zeros(len(sizes), FACTS)
    facts["width"], facts["height"] = np.reshape(sizes, (-1, 2)).T
    return facts


def said(*sizes: tuple[int, int], image_size: int = 224, resize: str = "crop") -> list[tuple[str, str, int]]:
    """Give check, severity and count of what is said of pictures of these sizes."""
    names = [f"{index}.png" for index in range(len(sizes))]
    findings = shape_findings(sized(*sizes), names, image_size=image_size, resize=resize)
    return [(finding.check, finding.severity, finding.count) for finding in findings]


@pytest.mark.parametrize(
    ("sizes", "mode"),
    [
        ([(300, 300)], "crop"),
        ([(400, 300), (300, 400)], "crop"),
        ([(600, 400)] * 9 + [(400, 600)], "crop"),
        ([(1920, 1080)], "stretch"),
        ([(1080, 1920), (1920, 1080)], "stretch"),
        ([(300, 300)] * 9 + [(900, 300)], "crop"),
        ([(300, 300)] * 8 + [(900, 300)] * 2, "stretch"),
        ([(1, 10_000)], "stretch"),
    ],
)
def test_suggestion_follows_what_a_crop_would_lose(sizes, mode):
    """Photos as cameras take them are cropped, longer ones stretched."""
    assert suggest_resize(sized(*sizes))[0] == mode


def test_suggestion_says_why():
    """The reason has the share of pixels and the range of shapes."""
    assert suggest_resize(sized((400, 300)))[1].startswith("cutting the middle out keeps 75% of the pixels")
    reason = suggest_resize(sized((100, 200), (200, 100)))[1]
    assert reason == "cutting the middle out would lose 50% of the pixels (width to height from 1:2 to 2:1)"


def test_large_pictures_of_usual_shapes_need_no_word():
    """There is nothing to say of photos."""
    assert said((640, 480), (480, 640)) == [] and said() == []


def test_small_pictures_are_counted_and_the_smallest_named():
    """What is enlarged is worth a note."""
    assert said((640, 480), (100, 90), (223, 300), (224, 224)) == [("small pictures", "note", 2)]
    (finding,) = shape_findings(sized((640, 480), (100, 90)), ["a", "b"], image_size=224, resize="crop")
    assert "1 of 2 pictures are smaller than the model's 224 x 224 pixels, the smallest 100 x 90" in finding.message
    assert finding.places == ("b",)


def test_a_padded_picture_is_small_by_its_longer_side():
    """Padding enlarges only what is smaller than the square in both directions."""
    assert said((300, 100), resize="pad") == [] and said((200, 100), resize="pad") == [("small pictures", "note", 1)]


def test_cropping_long_pictures_is_a_warning():
    """How much is lost, and which setting loses nothing."""
    assert said((900, 300), (600, 400)) == [("shapes", "warning", 1)]
    (finding,) = shape_findings(sized((900, 300), (600, 400)), ["a", "b"], image_size=224, resize="crop")
    assert "cuts off 50% of all pixels" in finding.message and "resize=stretch" in finding.message
    assert finding.places == ("a", "b")


@pytest.mark.parametrize("resize", ["pad", "stretch"])
def test_whole_pictures_lose_nothing(resize):
    """Whoever pads or stretches need not be told."""
    assert said((900, 300), resize=resize) == []
