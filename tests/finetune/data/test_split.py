"""The split: pure, seeded, stratified."""

from collections import Counter

import pytest

from finetune.data.examples import Examples
from finetune.data.split import SPLITS, split
from zoo.errors import DataError


def examples(*counts, given=()):
    """Return examples of classes a, b, … with so many files each."""
    names = tuple("abcdefgh"[: len(counts)])
    labels = tuple(label for label, count in enumerate(counts) for _ in range(count))
    files = tuple(f"{names[label]}/{number}.png" for number, label in enumerate(labels))
    return Examples("/data", files, labels, names, given)


def deal(source, seed=0, validation=0.15, test=0.15):
    """Split with the default fractions."""
    return split(source, validation_fraction=validation, test_fraction=test, seed=seed)


def test_every_example_is_on_one_side():
    """Nothing is lost and nothing is on two sides."""
    sides = deal(examples(40, 20, 7))
    assert sorted(sides.train + sides.validation + sides.test) == list(range(67))


def test_every_class_keeps_its_share():
    """Each class gives each side its fraction, rounded, whatever the size of the other classes."""
    source = examples(100, 20)
    sides = deal(source)
    counts = {name: Counter(source.labels[index] for index in getattr(sides, name)) for name in SPLITS}
    assert counts == {"train": {0: 70, 1: 14}, "validation": {0: 15, 1: 3}, "test": {0: 15, 1: 3}}


def test_small_classes_are_on_every_side():
    """Three pictures of a class are one to train, one to validate, one to test."""
    sides = deal(examples(3, 3))
    assert sides.sizes() == {"train": 2, "validation": 2, "test": 2}


def test_seed_decides_the_split():
    """The same seed gives the same split, another seed another."""
    source = examples(40, 40)
    assert deal(source, seed=0) == deal(source, seed=0)
    assert deal(source, seed=0) != deal(source, seed=1)


def test_classes_do_not_move_each_other():
    """More files in one class leave the split of the other as it was."""
    few, many = deal(examples(30, 10)), deal(examples(30, 50))
    assert [i for i in few.test if i < 30] == [i for i in many.test if i < 30]


def test_given_sides_are_kept():
    """Folders that name all three sides are used as they are."""
    given = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2
    sides = deal(examples(5, 5, given=given))
    assert sides.train == tuple(range(6)) and sides.validation == (6, 7) and sides.test == (8, 9)


def test_a_missing_side_comes_from_train():
    """With train and test given, validation is taken from train alone."""
    given = ("train",) * 10 + ("test",) * 4 + ("train",) * 10 + ("test",) * 4
    sides = deal(examples(14, 14, given=given))
    assert sides.test == (10, 11, 12, 13, 24, 25, 26, 27)
    assert len(sides.validation) == 4 and len(sides.train) == 16


def test_too_small_a_class_is_refused():
    """A class that cannot be on every side is named with its count."""
    with pytest.raises(DataError, match="class 'b' has 2 usable examples; it needs at least 3"):
        deal(examples(10, 2))


def test_a_class_that_is_never_learned_is_refused():
    """A class that is only on the sides that judge is named."""
    given = ("train",) * 8 + ("test",) * 3
    with pytest.raises(DataError, match="'b', 'c' are only in test, where they cannot be learned"):
        deal(examples(9, 1, 1, given=given))


@pytest.mark.parametrize("sides", [("test",), ("validation", "test")])
def test_sides_without_train_are_refused(sides):
    """Where everything is there to judge, nothing is there to learn from."""
    with pytest.raises(DataError, match=f"no example is in train, all are in {' and '.join(sides)}"):
        deal(examples(5, 5, given=sides * (10 // len(sides))))


def test_sides_name_every_example():
    """`sides` turns index lists into one name for each example."""
    sides = deal(examples(10))
    assert Counter(sides.sides(10)) == {"train": 6, "validation": 2, "test": 2}
