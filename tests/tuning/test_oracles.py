"""Our oracles under keras-tuner's own tuner, where its own ones fail; and algorithms by name.

A test with `stock` runs keras-tuner's oracle too and expects it to fail: when one of them passes, our subclass has one
reason less.
"""

import math

import keras_tuner as kt
import pytest

from tuning import oracles
from tuning.oracles import make_algorithm
from tuning.space import Space
from zoo.errors import ConfigError

pytestmark = [
    pytest.mark.keras,
    # keras-tuner calls a deprecated name of threading
    pytest.mark.filterwarnings("ignore:.*(currentThread|getName).*:DeprecationWarning"),
]


def stock(name: str, reason: str, *marks: object) -> object:
    """Return keras-tuner's own oracle as a parameter that is to fail."""
    marks = (pytest.mark.xfail(strict=True, reason=reason), *marks)
    return pytest.param(getattr(kt.oracles, f"{name}Oracle"), id="stock", marks=marks)


class Scored(kt.Tuner):
    """A tuner whose trials are a function of their values."""

    def __init__(self, oracle, score, directory):
        super().__init__(oracle=oracle, directory=directory, project_name="p")
        self.score, self.values = score, []

    def run_trial(self, trial, *args, **kwargs):
        """Return the score of a trial."""
        self.values.append(dict(trial.hyperparameters.values))
        return self.score(trial.hyperparameters.values)


def search(kind, hp, directory, *, score=lambda values: 0.0, **options) -> list[dict]:
    """Return the values that a search by keras-tuner's loop tried."""
    tuner = Scored(kind(hyperparameters=hp, **options), score, directory)
    tuner.search(verbose=0)
    return tuner.values


def two_floats() -> kt.HyperParameters:
    """Return two ranges."""
    hp = kt.HyperParameters()
    hp.Float("x", 0, 1)
    hp.Float("y", 0, 1)
    return hp


@pytest.mark.parametrize("kind", [oracles.RandomSearch, stock("RandomSearch", "seed 0 is no seed there")])
def test_seed_0_is_a_seed(kind, tmp_path):
    """Two searches with seed 0 are the same."""
    first, second = (search(kind, two_floats(), tmp_path / name, max_trials=4, seed=0) for name in "ab")
    assert first == second


def test_what_the_first_trial_brings_to_light_is_searched(tmp_path):
    """Hyperparameters that a build function asks for are searched from the second trial on, repeatably."""

    def run(directory):
        tuner = Late(oracles.RandomSearch(max_trials=6, seed=1), directory)
        tuner.search(verbose=0)
        return tuner.values

    found = run(tmp_path / "a")
    assert found == run(tmp_path / "b") and len({values.get("b") for values in found}) > 2


class Late(Scored):
    """A tuner whose build asks for a conditional hyperparameter only when it runs."""

    def __init__(self, oracle, directory):
        super().__init__(oracle, None, directory)

    def run_trial(self, trial, *args, **kwargs):
        """Ask for a second hyperparameter below the first."""
        hp = trial.hyperparameters
        hp.Choice("a", ["u", "v"])
        with hp.conditional_scope("a", ["u"]):
            hp.Float("b", 0, 1)
        self.values.append(dict(hp.values))
        return 0.0


@pytest.mark.parametrize("kind", [oracles.RandomSearch, stock("RandomSearch", "the second is drawn without a seed")])
def test_a_name_under_two_conditions_is_seeded(kind, tmp_path):
    """A seed repeats the values of hyperparameters that share their name."""
    hp = kt.HyperParameters()
    hp.Choice("model", ["mlp", "cnn"])
    for model in ("mlp", "cnn"):
        with hp.conditional_scope("model", [model]):
            hp.Float("rate", 0, 1)
    first, second = (search(kind, hp, tmp_path / name, max_trials=8, seed=1) for name in "ab")
    assert first == second


@pytest.mark.parametrize(
    "kind", [oracles.RandomSearch, stock("RandomSearch", "it stops after 20 draws that were tried")]
)
def test_a_space_is_used_up_before_a_search_stops(kind, tmp_path):
    """40 combinations are all tried when there is a budget for them."""
    hp = kt.HyperParameters()
    hp.Int("a", 0, 4)
    hp.Int("b", 0, 7)
    assert len(search(kind, hp, tmp_path, max_trials=60, seed=1)) == 40


