"""Would a search be faster if heads of one shape were trained as one batched model? Measured, for nothing here does so.

    python benchmarks/stacked_heads.py [--heads 1 8 30] [--rounds 3]

Heads are one Dense(10) on 1,600 rows of 1,280 features, batches of 32, 10 epochs, each with a rate and an L2 of
its own, as the trials of a search have. One after the other each goes through our loop, with its trace, as a trial
does; stacked, all take a step together, in one compiled call for each epoch: weights (heads, 1280, 10), and one Adam
with a rate for each head. Three prototypes: all heads see the same batches, so that a step is one product of
matrices; each has an order of its own, and rows are gathered for each; and that with Dropout, whose masks are as many
as the rows. The first is held against our loop: the losses are the same.
"""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from head_trainer import BATCH, CLASSES, FEATURES, HEADS, Data, make_data, ours
from machine import in_turn, print_machine, ratios_to, seconds_of

from finetune.training.lessons import order_of

EPOCHS, DROPOUT = 10, 0.2
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # of Keras' Adam
SINGLE = HEADS["Dense(10)"]


@dataclass(frozen=True)
class Way:
    """What the heads of a stack share.

    Attributes:
        own_order: each head has an order of rows of its own.
        dropout: of the features, a mask for each head.
    """

    own_order: bool = False
    dropout: float = 0.0


WAYS = {"same batches": Way(), "own order": Way(True), "own order, Dropout": Way(True, DROPOUT)}


class Stack:
    """Heads that learn together."""

    def __init__(self, rates: Sequence[float], l2: Sequence[float], way: Way):
        first = keras.initializers.GlorotUniform(2)((FEATURES, CLASSES))
        self._weights = [tf.Variable(tf.tile(first[None], (len(rates), 1, 1)))]
        self._weights += [tf.Variable(tf.zeros((len(rates), 1, CLASSES)))]
        self._moments = [[tf.Variable(tf.zeros_like(one)) for one in self._weights] for _ in range(2)]
        self._rates, self._l2 = (tf.constant(one, "float32")[:, None, None] for one in (rates, l2))
        self._way, self._step = way, tf.Variable(0.0)
        self.epoch = tf.function(self._epoch, autograph=True)

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Return (heads, rows, classes) for rows (rows, features) or (heads, rows, features)."""
        kernel, bias = self._weights
        if len(x.shape) == 3:
            return tf.matmul(x, kernel) + bias
        flat = x @ tf.reshape(tf.transpose(kernel, (1, 0, 2)), (FEATURES, -1))
        return tf.transpose(tf.reshape(flat, (-1, kernel.shape[0], CLASSES)), (1, 0, 2)) + bias

    def losses(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        """Return the mean cross-entropy of each head; targets are (rows,) or (heads, rows)."""
        logits = self.logits(x)
        labels = tf.broadcast_to(y, logits.shape[:-1] if logits.shape[1] else tf.shape(logits)[:-1])
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), axis=1)

    def _epoch(self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor) -> None:
        for first in tf.range(0, tf.shape(order)[-1], BATCH):
            chosen = order[..., first : first + BATCH]
            rows = tf.gather(x, chosen)
            if self._way.dropout:
                rows = tf.nn.dropout(rows, self._way.dropout)
            self._learn(rows, tf.gather(y, chosen))

    def _learn(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            penalty = self._l2[:, 0, 0] * tf.reduce_sum(self._weights[0] ** 2, (1, 2))
            # heads share nothing, so the gradient of the sum is that of each
            loss = tf.reduce_sum(self.losses(x, y) + penalty)
        step = self._step.assign_add(1.0)
        scale = self._rates * tf.sqrt(1 - BETA_2**step) / (1 - BETA_1**step)
        for variable, m, v, g in zip(self._weights, *self._moments, tape.gradient(loss, self._weights), strict=True):
            m.assign_add((g - m) * (1 - BETA_1))
            v.assign_add((g * g - v) * (1 - BETA_2))
            variable.assign_sub(scale * m / (tf.sqrt(v) + EPSILON))


def stacked(count: int, way: Way, learned: Data, judged: Data) -> np.ndarray:
    """Train a stack, judge it after every epoch, and return the losses on the other rows, (epochs, heads)."""
    rates, found = np.full(count, 1e-3) if way == Way() else np.geomspace(3e-4, 3e-3, count), []
    stack = Stack(rates, np.zeros(count) if way == Way() else np.full(count, 1e-4), way)
    x, y = (tf.constant(array) for array in learned)
    others, answers = (tf.constant(array) for array in judged)
    for epoch in range(EPOCHS):
        seeds = range(count) if way.own_order else (0,)
        orders = np.stack([order_of(len(y), seed=seed, epoch=epoch) for seed in seeds])
        stack.epoch(x, y, tf.constant(orders if way.own_order else orders[0]))
        found.append(stack.losses(others, answers).numpy())
    return np.array(found)


def print_row(count: int, data: tuple[Data, Data], rounds: int) -> None:
    """Measure some heads in all ways, and print medians and the ratios of the same rounds."""
    sides = {"alone": lambda: count * seconds_of(lambda: ours(SINGLE, *data, EPOCHS))}
    sides |= {name: lambda way=way: seconds_of(lambda: stacked(count, way, *data)) for name, way in WAYS.items()}
    found = in_turn(sides, rounds)
    alone = found.pop("alone")
    cells = [f"{statistics.median(one):.2f} | {statistics.median(ratios_to(one, alone)):.1f}" for one in found.values()]
    print(f"| {count} | {statistics.median(alone):.2f} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", type=int, nargs="+", default=[1, 8, 30])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print_machine(("tensorflow", "keras"))
    data = make_data(1600)
    expected = [row["val_loss"] for row in ours(SINGLE, *data, EPOCHS)]
    difference = np.abs(stacked(2, Way(), *data).T - expected).max()
    print(f"losses of a stack of two equal heads differ from those of our loop by {difference:.1e} at most")
    print("\n| heads | one after the other, s | " + " | ".join(f"{name}, s | ratio" for name in WAYS) + " |")
    print("|---|---|" + "---|---|" * len(WAYS))
    for count in options.heads:
        print_row(count, data, options.rounds)
    print("one after the other: the seconds of one head in that round, times their number")


if __name__ == "__main__":
    main()
