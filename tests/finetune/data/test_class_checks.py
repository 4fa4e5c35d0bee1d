"""What is said of the number of examples in each class."""

from finetune.data.class_checks import class_findings
from finetune.data.split import SPLITS, Splits

NAMES = ("ant", "bee", "cow")


def said(counts: tuple[int, ...], **options) -> list[tuple[str, str, int]]:
    """Give check, severity and count for classes of so many examples."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return [(f.check, f.severity, f.count) for f in class_findings(labels, NAMES, **options)]


def split_as(sides: list[str]) -> Splits:
    """Return the split that puts each example on the side named."""
    return Splits(*(tuple(i for i, side in enumerate(sides) if side == name) for name in SPLITS))


def test_balanced_classes_need_no_word():
    """Up to five times as many is fine."""
    assert said((50, 10, 30)) == [] and said((10,)) == []


def test_imbalance_is_a_warning_with_its_remedy():
    """The largest and the smallest class are named, and what to set."""
    assert said((51, 10, 30)) == [("imbalance", "warning", 1)]
    (finding,) = class_findings([0] * 60 + [2] * 10, NAMES)
    assert finding.message.startswith("'ant' has 60 examples and 'cow' has 10, 6 times fewer")
    assert "class_weights=balanced" in finding.message and finding.places == ("'ant'", "'cow'")


def test_balanced_weights_settle_it():
    """Whoever weighs the classes need not be told."""
    assert said((51, 10, 30), class_weights="balanced") == []


def test_few_examples_are_counted_on_each_side():
    """Nine to learn from and four to be judged by are too few."""
    sides = (["train"] * 9 + ["test"] * 5) + (["train"] * 10 + ["test"] * 4) + (["train"] * 10 + ["test"] * 5)
    assert said((14, 14, 15), splits=split_as(sides)) == [
        ("few examples to learn from", "warning", 1),
        ("few examples to be judged by", "warning", 1),
    ]


def test_few_examples_are_named_with_their_number():
    """The message lists the classes, the smallest first."""
    sides = ["train"] * 3 + ["test"] * 6 + ["train"] * 2 + ["test"] * 6
    (finding,) = class_findings([0] * 9 + [1] * 8, NAMES, split_as(sides))
    assert finding.places == ("'bee' (2)", "'ant' (3)") and "2 classes have fewer than 10 examples" in finding.message


def test_folds_test_all_examples():
    """With folds every example judges, so that six of a class are enough for that, and four fifths of them learn."""
    halves = (tuple(range(0, 12, 2)), tuple(range(1, 12, 2)))
    folds = tuple(Splits(train, (), test) for train, test in (halves, halves[::-1]))
    assert said((6, 6), splits=Splits((), (), (), folds)) == [("few examples to learn from", "warning", 2)]
