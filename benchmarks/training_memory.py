"""Memory of training over the number of pictures: the same network and batch on 1,000 and on 100,000 small files.

Run: python benchmarks/training_memory.py [--many 100000]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 8
# Resident while it trains, of that mapped from files, and the most at any time.
PARTS = ("training", "mapped", "peak")
CODE = """
import json, sys
import keras
import finetune

held = {}


def look(epoch, logs):
    lines = open("/proc/self/status").read().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    held.update(training=1024 * kib["VmRSS"], mapped=1024 * kib["RssFile"])


folder, base = sys.argv[1:]
options = {"model": "cnn", "image_size": 8, "epochs": 1, "batch_size": 32, "verbose": 0}
options |= {"run_dir": base + "/run", "cache_dir": base + "/cache"}
run = finetune.fit(folder, **options, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=look)])
print(json.dumps(held | {"peak": run.metrics["peak_rss_bytes"], "seconds": run.metrics["seconds"]}))
"""


def make(folder: Path, count: int) -> Path:
    """Write `count` pictures of noise, in two classes, no two alike."""
    generator = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir(parents=True)
    for number in range(count):
        pixels = generator.integers(0, 256, (SIDE, SIDE, 3), "uint8")
        Image.fromarray(pixels).save(folder / "ab"[number % 2] / f"{number:06}.png", compress_level=1)
    return folder


def measure(folder: Path, base: Path) -> dict:
    """Train in a process of its own; return what it says."""
    base.mkdir()
    command = [sys.executable, "-c", CODE, str(folder), str(base)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print the peak memory of both, and the growth for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=100_000)
    counts = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as name:
        found = {}
        for label, count in counts.items():
            found[label] = measure(make(Path(name) / label, count), Path(name) / f"base-{label}")
            held = ", ".join(f"{name} {found[label][name] / 1e6:,.0f} MB" for name in PARTS)
            print(f"{count:,} pictures: {held}; seconds {found[label]['seconds']}", flush=True)
    more = counts["many"] - counts["few"]
    growth = {name: (found["many"][name] - found["few"][name]) / more for name in PARTS}
    print("growth in bytes a file:", ", ".join(f"{name} {value:,.0f}" for name, value in growth.items()))


if __name__ == "__main__":
    main()
