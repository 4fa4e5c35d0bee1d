"""How good head, two_phase and scratch are on few pictures: test accuracy over several seeds, with intervals.

    python benchmarks/methods.py [--seeds 5] [--per-class 20] [--test-per-class 100] [--methods head two_phase scratch]

Needs the data set fashion_mnist on this machine (Debian: dataset-fashion-mnist) and the extra `weights`. For each seed
other pictures are drawn from the training set, 20 of each of the ten classes, of which the run keeps 15 % to pick its
epoch; the test pictures are the same for all. The methods of a seed learn from the same pictures. EfficientNet-Lite0 at
224 px with all defaults; scratch, which sees no pretrained weights, gets the epochs that --scratch-epochs says.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import stats

import finetune
from finetune.config import make_config
from finetune.data.arrays import Arrays
from finetune.data.keras_sets import keras_arrays

DATA, MODEL, CONFIDENCE = "keras:fashion_mnist", "efficientnet_lite0", 0.95


def few_pictures(seed: int, per_class: int, test_per_class: int) -> Arrays:
    """Return as many training pictures of each class, drawn by the seed, and test pictures that are always the same."""
    arrays = keras_arrays(make_config({"data": DATA}))
    counts = ((seed, per_class), (0, test_per_class))
    parts = tuple(_drawn(part, *count) for part, count in zip(arrays.parts, counts, strict=True))
    return replace(arrays, parts=parts)


def _drawn(part: object, seed: int, per_class: int) -> object:
    generator, labels = np.random.default_rng(seed), np.asarray(part.y)
    chosen = [generator.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in range(10)]
    chosen = np.sort(np.concatenate(chosen))
    return replace(part, x=part.x[chosen], y=part.y[chosen])


def accuracy(method: str, seed: int, folder: Path, options: argparse.Namespace) -> float:
    """Return the test accuracy of one run in per cent, and say how long it took."""
    settings = {"epochs": options.scratch_epochs, "patience": options.scratch_epochs} if method == "scratch" else {}
    started = time.perf_counter()
    run = finetune.fit(
        few_pictures(seed, options.per_class, options.test_per_class),
        **{"model": MODEL, "method": method, "seed": seed, "strict": False, "verbose": 0},
        **{"run_dir": folder / f"{method}-{seed}", "cache_dir": folder / "cache", **settings},
    )
    score = 100 * run.metrics["test"]["accuracy"]
    seconds = time.perf_counter() - started
    print(f"seed {seed}, {method}: {score:.1f} %, epoch {run.metrics['best_epoch']}, {seconds:.0f} s", flush=True)
    return score


def mean_and_half(scores: list[float]) -> tuple[float, float]:
    """Return the mean, and half the width of its interval by Student's t."""
    if len(scores) < 2:
        return scores[0], float("nan")
    half = stats.t.ppf((1 + CONFIDENCE) / 2, len(scores) - 1) * stats.sem(scores)
    return float(np.mean(scores)), float(half)


def print_table(found: dict[str, list[float]]) -> None:
    """Print means with intervals, and by how much each method is above the next, seed by seed."""
    print(f"\n| method | mean test accuracy | {100 * CONFIDENCE:.0f} % interval | each seed |\n|---|---|---|---|")
    for method, scores in found.items():
        mean, half = mean_and_half(scores)
        each = ", ".join(f"{score:.1f}" for score in scores)
        print(f"| `{method}` | {mean:.2f} % | {mean - half:.2f} to {mean + half:.2f} | {each} |")
    order = sorted(found, key=lambda method: -np.mean(found[method]))
    for better, worse in zip(order, order[1:], strict=False):
        mean, half = mean_and_half([a - b for a, b in zip(found[better], found[worse], strict=True)])
        print(f"{better} - {worse}: {mean:+.2f} points, {mean - half:+.2f} to {mean + half:+.2f}, of the same pictures")


def main() -> None:
    """Let every method learn from the pictures of every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--test-per-class", type=int, default=100)
    parser.add_argument("--methods", nargs="+", default=["head", "two_phase", "scratch"])
    parser.add_argument("--scratch-epochs", type=int, default=30)
    options = parser.parse_args()
    found: dict[str, list[float]] = {method: [] for method in options.methods}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for method in options.methods:
                found[method].append(accuracy(method, seed, Path(folder), options))
    print_table(found)


if __name__ == "__main__":
    main()
