"""How cost grows: with pictures, with their size, with epochs, and with trials of a search.

    python benchmarks/growth.py [--short] [--rounds 1] [--picture benchmarks/growth.png]
    python benchmarks/growth.py --pictures 500 1000 2000 4000 8000 --trials 5 10 25 50 100 --sizes 96 160 224

Each of the four runs in a process of its own, after a run that is not counted; values grow within a process, so that
the memory shown is the most until then. Fits are of EfficientNet-Lite0 on files of Fashion-MNIST: pictures and sizes
without a cache, epochs on cached features; trials are those of a random search over the rate of an `mlp` on
data/wine.csv. A line is fitted to the seconds (of sizes: over the pixels of a picture), its errors counted as shares;
the last column says by how much the worst point leaves it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import print_machine, seconds_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from plain_keras import write_pictures

WINE = Path(__file__).parent.parent / "data" / "wine.csv"
SHORT = {"pictures": [100, 200, 400, 800], "sizes": [64, 96, 128], "epochs": [10, 40, 80], "trials": [3, 6, 12]}
LONG = {
    "pictures": [500, 1000, 2000, 4000, 8000],
    "sizes": [96, 128, 160, 192, 224],
    "epochs": [10, 20, 40, 80, 160],
    "trials": [5, 10, 25, 50, 100],
}
UNITS = {"pictures": "pictures", "sizes": "pixels a side", "epochs": "epochs", "trials": "trials"}
# Pictures and their size where another quantity grows.
FIXED, FIXED_SHORT = (1000, 128), (200, 64)


def fit(data: Path, base: Path, size: int, epochs: int, cache: str) -> None:
    """Fit a head, with all epochs and one runtime whatever the number of pictures."""
    import finetune
    from finetune.transfer.openvino_runner import is_installed

    settings = {"model": "efficientnet_lite0", "method": "head", "epochs": epochs, "patience": epochs}
    settings |= {"image_size": size, "cache_dir": base / cache, "runtime": "openvino" if is_installed() else "keras"}
    finetune.fit(data, run_dir=base / "run", overwrite=True, verbose=0, **settings)


def search(base: Path, number: int, trials: int) -> None:
    """Search with random trials that all cost the same, without runs with fresh seeds."""
    import tuning

    settings = {"model": "mlp", "algorithm": "random", "epochs": 10, "patience": 10, "fresh_seeds": 0, "verbose": 0}
    settings["space"] = {"space": {"learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"}}}
    tuning.search(str(WINE), max_trials=trials, study=base / f"study{number}", cache_dir=base / "cache", **settings)


def runs_of(axis: str, values: Sequence[int], fixed: tuple[int, int], base: Path) -> list[Callable[[], None]]:
    """Return what is timed for each value of an axis."""
    count, size = fixed
    if axis == "trials":
        return [lambda v=v, at=at: search(base, at, v) for at, v in enumerate(values)]
    if axis == "pictures":
        folders = [write_pictures(base / f"{at}", value, 0) for at, value in enumerate(values)]
        return [lambda one=one, at=at: fit(one, base, size, 10, f"cache{at}") for at, one in enumerate(folders)]
    data = write_pictures(base / "0", count, 0)
    if axis == "sizes":
        return [lambda v=v: fit(data, base, v, 10, f"cache{v}") for v in values]
    return [lambda v=v: fit(data, base, size, v, "cache") for v in values]


def measure(axis: str, values: Sequence[int], fixed: tuple[int, int]) -> dict[str, list[float]]:
    """Return seconds, and the most memory until then in megabytes, for each value."""
    from finetune.memory import peak_rss_bytes

    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        runs = runs_of(axis, values, fixed, base)
        runs[0]()
        # the run that is not counted leaves nothing but the features that epochs are counted on
        for left in ("study0", "cache0", f"cache{values[0]}"):
            shutil.rmtree(base / left, ignore_errors=True)
        found = [(seconds_of(run), peak_rss_bytes() / 1e6) for run in runs]
    seconds, memory = zip(*found, strict=True)
    return {"seconds": list(seconds), "memory": list(memory)}


def in_process(axis: str, values: Sequence[int], fixed: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Measure an axis in a process for each round; return medians."""
    asked, found = json.dumps([axis, values, fixed]), []
    for _ in range(rounds):
        done = subprocess.run([sys.executable, __file__, asked], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {name: [statistics.median(one) for one in zip(*(f[name] for f in found), strict=True)] for name in found[0]}


def line(axis: str, values: Sequence[int], seconds: Sequence[float]) -> tuple[np.ndarray, float]:
    """Return the fitted seconds, and by what share the worst point leaves them."""
    x = np.array(values, float) ** (2 if axis == "sizes" else 1)
    fitted = np.polyval(np.polyfit(x, seconds, 1, w=1 / np.array(seconds)), x)
    return fitted, float(np.abs(seconds / fitted - 1).max())


def draw(found: dict[str, tuple[Sequence[int], dict[str, list[float]]]]) -> Figure:
    """Draw seconds with their line, and memory below, for each axis."""
    figure = Figure(figsize=(3.2 * len(found), 5.2), dpi=110, layout="constrained", facecolor="white")
    panels = figure.subplots(2, len(found), squeeze=False)
    for (axis, (values, measured)), seconds, memory in zip(found.items(), *panels, strict=True):
        power = 2 if axis == "sizes" else 1
        fitted, worst = line(axis, values, measured["seconds"])
        for axes, name in ((seconds, "seconds"), (memory, "memory")):
            axes.set_xscale("function", functions=(lambda v, p=power: v**p, lambda v, p=power: v ** (1 / p)))
            axes.plot(values, measured[name], "o", color="#0b6e99")
            axes.set_xticks(values[-3:] if power == 1 else values)
            axes.set_ylim(0, 1.15 * max(measured[name]))
            axes.grid(axis="y", color="#d5dce3")
            axes.spines[["top", "right"]].set_visible(False)
        seconds.plot(values, fitted, color="#c2571a", linewidth=1)
        seconds.set_title(f"line within {worst:.0%}", fontsize=10)
        memory.set_xlabel(UNITS[axis])
    panels[0][0].set_ylabel("seconds")
    panels[1][0].set_ylabel("most memory, MB")
    return figure


def print_axis(axis: str, values: Sequence[int], measured: dict[str, list[float]]) -> None:
    """Print a table of an axis."""
    fitted, worst = line(axis, values, measured["seconds"])
    print(f"\n| {UNITS[axis]} | {' | '.join(f'{value:,}' for value in values)} | largest deviation |")
    print("|---|" + "---|" * (len(values) + 1))
    print(f"| s | {' | '.join(f'{one:.2f}' for one in measured['seconds'])} | |")
    print(f"| line, s | {' | '.join(f'{one:.2f}' for one in fitted)} | {worst:.1%} |")
    print(f"| most memory, MB | {' | '.join(f'{one:,.0f}' for one in measured['memory'])} | |", flush=True)


def main() -> None:
    """Measure all axes, print their tables, and draw them."""
    if len(sys.argv) == 2 and sys.argv[1].startswith("["):
        return print(json.dumps(measure(*json.loads(sys.argv[1]))))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    for axis in LONG:
        parser.add_argument(f"--{axis}", type=int, nargs="+")
    options = parser.parse_args()
    print_machine()
    found = {}
    for axis, usual in (SHORT if options.short else LONG).items():
        values = getattr(options, axis) or usual
        measured = in_process(axis, values, FIXED_SHORT if options.short else FIXED, options.rounds)
        print_axis(axis, values, measured)
        found[axis] = (values, measured)
    if options.picture:
        FigureCanvasAgg(draw(found)).print_png(options.picture)


if __name__ == "__main__":
    main()
