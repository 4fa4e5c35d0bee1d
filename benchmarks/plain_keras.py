"""A new head on a frozen network, 2,000 pictures, 10 epochs: `finetune.fit` beside the recipe of keras.io.

    python benchmarks/plain_keras.py [--timed 2 | --full] [--pictures 2000] [--epochs 10] [--judged 2000] [--seeds 1]
        [--data DIR]

Pictures are files of Fashion-MNIST (Debian: dataset-fashion-mnist), dealt to train, validation and test folders; or
DIR is one that is dealt so. Both sides take EfficientNet-Lite0 at 224 px with the same ImageNet weights, the same
files, Adam at 0.001 and batches of 32, and each runs in a new process. Their seconds begin when all is imported (what
that takes is a column of its own) and end when the test side is judged and the model saved. Ours runs three times:
first without a cache, then twice on the cache that it left, before and after the other side.

The recipe is https://keras.io/guides/transfer_learning: a frozen base called with training=False, pooling, Dropout,
Dense, `Model.fit` over decoded pictures that tf.data keeps in memory. Of its epochs only `--timed` run unless `--full`;
the others are taken to last as long as the last of those, and the table says so. For its accuracy after all epochs the
head then goes on learning on features, untimed: a frozen base gives the same in every epoch. Both models are judged
once more, untimed, by pictures that neither run saw; with --seeds both sides learn, untimed, from other first weights
and in other orders too, and the mean of all is compared.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import print_machine, seconds_of
from scipy import stats

MODEL, SIZE, BATCH = "efficientnet_lite0", 224, 32
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
JUDGED = "judged"
NAMES = ("ours, first", "ours, second", "plain Keras", "ours, second again")


def ours(data: Path, base: Path, epochs: int, judged: bool, seeds: int) -> dict[str, object]:
    """Fit with Keras Graft; return its seconds, all and by part, and how good it is with each seed."""
    import finetune

    imports = seconds_of(lambda: finetune.fit)
    settings = {"model": MODEL, "method": "head", "epochs": epochs, "patience": epochs, "batch_size": BATCH}
    settings |= {
        "image_size": SIZE,
        "resize": "stretch",
        "cache_dir": base / "cache",
        "run_dir": base / "run",
        "verbose": 0,
    }
    started = time.perf_counter()
    run = finetune.fit(data, overwrite=True, **settings)
    seconds = time.perf_counter() - started
    test, parts = run.metrics["test"], run.metrics["seconds"]
    found = run.evaluate(data.parent / JUDGED) if judged else test
    each = [found["accuracy"]]
    for seed in range(1, seeds):
        run = finetune.fit(data, overwrite=True, **settings, seed=seed)
        each.append((run.evaluate(data.parent / JUDGED) if judged else run.metrics["test"])["accuracy"])
    return {"imports": imports, "seconds": seconds, "parts": parts, "test": test, "judged": found, "each": each}


def plain(data: Path, base: Path, epochs: int, timed: int, judged: bool, seeds: int) -> dict[str, object]:
    """Fit as keras.io does, `timed` of `epochs`; return seconds, extrapolated where not all are timed."""
    imports = seconds_of(lambda: (__import__("keras").Model, __import__("finetune.transfer.trunk")))
    import keras

    keras.utils.set_random_seed(0)
    started = time.perf_counter()
    sides = {name: read(data / name) for name in SHARES}
    model = frozen_with_head(len(sides["train"].class_names))
    each: list[float] = []
    fit = {"validation_data": sides["validation"].batches, "verbose": 0, "callbacks": [epoch_seconds(each)]}
    model.fit(sides["train"].batches, epochs=timed, **fit)
    test = sides["test"].judge(model)
    model.save(base / "plain.keras")
    seconds = time.perf_counter() - started + (epochs - timed) * each[-1]
    asked = read(data.parent / JUDGED) if judged else sides["test"]
    if epochs > timed or seeds > 1:
        features, head = parts_of(model)
        sides = {name: side.through(features) for name, side in sides.items()}
        asked, model = asked.through(features) if judged else sides["test"], head
        head.fit(sides["train"].batches, epochs=epochs - timed, verbose=0)
        test = sides["test"].judge(head)
    found = asked.judge(model)
    scores = [found["accuracy"]]
    for seed in range(1, seeds):
        keras.utils.set_random_seed(seed)
        head = new_head(keras.Input(model.input_shape[1:]), len(sides["train"].class_names))
        head.fit(sides["train"].batches, epochs=epochs, verbose=0)
        scores.append(asked.judge(head)["accuracy"])
    parts = {f"epoch {number}": round(one, 2) for number, one in enumerate(each, start=1)}
    return {"imports": imports, "seconds": seconds, "parts": parts, "test": test, "judged": found, "each": scores}


class Side:
    """Pictures of a folder, or their features, in batches that stay in memory."""

    def __init__(self, batches: object, class_names: list[str]):
        self.batches, self.class_names = batches, class_names

    def through(self, model: object) -> "Side":
        """Return what a model makes of the pictures."""
        found = [(model(pictures, training=False), labels) for pictures, labels in self.batches]
        import tensorflow as tf

        x, y = (tf.concat(parts, 0) for parts in zip(*found, strict=True))
        return Side(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(y), seed=0).batch(BATCH), self.class_names)

    def judge(self, model: object) -> dict[str, object]:
        """Return loss, accuracy and its interval."""
        from finetune.evaluation.evaluate import brief_metrics

        found = [(labels, model.predict_on_batch(pictures)) for pictures, labels in self.batches]
        return brief_metrics(
            *(np.concatenate([np.asarray(one) for one in parts]) for parts in zip(*found, strict=True))
        )


def read(folder: Path) -> Side:
    """Return the pictures of a folder, decoded once; those to learn from in another order in every epoch."""
    import keras

    options = {"image_size": (SIZE, SIZE), "batch_size": BATCH, "interpolation": "bicubic", "verbose": False}
    found = keras.utils.image_dataset_from_directory(folder, shuffle=False, **options)
    pictures = found.unbatch().cache()
    if folder.name == "train":
        # they lie sorted by class
        pictures = pictures.shuffle(len(found.file_paths), seed=0)
    return Side(pictures.batch(BATCH).prefetch(2), found.class_names)


def frozen_with_head(num_classes: int) -> object:
    """Return the guide's model, compiled."""
    import keras

    import zoo

    base = zoo.backbone(MODEL, input_shape=(SIZE, SIZE, 3))
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.GlobalAveragePooling2D(name="pooled")(base(inputs, training=False))
    return new_head(x, num_classes, inputs)


