"""How fast a head learns on features: our compiled epochs beside `Model.fit`, torch and scikit-learn.

    python benchmarks/head_trainer.py [--rounds 5] [--rows 1600] [--epochs 10]

1,600 rows of 1,280 features in ten classes that overlap, batches of 32, Adam at 0.001; 400 other rows are judged after
every epoch. In every round each side trains a new head with the same first weights, its trace included. torch runs
where it is installed. Then, untimed, both of Keras' ways take the rows in one order, and their losses are compared.
"""

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from machine import in_turn, print_machine, print_seconds, seconds_of
from sklearn.linear_model import LogisticRegression

from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.training.lessons import order_of
from finetune.training.quick_adam import QuickAdam
from finetune.transfer.methods import Phase

FEATURES, CLASSES, JUDGED, BATCH, RATE = 1280, 10, 400, 32, 1e-3
HEADS = {"Dense(128) and Dense(10)": 128, "Dense(10)": 0}
Data = tuple[np.ndarray, np.ndarray]


def make_data(rows: int) -> tuple[Data, Data]:
    """Return rows to learn from and rows to judge by: features as pooled ReLU6 maps are, small and not negative."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, CLASSES, rows + JUDGED)
    centres = generator.normal(0, 0.14, (CLASSES, FEATURES))
    x = np.maximum(centres[y] + generator.normal(0, 1, (len(y), FEATURES)), 0).astype("float32")
    return (x[:rows], y[:rows]), (x[rows:], y[rows:])


def new_head(hidden: int) -> keras.Model:
    """Return a head with the same first weights every time."""
    inputs, make = keras.Input((FEATURES,)), keras.initializers.GlorotUniform
    x = keras.layers.Dense(hidden, activation="relu", kernel_initializer=make(1))(inputs) if hidden else inputs
    return keras.Model(inputs, keras.layers.Dense(CLASSES, kernel_initializer=make(2))(x))


def ours(hidden: int, learned: Data, judged: Data, epochs: int) -> list[dict]:
    """Return the history of our loop."""
    (x, y), (others, answers) = learned, judged
    sides = {"train": np.arange(len(x)), "validation": np.arange(len(x), len(x) + len(others))}
    material = Material(np.concatenate([x, others]), np.concatenate([y, answers]), TASKS["classification"], sides)
    config = make_config({"epochs": epochs, "batch_size": BATCH, "learning_rate": RATE, "schedule": "constant"})
    config = config.model_copy(update={"precision": "float32"})
    return fit_phase(new_head(hidden), material, config, Phase("head", ("head",), epochs, epochs, RATE)).rows


def compiled(hidden: int) -> keras.Model:
    """Return a head as `Model.fit` takes it."""
    model = new_head(hidden)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
    return model


def keras_fit(hidden: int, learned: Data, judged: Data, epochs: int) -> list[float]:
    """Return the validation accuracies of `Model.fit` on arrays."""
    options = {"batch_size": BATCH, "validation_data": judged, "validation_batch_size": 1024, "verbose": 0}
    return compiled(hidden).fit(*learned, epochs=epochs, **options).history["val_accuracy"]


def keras_fit_in_our_order(hidden: int, learned: Data, judged: Data, epochs: int) -> list[float]:
    """Return the validation losses of `Model.fit` on rows that it is told not to shuffle."""
    model, losses = compiled(hidden), []
    for epoch in range(epochs):
        order = order_of(len(learned[0]), seed=0, epoch=epoch)
        rows = [array[order] for array in learned]
        found = model.fit(*rows, batch_size=BATCH, shuffle=False, validation_data=judged, verbose=0)
        losses += found.history["val_loss"]
    return losses


def torch_fit(hidden: int, learned: Data, judged: Data, epochs: int) -> list[float]:
    """Return the validation accuracies of a plain loop in torch."""
    import torch

    torch.manual_seed(0)
    layers = [torch.nn.Linear(FEATURES, hidden), torch.nn.ReLU()] if hidden else []
    model = torch.nn.Sequential(*layers, torch.nn.Linear(hidden or FEATURES, CLASSES))
    optimizer, loss = torch.optim.Adam(model.parameters(), RATE), torch.nn.CrossEntropyLoss()
    (x, y), (others, answers), found = map(torch.from_numpy, learned), map(torch.from_numpy, judged), []
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for first in range(0, len(x), BATCH):
            rows = order[first : first + BATCH]
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            found.append(float((model(others).argmax(1) == answers).float().mean()))
    return found


def logistic(learned: Data, judged: Data) -> list[float]:
    """Return the accuracy of scikit-learn's solver, which goes to the end with a little penalty."""
    return [LogisticRegression(max_iter=1000).fit(*learned).score(*judged)]


