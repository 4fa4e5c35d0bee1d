"""What a checkpoint costs: seconds to take and write the state of a large model in full fine-tuning.

    python benchmarks/checkpoint_cost.py [--model resnet50] [--times 5] [--folder DIR]

prints the size of the state, the seconds of each part, and their share of an epoch of 60 seconds, which is how often
a state is written. Beside them stand the seconds of processors alone, which other programs do not lengthen, and what
the disk takes to write as many bytes and flush them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

import zoo
from finetune.training.checkpoints import Checkpoints
from finetune.training.epochs import Progress
from finetune.training.state import snapshot

EPOCH_SECONDS = 60


def main() -> None:
    """Time checkpoints of a model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    model, progress = _in_training(asked.model)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        checkpoints, place = Checkpoints(Path(folder) / "checkpoints"), {"part": "training", "phase": 0}
        state = snapshot(model, progress)
        size = sum(array.nbytes for array in state.arrays.values())
        taken, written, plain = [], [], []  # pairs of seconds: by the clock, and of processors
        for _ in range(asked.times):
            taken.append(_seconds(lambda: snapshot(model, progress)))
            written.append(_seconds(lambda: checkpoints.save(place, state)))
            plain.append(_seconds(lambda: _write(Path(folder) / "plain", size)))
    both = [(one[0] + other[0], one[1] + other[1]) for one, other in zip(taken, written, strict=True)]
    print(f"{asked.model}: {size / 1e6:,.0f} MB")
    for name, pairs in (("taken", taken), ("written", written), ("both", both), ("plain write", plain)):
        clock, processors = (statistics.median(column) for column in zip(*pairs, strict=True))
        least, share = min(pairs)[0], clock / EPOCH_SECONDS
        print(f"{name:12} {clock:5.2f} s = {share:5.1%} of an epoch, least {least:5.2f} s, cpu {processors:5.2f} s")


def _in_training(name: str) -> tuple[keras.Model, Progress]:
    """Return a model with an optimizer's state and the weights of a best epoch, as full fine-tuning has them."""
    model = zoo.create(name, num_classes=10, weights=None, input_shape=(224, 224, 3))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model, Progress(epoch=1, best_weights=model.get_weights(), best_loss=1.0)


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    started, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - used


def _write(path: Path, size: int) -> None:
    content = np.random.default_rng(0).bytes(min(size, 1 << 20))
    with path.open("wb") as file:
        for _ in range(max(1, size >> 20)):
            file.write(content)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