def new_head(x: object, num_classes: int, inputs: object = None) -> object:
    """Return the guide's head on features, compiled, as a model from `inputs`, or from the features themselves."""
    import keras

    outputs = keras.layers.Dense(num_classes, activation="softmax")(keras.layers.Dropout(0.2)(x))
    model = keras.Model(x if inputs is None else inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def parts_of(model: object) -> tuple[Callable, object]:
    """Return what is frozen of the model, compiled, and its head, which goes on learning with the same optimizer."""
    import keras
    import tensorflow as tf

    pooled = model.get_layer("pooled").output
    head = keras.Model(pooled, model.output)
    head.compile(model.optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return tf.function(keras.Model(model.input, pooled), autograph=False), head


def epoch_seconds(each: list[float]) -> object:
    """Return a callback that adds the seconds of each epoch to a list."""
    import keras

    began: list[float] = []
    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: began.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: each.append(time.perf_counter() - began[-1]),
    )


def write_pictures(base: Path, count: int, judged: int) -> Path:
    """Write the first pictures of each class of Fashion-MNIST as files on their sides, and others to judge by."""
    from PIL import Image

    from finetune.config import make_config
    from finetune.data.keras_sets import keras_arrays

    known, unseen = keras_arrays(make_config({"data": "keras:fashion_mnist"})).parts
    for label in range(10):
        pictures = iter(known.x[known.y == label])
        shares = {f"data/{name}": round(share * count / 10) for name, share in SHARES.items()}
        chosen = {folder: [next(pictures) for _ in range(number)] for folder, number in shares.items()}
        chosen |= {JUDGED: unseen.x[unseen.y == label][: judged // 10]} if judged else {}
        for folder, found in chosen.items():
            (base / folder / f"class{label}").mkdir(parents=True)
            for number, pixels in enumerate(found):
                Image.fromarray(pixels).save(base / folder / f"class{label}" / f"{number:05}.png")
    return base / "data"


def in_process(name: str, data: Path, base: Path, options: argparse.Namespace) -> dict[str, object]:
    """Run a side in a process of its own; return what it says."""
    asked = {"side": name, "data": str(data), "base": str(base), "epochs": options.epochs}
    asked |= {"timed": options.timed, "judged": options.data is None and options.judged > 0}
    asked["seeds"] = options.seeds if name in ("plain Keras", "ours, second") else 1
    done = subprocess.run([sys.executable, __file__, json.dumps(asked)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def answer(asked: dict[str, object]) -> None:
    """Do what `in_process` asked for, and print it."""
    data, base, epochs, judged = Path(asked["data"]), Path(asked["base"]), asked["epochs"], asked["judged"]
    plainly, seeds = asked["side"] == "plain Keras", asked["seeds"]
    found = (
        plain(data, base, epochs, asked["timed"], judged, seeds) if plainly else ours(data, base, epochs, judged, seeds)
    )
    print(json.dumps(found))


def print_rows(rows: dict[str, dict[str, object]], left: int, epochs: int) -> None:
    """Print seconds, ratios and accuracies."""
    reference = rows["plain Keras"]
    whole = {name: row["seconds"] + row["imports"] for name, row in rows.items()}
    print("\n| fit | s | plain Keras takes | with imports, s | plain Keras takes | test side | other pictures |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        ratios = reference["seconds"] / row["seconds"], whole["plain Keras"] / whole[name]
        scores = " | ".join(accuracy(row[what]) for what in ("test", "judged"))
        note = f" ({left} of {epochs} epochs extrapolated)" if left and row is reference else ""
        cells = f"{row['seconds']:.1f} | {ratios[0]:.1f} × | {whole[name]:.1f} | {ratios[1]:.1f} ×"
        print(f"| {name}{note} | {cells} | {scores} |")
    print()
    for name, row in rows.items():
        parts, seconds = dict(row["parts"]), row["seconds"]
        if row is reference:
            seconds -= left * list(parts.values())[-1]
        shown = ", ".join(
            f"{part} {taken:.2f}" for part, taken in (parts | {"rest": seconds - sum(parts.values())}).items()
        )
        print(f"{name}, s: {shown}")
    alone = min(rows[name]["parts"]["train"] for name in NAMES if "second" in name)
    ratio = reference["seconds"] / alone
    for name in ("ours, second", "plain Keras"):
        each = rows[name]["each"]
        if len(each) > 1:
            half = stats.t.ppf(0.975, len(each) - 1) * stats.sem(each)
            print(f"{name}, {len(each)} seeds: {np.mean(each):.2%} ± {half:.2%} right")
    print(f"training part of ours alone: {alone:.2f} s, plain Keras takes {ratio:.0f} times as long")


def accuracy(scores: dict[str, object]) -> str:
    """Return an accuracy in percent with its 95 % interval."""
    low, high = scores["accuracy_interval"]
    return f"{scores['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def main() -> None:
    """Write pictures, run all sides, and print the tables."""
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        return answer(json.loads(sys.argv[1]))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--timed", type=int, default=2)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--judged", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    options.timed = options.epochs if options.full else min(options.timed, options.epochs)
    print_machine()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        data = options.data or write_pictures(base, options.pictures, options.judged)
        rows = {name: in_process(name, data.resolve(), base, options) for name in NAMES}
    print_rows(rows, options.epochs - options.timed, options.epochs)


if __name__ == "__main__":
    main()
