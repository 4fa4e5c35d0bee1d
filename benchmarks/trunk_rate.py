"""How many pictures a second the frozen network takes: each runtime side by side, and end to end from JPEG files.

    pip install openvino efficientnet_lite_pytorch torch   # what is missing is left out of the table
    python benchmarks/trunk_rate.py [--rounds 7] [--batches 4]

EfficientNet-Lite0, 224 px, batches of 32, everything in one process, one after the other in every round, so that a
noisy machine slows all of them. Rates are medians over the rounds, with the lowest and the highest; the last column
divides by the first row's rate of the same round. Compare columns, not numbers of two days.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import tensorflow as tf
from machine import print_machine
from PIL import Image
from sklearn.datasets import load_sample_images

from finetune.config import make_config
from finetune.data import load
from finetune.data.folder import scan_folder
from finetune.transfer import openvino_bytes, openvino_runner
from finetune.transfer.frozen_graph import FrozenGraph
from finetune.transfer.openvino_runner import OpenVinoRunner
from finetune.transfer.trunk import build_trunk, forward

MODEL, BATCH = "efficientnet_lite0", 32
Batches = Iterable[np.ndarray]
Run = Callable[[Batches], Iterator[np.ndarray]]


def tensorflow_run(model) -> Run:
    """Return the network as a plain TensorFlow function."""
    compiled = tf.function(lambda pictures: model(pictures, training=False), autograph=False)
    return lambda batches: (compiled(tf.cast(batch, "float32")).numpy() for batch in batches)


def torch_run() -> Run | None:
    """Return the same architecture in torch, bfloat16 and channels last; None where torch is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "efficientnet_lite_pytorch")):
        return None
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval().to(torch.bfloat16, memory_format=torch.channels_last)

    def run(batches: Batches) -> Iterator[np.ndarray]:
        for batch in batches:
            with torch.inference_mode():
                pictures = (torch.from_numpy(batch).permute(0, 3, 1, 2).to(torch.bfloat16) - 127) / 128
                yield network.extract_features(pictures).mean((2, 3)).float().numpy()

    return run


def runs(model) -> dict[str, Run]:
    """Return all runtimes that are here, Keras as it was used before first."""
    graph = FrozenGraph(model)
    found: dict[str, Run | None] = {
        "Keras predict_on_batch": lambda batches: forward(model, batches, batch_size=BATCH),
        "TensorFlow function": tensorflow_run(model),
        "ours without OpenVINO": partial(graph.run, batch_size=BATCH),
    }
    if openvino_runner.is_installed():
        found["OpenVINO float32"] = OpenVinoRunner(graph)
        found["the same, pictures as its reader turns them"] = as_its_reader_turns(graph)
        if openvino_runner.has_bfloat16():
            found["OpenVINO bfloat16"] = OpenVinoRunner(graph, precision="bfloat16")
    found["torch bfloat16 channels-last"] = torch_run()
    return {name: run for name, run in found.items() if run}


def as_its_reader_turns(graph: FrozenGraph) -> Run:
    """Return the network as OpenVINO's reader leaves it: planes are made of bytes before they are scaled."""
    with mock.patch.object(openvino_runner, "of_bytes", openvino_bytes.as_it_comes):
        return OpenVinoRunner(graph)


def rate(run: Run, batches: Callable[[], Batches]) -> float:
    """Return pictures a second."""
    started, count = time.perf_counter(), 0
    for array in run(batches()):
        count += len(array)
    return count / (time.perf_counter() - started)


def table(title: str, sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure all sides in every round, print medians, spread and the ratio to the first, and return the rates."""
    for side in sides.values():
        side()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    first = next(iter(found.values()))
    print(f"\n| {title} | pictures/s | lowest-highest | ratio |\n|---|---|---|---|")
    for name, rates in found.items():
        ratio = statistics.median(a / b for a, b in zip(rates, first, strict=True))
        print(f"| {name} | {statistics.median(rates):.0f} | {min(rates):.0f}-{max(rates):.0f} | {ratio:.2f} |")
    return found


def write_photos(folder: Path, side: int, count: int) -> None:
    """Write JPEG photos of `side` pixels, cut out of scikit-learn's two sample photos at different places."""
    photos = load_sample_images().images
    for number in range(count):
        photo = Image.fromarray(photos[number % 2]).resize((2 * side, 2 * side))
        left, top = number * 7 % side, number * 13 % side
        (folder / "abc"[number % 3]).mkdir(parents=True, exist_ok=True)
        crop = photo.crop((left, top, left + side, top + side))
        crop.save(folder / "abc"[number % 3] / f"{number}.jpg", quality=90)


def end_to_end(trunk, run: Run, side: int, base: Path, count: int) -> dict[str, Callable[[], float]]:
    """Return what is measured of files of one size: the bare runtime, the whole way, and decoding alone."""
    write_photos(base / str(side), side, count)
    config = make_config({"data": str(base / str(side)), "batch_size": BATCH})
    examples = scan_folder(config.data)

    def files() -> Batches:
        return load.pictures(config, examples, range(count), trunk.preprocessing)

    kept = list(files())
    return {
        "bare": lambda: rate(run, lambda: kept),
        "from files": lambda: rate(run, files),
        "decoding alone": lambda: rate(lambda batches: batches, files),
    }


def main() -> None:
    """Print machine and tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=4)
    chosen = parser.parse_args()
    print_machine()
    trunk = build_trunk(make_config({"model": MODEL, "image_size": 224}))
    pictures = np.random.default_rng(0).integers(0, 256, (BATCH, 224, 224, 3), dtype="uint8")
    bare = runs(trunk.model)
    # each batch is another array, as in a run
    sides = {name: lambda run=run: rate(run, lambda: [pictures.copy()] * chosen.batches) for name, run in bare.items()}
    table("bare, batches in memory", sides, chosen.rounds)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("OpenVINO float32", "Keras predict_on_batch"):
            for side in (224, 256, 500) if name in bare else ():
                way = end_to_end(trunk, bare[name], side, Path(folder), BATCH * chosen.batches)
                found = table(f"{name}, JPEG files of {side} px", way, chosen.rounds)
                # both keep all cores busy, so at best their times add up
                shares = [1 / (1 + a / b) for a, b in zip(found["bare"], found["decoding alone"], strict=True)]
                print(f"| the most that sharing the cores allows | | | {statistics.median(shares):.2f} |")


if __name__ == "__main__":
    main()
