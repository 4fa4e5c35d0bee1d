"""Which precision `precision=auto` takes on this machine, and what mixed_bfloat16 costs in accuracy.

    python benchmarks/precision.py [--images 8000] [--epochs 8] [--seeds 3] [--choices-only | --accuracy-only]

Needs the data set fashion_mnist on this machine (Debian: dataset-fashion-mnist) and the extra `weights`. First it
prints what auto finds for a `cnn` and for EfficientNet-Lite0 with method=full, each as for a run on all 60,000 images,
and what it says of a run on 500. Then the `cnn` learns from the first images in both precisions with several seeds, and
its saved model, which computes in float32, is judged by the 10,000 test images.
"""

import argparse
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import finetune
from finetune.config import make_config
from finetune.data.arrays import Arrays
from finetune.data.keras_sets import keras_arrays
from finetune.environment import cpu_flags
from finetune.kinds.choose import open_source
from finetune.precision_choice import choose_precision
from finetune.progress import Reporter

DATA = "keras:fashion_mnist"
PRECISIONS = ("float32", "mixed_bfloat16")
CNN = {"model": "cnn"}
LITE0 = {"model": "efficientnet_lite0", "method": "full"}


def first_images(count: int) -> Arrays:
    """Return the data set with its first training images alone, and all test images."""
    arrays = keras_arrays(make_config({"data": DATA}))
    train, test = arrays.parts
    return replace(arrays, parts=(replace(train, x=train.x[:count], y=train.y[:count]), test))


def choice(settings: dict[str, object], count: int, cache: Path) -> tuple[object, float]:
    """Return what auto takes for a run, and the seconds that finding it took."""
    config = make_config({"data": DATA, "cache_dir": str(cache)} | settings)
    kind, source, decisions = open_source(config, first_images(count))
    config, _ = kind.resolve(config.model_copy(update={one.what: one.value for one in decisions}), source)
    data = kind.check(config, source, Reporter(0))
    config, _ = kind.settle(config, data)
    splits = kind.deal(config, data)
    trunk = kind.build_trunk(config, data, splits)
    started = time.perf_counter()
    found = choose_precision(kind, config, data, trunk, splits, Reporter(0))
    return found, time.perf_counter() - started


def accuracy(precision: str, seed: int, count: int, epochs: int, folder: Path) -> tuple[float, float]:
    """Return test accuracy of a run and the seconds that it learned."""
    settings = CNN | {"precision": precision, "seed": seed, "epochs": epochs, "cache_dir": folder / "cache"}
    run = finetune.fit(first_images(count), run_dir=folder / f"{precision}-{seed}", verbose=0, **settings)
    return run.metrics["test"]["accuracy"], run.metrics["seconds"]["train"]


def print_choices(folder: Path) -> None:
    """Print what auto takes for two networks on all images and on few."""
    for name, settings in (("cnn", CNN), ("EfficientNet-Lite0, all of it", LITE0)):
        for count in (60_000, 500):
            found, seconds = choice(settings, count, folder / "cache")
            print(f"{name}, {count:,} images: {found.value} ({found.why}) [{seconds:.1f} s]", flush=True)


def print_accuracy(folder: Path, options: argparse.Namespace) -> None:
    """Print a table of accuracies by seed and precision, and the difference of their means."""
    print(f"\ncnn, {options.images:,} images, {options.epochs} epochs, 10,000 test images")
    print(f"| seed | {' | '.join(f'{name} | s' for name in PRECISIONS)} |\n|---|{'---|' * 2 * len(PRECISIONS)}")
    found: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for seed in range(options.seeds):
        cells = []
        for name in PRECISIONS:
            score, seconds = accuracy(name, seed, options.images, options.epochs, folder)
            found[name].append(100 * score)
            cells.append(f"{100 * score:.2f} % | {seconds:.0f}")
        print(f"| {seed} | {' | '.join(cells)} |", flush=True)
    means = {name: statistics.mean(scores) for name, scores in found.items()}
    print(", ".join(f"{name} {mean:.2f} %" for name, mean in means.items()))
    print(f"mixed_bfloat16 - float32: {means['mixed_bfloat16'] - means['float32']:+.2f} points")


def main() -> None:
    """Print which machine this is, then both parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--choices-only", action="store_true")
    parser.add_argument("--accuracy-only", action="store_true")
    options = parser.parse_args()
    flags = sorted(flag for flag in cpu_flags() or () if "bf16" in flag or flag.startswith("amx"))
    print(f"{platform.platform()}, Python {platform.python_version()}, {', '.join(flags) or 'no bfloat16'}")
    with tempfile.TemporaryDirectory() as folder:
        if not options.accuracy_only:
            print_choices(Path(folder))
        if not options.choices_only:
            print_accuracy(Path(folder), options)


if __name__ == "__main__":
    main()
