"""Whether the classes are balanced, and large enough for the split to say something."""

from collections import Counter
from collections.abc import Sequence

from finetune.data.examples import printable
from finetune.data.findings import Finding
from finetune.data.split import Splits

# Largest class to smallest; below this class weights change little.
MOST_IMBALANCE = 5
# Fewer examples of a class than this teach or tell little: one of five more or less is 20 points of its recall.
FEW_TO_LEARN, FEW_TO_JUDGE = 10, 5
_LISTED = 10


def class_findings(
    labels: Sequence[int], class_names: Sequence[str], splits: Splits | None = None, *, class_weights: str = "none"
) -> list[Finding]:
    """Return what is to be said of the number of examples in each class.

    Args:
        labels: index into `class_names` for each example.
        class_names: names of the classes; each has an example.
        splits: who learns and who is tested; None while nothing is dealt.
        class_weights: the setting of that name; with "balanced" imbalance has been dealt with.
    """
    imbalance = _imbalance(labels, class_names) if class_weights == "none" else []
    return [*imbalance, *(_too_few(labels, class_names, splits) if splits else ())]


def _imbalance(labels: Sequence[int], class_names: Sequence[str]) -> list[Finding]:
    counts = Counter(labels).most_common()
    (most, largest), (least, smallest) = counts[0], counts[-1]
    if len(counts) < 2 or largest <= MOST_IMBALANCE * smallest:
        return []
    message = (
        f"{_name(class_names, most)} has {largest:,} examples and {_name(class_names, least)} has {smallest:,}, "
        f"{largest / smallest:.0f} times fewer, so a model that hardly answers the small class scores well. Judge by "
        f"f1 and recall of each class, and set class_weights=balanced so that each class counts the same."
    )
    return [Finding("imbalance", "warning", message, (_name(class_names, most), _name(class_names, least)))]


def _too_few(labels: Sequence[int], class_names: Sequence[str], splits: Splits) -> list[Finding]:
    # folds differ by an example of a class at most, and together test all of them
    train = (splits.folds or (splits,))[0].train
    test = range(len(labels)) if splits.folds else splits.test
    findings = []
    rules = (("train", train, FEW_TO_LEARN, "learn from"), ("test", test, FEW_TO_JUDGE, "be judged by"))
    for side, indices, least, what in rules:
        counts = Counter(labels[index] for index in indices)
        few = sorted((counts[label], label) for label in set(labels) if counts[label] < least)
        if few:
            names = tuple(f"{_name(class_names, label)} ({count})" for count, label in few)[:_LISTED]
            classes, more = "class has" if len(few) == 1 else "classes have", ", …" * (len(few) > _LISTED)
            message = (
                f"{len(few):,} {classes} fewer than {least} examples to {what} ({side}): {', '.join(names)}{more}. Add "
                f"examples, join classes, or trust no figure of such a class."
            )
            findings.append(Finding(f"few examples to {what}", "warning", message, names, len(few)))
    return findings


def _name(class_names: Sequence[str], label: int) -> str:
    return repr(printable(class_names[label]))
