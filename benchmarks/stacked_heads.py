"""Are trials faster where their heads learn as one? The same trials of a search, one after the other and in a stack.

    python benchmarks/stacked_heads.py [--heads 2 4 8 16] [--epochs 10] [--rounds 3]

Heads are one Dense(10) on features of data/fashion-mini by EfficientNet-Lite0, batches of 32, each with a seed and a
learning rate of its own, without Dropout and with it. Seconds are those of whole trials: head, trace, epochs, scores.
What each of them found is compared too: it is the same up to the rounding of sums.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import in_turn, print_machine, ratios_to

from finetune.config import make_config
from finetune.progress import Reporter
from tuning.ground import Grounds
from tuning.job import Job
from tuning.kept import Kept
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.stacking import Stacking
from tuning.trial import Proposal, Trial

DATA, MODEL = "data/fashion-mini", "efficientnet_lite0"
DROPOUTS = {"no Dropout": 0.0, "Dropout(0.2)": 0.2}


class Trials:
    """Some trials, and what they found when they ran last, one by one and at once."""

    def __init__(self, runner: RecipeRunner, count: int, dropout: float):
        self._runner, self.found = runner, {}
        self._jobs = [
            Job(Trial(n, Proposal({"learning_rate": rate, "dropout": dropout}), "running", seed=n), float("-inf"))
            for n, rate in enumerate(np.geomspace(3e-4, 3e-3, count).tolist())
        ]

    def alone(self) -> float:
        """Run them one after the other; return the seconds."""
        started = time.perf_counter()
        self.found["alone"] = [self._runner(job) for job in self._jobs]
        return time.perf_counter() - started

    def stacked(self) -> float:
        """Run them at once; return the seconds."""
        started = time.perf_counter()
        with Stacking(self._runner, Reporter(0)) as executor:
            for job in self._jobs:
                executor.submit(job)
            self.found["stacked"] = list(executor.results())
        return time.perf_counter() - started

    def difference(self) -> float:
        """Return by how much the validation losses of both ways differ at most."""
        losses = [[trial.scores["val_loss"] for trial in found] for found in self.found.values()]
        return float(np.abs(np.subtract(*losses)).max())


def print_row(trials: Trials, count: int, name: str, rounds: int) -> None:
    """Measure some trials in both ways, and print medians and the ratio of the same rounds."""
    found = in_turn({"alone": trials.alone, "stacked": trials.stacked}, rounds)
    ratios = ratios_to(found["stacked"], found["alone"])
    alone, stacked = (statistics.median(seconds) for seconds in found.values())
    spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    print(f"| {count} | {name} | {alone:.2f} | {stacked:.2f} | {spread} | {trials.difference():.1e} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print_machine(("tensorflow", "keras"))
    with tempfile.TemporaryDirectory() as folder:
        config = {"data": DATA, "model": MODEL, "epochs": options.epochs, "patience": options.epochs, "batch_size": 32}
        grounds = Grounds(make_config(config | {"cache_dir": Path(folder) / "cache"}))
        kept = Kept(Path(folder) / "models", "benchmark")
        runner = RecipeRunner(grounds, objective_for("classification"), kept, Path(folder) / "states")
        # features are computed by the first trial
        Trials(runner, 1, 0.0).alone()
        print("\n| heads | | one after the other, s | in a stack, s | ratio | losses differ by |")
        print("|---|---|---|---|---|---|")
        for count in options.heads:
            for name, dropout in DROPOUTS.items():
                print_row(Trials(runner, count, dropout), count, name, options.rounds)


if __name__ == "__main__":
    main()