def adam_steps(shape: tuple[int, ...], steps: int = 500) -> dict[str, Callable[[], float]]:
    """Return functions that give microseconds of an update of one variable: by Keras' Adam, and by ours."""
    gradient, found = tf.random.normal(shape), {}
    for name, kind in (("Keras", keras.optimizers.Adam), ("ours", QuickAdam)):
        variable, optimizer = keras.Variable(np.zeros(shape, "float32")), kind(RATE)
        optimizer.build([variable])

        def take(step: tf.Tensor, variable: keras.Variable, optimizer: keras.optimizers.Adam) -> tuple[tf.Tensor]:
            optimizer.update_step(gradient, variable, RATE)
            return (step + 1,)

        def update(take: Callable) -> tf.Tensor:
            return tf.while_loop(lambda step: step < steps, take, (tf.constant(0),))[0]

        run = tf.function(partial(update, partial(take, variable=variable, optimizer=optimizer)), autograph=False)
        run()
        found[name] = lambda run=run: seconds_of(run) / steps
    return found


def sides_of(hidden: int, data: tuple[Data, Data], epochs: int) -> dict[str, Callable[[], list[float]]]:
    """Return what is measured for a head: functions that give accuracies, the last one at the end."""
    sides = {
        "Model.fit": lambda: keras_fit(hidden, *data, epochs),
        "ours": lambda: [row["val_accuracy"] for row in ours(hidden, *data, epochs)],
    }
    if importlib.util.find_spec("torch"):
        sides["torch loop"] = lambda: torch_fit(hidden, *data, epochs)
    if not hidden:
        sides["LogisticRegression (another optimum)"] = lambda: logistic(*data)
    return sides


def main() -> None:
    """Print a table for each head."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1600)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    print_machine()
    data = make_data(options.rows)
    for width in (CLASSES, 128):
        found = in_turn(adam_steps((FEATURES, width)), 2 * options.rounds + 1)
        shown = ", ".join(f"{name} {1e6 * np.median(seconds):.0f}" for name, seconds in found.items())
        print(f"microseconds of Adam's update of {FEATURES:,} x {width} weights: {shown}")
    for name, hidden in HEADS.items():
        sides = sides_of(hidden, data, options.epochs)
        accuracies = {side: run()[-1] for side, run in sides.items()}
        timed = {side: lambda run=run: seconds_of(run) for side, run in sides.items()}
        title = f"{name}, {options.rows:,} rows, {options.epochs} epochs"
        print_seconds(title, in_turn(timed, options.rounds), "Model.fit")
        print("accuracy on the other rows:", ", ".join(f"{side} {score:.1%}" for side, score in accuracies.items()))
        losses = [row["val_loss"] for row in ours(hidden, *data, options.epochs)]
        expected = keras_fit_in_our_order(hidden, *data, options.epochs)
        difference = np.abs(np.subtract(losses, expected)).max()
        print(f"in one order, losses of ours and Model.fit differ by {difference:.1e} at most in {len(losses)} epochs")


if __name__ == "__main__":
    main()
