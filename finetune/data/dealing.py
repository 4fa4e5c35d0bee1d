"""Examples are dealt as a config says: to three sides, or in folds that take turns in being tested."""

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from finetune.config import FinetuneConfig
from finetune.data.split import Dealable, Splits, split
from zoo.errors import ConfigError, DataError


def deal(config: FinetuneConfig, examples: Dealable) -> Splits:
    """Return the sides of all examples, and with `folds` those of each fold as well.

    With folds every example is tested once, by a model that learned on the other folds; the model that is kept learns
    on all of them but for the share that picks its epoch, so its own sides have no test.

    Raises:
        DataError: a class has too few examples or groups.
        ConfigError: folds of data that say their own sides.
    """
    shares = {"validation_fraction": config.validation_fraction, "seed": _seed(config)}
    if config.folds is None:
        return split(examples, test_fraction=config.test_fraction, **shares)
    if examples.given_splits:
        there = " and ".join(dict.fromkeys(examples.given_splits))
        raise ConfigError(
            f"folds={config.folds} deals all examples itself, but the data say their sides ({there}); "
            f"leave folds out, or put the examples together"
        )
    everyone = np.arange(len(examples))
    dealt = []
    for fold, rest in enumerate(_learners(config, examples), start=1):
        try:
            learners = split(examples, test_fraction=0, pool=rest.tolist(), **shares)
        except DataError as error:
            raise DataError(f"fold {fold} of {config.folds}, without its test examples: {error}") from error
        tested = np.setdiff1d(everyone, rest)
        dealt.append(Splits(learners.train, learners.validation, tuple(tested.tolist())))
    final = split(examples, test_fraction=0, **shares)
    return Splits(final.train, final.validation, (), folds=tuple(dealt))


def _seed(config: FinetuneConfig) -> int:
    return config.seed if config.split_seed is None else config.split_seed


def _learners(config: FinetuneConfig, examples: Dealable) -> list[np.ndarray]:
    """Return for each fold the examples that are not tested in it."""
    strata, groups = np.asarray(examples.strata), examples.groups
    names = examples.strata_names
    for label, count in enumerate(np.bincount(strata, minlength=len(names))):
        # one for the test, and of the others one to learn from and one to validate
        if count < max(config.folds, 3):
            what = f"class {names[label]!r} has" if names[label] else "the data have"
            raise DataError(
                f"{what} {count} usable examples; folds={config.folds} needs at least {max(config.folds, 3)}. "
                f"Take fewer folds, or add examples."
            )
    if groups and len(set(groups)) < config.folds:
        raise DataError(
            f"{len(set(groups))} groups cannot be dealt to folds={config.folds}, for a group is not divided"
        )
    classes = len(names) > 1
    kinds = {True: (StratifiedKFold, StratifiedGroupKFold), False: (KFold, GroupKFold)}
    dealer = kinds[classes][bool(groups)](config.folds, shuffle=True, random_state=_seed(config))
    return [learners for learners, _ in dealer.split(strata, strata, list(groups) or None)]


def own_test(config: FinetuneConfig, examples: Dealable) -> tuple[int, ...]:
    """Return the test side of the data that a run learned on.

    Raises:
        ConfigError: the run has none, for every example was tested in a fold.
    """
    if config.folds is not None:
        raise ConfigError(
            "the kept model learned from all of these examples, and cannot be judged by them; what the folds answered "
            "is in metrics.json and predictions.csv. Name other data"
        )
    return deal(config, examples).test