@pytest.mark.parametrize(
    "kind", [oracles.GridSearch, stock("GridSearch", "float division loses the last step (#1001)")]
)
def test_a_grid_of_steps_has_its_upper_end(kind, tmp_path):
    """0 to 1 in steps of 0.2 are six values."""
    hp = kt.HyperParameters()
    hp.Float("dropout", 0, 1, step=0.2)
    found = [values["dropout"] for values in search(kind, hp, tmp_path)]
    assert sorted(found) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize(
    "kind", [oracles.GridSearch, stock("GridSearch", "ten values in no order, and never the maximum")]
)
def test_a_grid_of_a_range_has_both_ends(kind, tmp_path):
    """What a grid takes of a range without steps begins and ends with its ends."""
    hp = kt.HyperParameters()
    hp.Float("dropout", 0, 1)
    found = [values["dropout"] for values in search(kind, hp, tmp_path)]
    assert (min(found), max(found)) == (0, 1)


@pytest.mark.parametrize("kind", [oracles.GridSearch, stock("GridSearch", "its queue is not kept (#1055)")])
def test_a_grid_goes_on_in_another_process(kind, tmp_path):
    """A search that was broken off after three of six trials tries the other three."""
    hp = kt.HyperParameters()
    hp.Int("a", 1, 6)
    first = Scored(kind(hyperparameters=hp, max_trials=3), lambda values: 0.0, tmp_path)
    first.search(verbose=0)
    second = Scored(kind(hyperparameters=hp, max_trials=10), lambda values: 0.0, tmp_path)
    second.reload()
    second.search(verbose=0)
    assert sorted(values["a"] for values in first.values + second.values) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "kind",
    [oracles.BayesianOptimization, stock("BayesianOptimization", "inf becomes 0, the best score", pytest.mark.slow)],
)
def test_an_infinite_loss_is_no_good_score(kind, tmp_path):
    """A search with positive losses leaves the half of the range where the loss is infinite."""
    hp = kt.HyperParameters()
    hp.Float("x", 0, 1)
    score = lambda values: math.inf if values["x"] > 0.5 else 1 + values["x"]  # noqa: E731
    found = search(kind, hp, tmp_path, score=score, max_trials=12, seed=3)
    assert sum(values["x"] > 0.5 for values in found[6:]) <= 1


@pytest.mark.parametrize(
    "kind",
    [
        oracles.BayesianOptimization,
        stock("BayesianOptimization", "nothing asks what was tried (#608)", pytest.mark.slow),
    ],
)
def test_bayesian_search_tries_nothing_twice(kind, tmp_path):
    """Twelve combinations give twelve different trials."""
    hp = kt.HyperParameters()
    hp.Choice("a", [1, 2, 3, 4])
    hp.Choice("b", ["u", "v", "w"])
    found = search(kind, hp, tmp_path, score=lambda values: values["a"], max_trials=12, seed=3)
    assert len({tuple(sorted(values.items())) for values in found}) == 12


@pytest.mark.parametrize("kind", [oracles.Hyperband, stock("Hyperband", "it stops when there are no new combinations")])
def test_hyperband_promotes_on_a_small_space(kind, tmp_path):
    """Of six combinations, the best one gets all epochs."""
    hp = kt.HyperParameters()
    hp.Int("a", 1, 6)
    found = search(kind, hp, tmp_path, score=lambda values: values["a"], max_epochs=9, seed=1)
    assert max(values["tuner/epochs"] for values in found) == 9
    last = found[-1]
    assert last["a"] == 1 and last["tuner/initial_epoch"] == 3 and "tuner/trial_id" in last


@pytest.mark.parametrize("name", ["val_f1_score", "val_r2_score", "val_cosine_similarity"])
def test_stock_takes_some_scores_for_losses(name):
    """keras-tuner infers `min` for them: the reason why a direction is always given here."""
    assert kt.oracles.RandomSearchOracle(objective=name).objective.direction == "min"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "bayes"}, "Nearest: bayesian"),
        ({"direction": "auto"}, "min or max"),
        ({"seed": None}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"name": "hyperband"}, "needs max_epochs"),
        ({"max_trials": 0}, "at least 1"),
        ({"start": [{"a": 5}]}, "start.0.a"),
    ],
)
def test_impossible_wishes_are_refused(changes, said):
    """What no algorithm can go by is told before the first trial."""
    wishes = {"name": "random", "direction": "min", "seed": 0} | changes
    space = Space.from_mapping({"space": {"a": [1, 2]}})
    with pytest.raises(ConfigError, match=said):
        make_algorithm(wishes.pop("name"), space, **wishes)


@pytest.mark.parametrize("name", oracles.ALGORITHMS)
def test_every_algorithm_begins_with_the_start_values(name):
    """Known-good values are the first trial of every algorithm."""
    space = Space.from_mapping({"space": {"a": {"low": 0.0, "high": 1.0}, "b": ["x", "y"]}})
    made = make_algorithm(
        name, space, direction="min", seed=0, max_trials=20, max_epochs=9, start=[{"a": 0.25, "b": "y"}]
    )
    assert dict(made.propose([], 0).values) == {"a": 0.25, "b": "y"}
