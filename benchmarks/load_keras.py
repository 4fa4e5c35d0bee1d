"""Times our reader of .keras files against keras.saving.load_model, in turns, on models with random weights.

python benchmarks/load_keras.py --repeats 9
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import zoo  # noqa: E402  the script runs from a checkout too
from zoo.weights.keras_model import load_model  # noqa: E402

MODELS = ("efficientnet_lite0", "resnet50")


def main() -> None:
    """Print the median seconds of both readers for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            path = Path(folder) / f"{name}.keras"
            zoo.create(name, weights=None).save(path)
            load_model(path), theirs(path)
            seconds = [(timed(load_model, path), timed(theirs, path)) for _ in range(repeats)]
            ours, others = (statistics.median(column) for column in zip(*seconds, strict=True))
            print(f"{name}: ours {ours:.2f} s, Keras {others:.2f} s, ratio {ours / others:.2f} (medians of {repeats})")


def theirs(path: Path) -> keras.Model:
    """Load as Keras does."""
    return keras.saving.load_model(path, compile=False)


def timed(load: Callable[[Path], keras.Model], path: Path) -> float:
    """Return the seconds of one load."""
    started = time.perf_counter()
    load(path)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
