"""What an epoch costs where the last stages of a network learn: on cached activations, and through the whole network.

    python benchmarks/unfreeze.py [--unfreeze 1 2] [--pictures 192] [--rounds 3] [--model efficientnet_lite0]

The same network at 224 px, batches of 32, Adam, float32, the same layers frozen, the same order of the same pictures.
Ours runs what is below the lowest stage that learns once, and every epoch begins there; plain Keras runs all of it in
every epoch, from decoded pictures in memory. Seconds are those of an epoch, validation on a quarter of the pictures
included, without the first one of each fit, which has the trace. The losses of both are compared: they learn the same.
"""

import argparse
import statistics

import keras
import numpy as np
from machine import print_machine, ratios_to, seconds_of
from plain_keras import epoch_seconds

from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.training.lessons import order_of
from finetune.transfer.freeze import set_trainable
from finetune.transfer.methods import Phase
from finetune.transfer.network import Network, make_network
from finetune.transfer.trunk import build_trunk, forward, new_head

SIZE, BATCH, RATE, CLASSES, EPOCHS = 224, 32, 1e-4, 10, 3


class InOurOrder(keras.utils.PyDataset):
    """Batches of pictures in the order that our loop takes them."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        super().__init__()
        # Keras looks at a batch or two, and calls on_epoch_end before the first epoch as before any other
        self._x, self._y, self._epoch = x, y, -1

    def __len__(self) -> int:
        return -(-len(self._x) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = order_of(len(self._x), seed=0, epoch=max(self._epoch, 0))[index * BATCH : (index + 1) * BATCH]
        return self._x[chosen].astype("float32"), self._y[chosen]

    def on_epoch_end(self) -> None:
        """Go on to the order of the next epoch."""
        self._epoch += 1


def new_network(model: str, unfreeze: int) -> tuple[Network, tuple[str, ...]]:
    """Return a network with a new head, its last stages set to learn, and their names."""
    trunk = build_trunk(make_config({"model": model, "image_size": SIZE})).model
    network = make_network(trunk, new_head(trunk.output_shape[-1], CLASSES, dropout=0.0, seed=0), staged=True)
    stages = tuple(network.stages)[-1 - unfreeze :]
    set_trainable(network, stages)
    return network, stages


def ours(model: str, unfreeze: int, x: np.ndarray, y: np.ndarray) -> tuple[float, list[dict]]:
    """Return the seconds of what runs once, and the history."""
    network, stages = new_network(model, unfreeze)
    cut, found = network.cut_below(stages[0]), []
    batches = [x[first : first + BATCH] for first in range(0, len(x), BATCH)]
    once = seconds_of(lambda: found.extend(forward(network.below(cut), batches, batch_size=BATCH)))
    learned = len(x) * 3 // 4
    sides = {"train": np.arange(learned), "validation": np.arange(learned, len(x))}
    config = make_config({"batch_size": BATCH, "schedule": "constant"}).model_copy(update={"precision": "float32"})
    phase = Phase("upper", stages, EPOCHS, EPOCHS, RATE)
    material = Material(np.concatenate(found), y, TASKS["classification"], sides)
    return once, fit_phase(network.above(cut), material, config, phase).rows


def plain(model: str, unfreeze: int, x: np.ndarray, y: np.ndarray) -> list[dict]:
    """Return the history of `Model.fit`."""
    whole, _ = new_network(model, unfreeze)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    whole.model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    learned, each = len(x) * 3 // 4, []
    found = whole.model.fit(
        InOurOrder(x[:learned], y[:learned]),
        validation_data=(x[learned:].astype("float32"), y[learned:]),
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[epoch_seconds(each)],
    )
    return [{"seconds": seconds, "loss": loss} for seconds, loss in zip(each, found.history["loss"], strict=True)]


def compare(model: str, unfreeze: int, pictures: int, rounds: int) -> str:
    """Measure both in turn; return a row of the table."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (pictures, SIZE, SIZE, 3), dtype="uint8")
    y = generator.integers(0, CLASSES, pictures)
    mine, theirs, once, differences = [], [], [], []
    for _ in range(rounds):
        first, rows = ours(model, unfreeze, x, y)
        others = plain(model, unfreeze, x, y)
        mine += [row["seconds"] for row in rows[1:]]
        theirs += [row["seconds"] for row in others[1:]]
        once.append(first)
        differences += [abs(a["loss"] - b["loss"]) for a, b in zip(rows, others, strict=True)]
    ratios = ratios_to(mine, theirs)
    cells = [f"{statistics.median(one):.2f} ({min(one):.2f}-{max(one):.2f})" for one in (mine, theirs, ratios)]
    return f"| {unfreeze} | {' | '.join(cells)} | {statistics.median(once):.1f} | {max(differences):.0e} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unfreeze", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pictures", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="efficientnet_lite0")
    options = parser.parse_args()
    print_machine(("tensorflow", "keras"))
    print(f"\n{options.model}, {options.pictures} pictures; seconds an epoch, median (lowest-highest)\n")
    print(
        "| stages that learn | ours | plain Keras | plain / ours | once, s | losses differ |\n|---|---|---|---|---|---|"
    )
    for unfreeze in options.unfreeze:
        print(compare(options.model, unfreeze, options.pictures, options.rounds), flush=True)


if __name__ == "__main__":
    main()
