"""Is the rate that `finetune lr-find` suggests a good one? Held against a grid of nine rates.

    python benchmarks/lr_find.py [--seeds 5]

On data/fashion-mini with EfficientNet-Lite0 and a new head: for each seed (of the split, the head and the order) a run
at each of nine rates from 1e-5 to 1e-1, and one at the suggested rate. Prints the mean test accuracies, and by how much
the suggestion falls short of the best rate of the grid, which is picked by the very pictures that it is judged by. The
first run computes the features, the others reuse them.
"""

import argparse
import platform
import tempfile
import time
from pathlib import Path

import numpy as np

import finetune

DATA = Path(__file__).parent.parent / "data" / "fashion-mini"
SETTINGS = {"model": "efficientnet_lite0", "method": "head"}
GRID = tuple(float(f"{rate:.1e}") for rate in np.logspace(-5, -1, 9))
SUGGESTED = "suggested"


def accuracy(folder: Path, seed: int, rate: float) -> float:
    """Return the test accuracy of one run."""
    run = finetune.fit(
        DATA, **SETTINGS, seed=seed, learning_rate=rate, run_dir=folder / "run", overwrite=True, verbose=0
    )
    return run.metrics["test"]["accuracy"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    print(f"{platform.platform()}, Python {platform.python_version()}; {len(seeds)} seeds")
    found: dict[object, list[float]] = {rate: [] for rate in (*GRID, SUGGESTED)}
    rates, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            started = time.perf_counter()
            rates.append(finetune.find_learning_rate(DATA, **SETTINGS, seed=seed, verbose=0).settings["learning_rate"])
            seconds.append(time.perf_counter() - started)
            for rate in GRID:
                found[rate].append(accuracy(Path(folder), seed, rate))
            found[SUGGESTED].append(accuracy(Path(folder), seed, rates[-1]))
            print(f"seed {seed}: suggested {rates[-1]:g} in {seconds[-1]:.1f} s", flush=True)
    print("| learning rate | mean test accuracy | each seed |\n|---|---|---|")
    for rate, scores in found.items():
        name = f"{rate:g}" if rate != SUGGESTED else f"suggested ({min(rates):g} to {max(rates):g})"
        print(f"| {name} | {np.mean(scores):.4f} | {', '.join(f'{score:.3f}' for score in scores)} |")
    best = max(GRID, key=lambda rate: np.mean(found[rate]))
    short = 100 * (np.mean(found[best]) - np.mean(found[SUGGESTED]))
    print(f"best of the grid: {best:g}; the suggestion falls short of it by {short:.2f} points")


if __name__ == "__main__":
    main()
