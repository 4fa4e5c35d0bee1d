"""Folds: every example is tested once, by whoever did not learn from it."""

from collections import Counter

import pytest
from test_split import examples

from finetune.config import make_config
from finetune.data.dealing import deal, own_test
from finetune.data.examples import Examples
from zoo.errors import ConfigError, DataError


def folded(source, folds=5, **settings):
    """Deal in folds."""
    return deal(make_config({"data": "/data", "folds": folds} | settings), source)


def grouped(labels, groups):
    """Return examples of classes a, b, … in groups."""
    names = tuple("abcdefgh"[: max(labels) + 1])
    files = tuple(f"{number}.png" for number in range(len(labels)))
    return Examples("/data", files, tuple(labels), names, groups=tuple(groups))


def test_every_example_is_tested_once():
    """The test sides of the folds are a partition of the examples."""
    folds = folded(examples(40, 21, 7)).folds
    assert sorted(index for fold in folds for index in fold.test) == list(range(68))


def test_no_fold_learns_from_what_it_tests():
    """Within a fold the three sides are a partition too."""
    for fold in folded(examples(40, 21, 7)).folds:
        assert sorted(fold.train + fold.validation + fold.test) == list(range(68))


def test_classes_keep_their_share_in_each_fold():
    """Each of five folds tests a fifth of each class."""
    for fold in folded(examples(40, 20)).folds:
        assert Counter(index >= 40 for index in fold.test) == {False: 8, True: 4}


def test_kept_model_learns_from_all():
    """The sides of the kept model have no test; its validation keeps its share."""
    splits = folded(examples(40, 40))
    assert splits.test == () and splits.sizes() == {"train": 68, "validation": 12}


@pytest.mark.parametrize("folds", [None, 4])
def test_split_seed_alone_deals(folds):
    """With `split_seed` another seed leaves every side as it is; without, it deals anew."""
    source = examples(40, 21)
    dealt = [folded(source, folds, split_seed=7, seed=seed) for seed in (0, 1)]
    assert dealt[0] == dealt[1] == folded(source, folds, seed=7) != folded(source, folds, seed=1)


def test_sides_name_the_fold():
    """Leaks are looked for between folds."""
    splits = folded(examples(10, 10), folds=2)
    assert set(splits.sides(20)) == {"fold 1", "fold 2"}


def test_seed_decides_the_folds():
    """Same seed, same folds; another seed, others."""
    first, same, other = (folded(examples(30, 30), seed=seed) for seed in (1, 1, 2))
    assert first == same and first.folds != other.folds


@pytest.mark.parametrize("labels", [[0, 1] * 30, [0] * 60], ids=["classes", "numbers"])
def test_groups_are_not_divided_between_folds(labels):
    """A group is tested in one fold, and nothing of it is learned from there."""
    groups = [f"g{number // 4}" for number in range(60)]
    for fold in folded(grouped(labels, groups), folds=3).folds:
        tested = {groups[index] for index in fold.test}
        assert not tested & {groups[index] for index in fold.train + fold.validation}


def test_too_small_a_class_is_named():
    """A class with fewer examples than folds is refused by name."""
    with pytest.raises(DataError, match="class 'b' has 4 usable examples; folds=5 needs at least 5. Take fewer folds"):
        folded(examples(40, 4))


def test_too_few_groups_are_refused():
    """More folds than groups cannot be."""
    with pytest.raises(DataError, match="2 groups cannot be dealt to folds=5"):
        folded(grouped([0, 1] * 20, ["a", "b"] * 20))


def test_given_sides_exclude_folds():
    """Data that say their sides are not dealt anew."""
    with pytest.raises(ConfigError, match="the data say their sides .train and test."):
        folded(examples(10, 10, given=("train",) * 12 + ("test",) * 8))


def test_run_of_folds_has_no_test_side_of_its_own():
    """The kept model is not judged by what it learned from."""
    with pytest.raises(ConfigError, match="cannot be judged by them"):
        own_test(make_config({"data": "/data", "folds": 5}), examples(10, 10))
