"""How long a search over heads takes beside plain keras-tuner on the same model, in one process, from a cold cache.

    python benchmarks/head_search.py [--trials 30] [--epochs 10] [--plain 2] [--workers 0]

One head fit gives the time of the feature pass. Then the search, with a cache of its own. Then keras-tuner's
RandomSearch over the same pictures and the same frozen network, of which few trials are enough to know what one takes
(it needs `pip install tensorboard`).
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np

import finetune
import tuning
import zoo
from finetune.config import make_config
from finetune.data.load import pictures
from finetune.preparing import check_and_deal, open_data
from finetune.progress import Reporter

DATA, MODEL = "data/fashion-mini", "efficientnet_lite0"
SPACE = {
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "scale": "log"},
        "optimizer": ["adam", "nesterov", "rmsprop"],
        "dropout": {"low": 0.0, "high": 0.6, "step": 0.1},
        "batch_size": [16, 32, 64],
    }
}


def main() -> None:
    """Print seconds a trial of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--plain", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        features = single_fit(Path(folder), options.epochs)
        seconds = search(Path(folder), options.trials, options.epochs, options.workers)
        allowed = 3 * features + 1.5 * options.trials
        print(f"feature pass of one head fit: {features:.1f} s")
        print(f"search of {options.trials} trials: {seconds:.1f} s, features among them; allowed {allowed:.1f} s")
        if options.plain:
            a_trial = plain(Path(folder), options.plain, options.epochs)
            ratio = a_trial * options.trials / seconds
            print(f"plain keras-tuner: {a_trial:.1f} s a trial, {ratio:.0f} times as long for {options.trials} trials")


def single_fit(folder: Path, epochs: int) -> float:
    """Return the seconds of the feature pass of one fit."""
    cache, run_dir = folder / "cache-fit", folder / "run"
    run = finetune.fit(DATA, model=MODEL, epochs=epochs, cache_dir=cache, run_dir=run_dir, verbose=0)
    return run.metrics["seconds"]["features"]


def search(folder: Path, trials: int, epochs: int, workers: int) -> float:
    """Return the seconds of a whole search without runs with fresh seeds."""
    started = time.perf_counter()
    tuning.search(
        DATA,
        **{"model": MODEL, "epochs": epochs, "cache_dir": folder / "cache-search", "algorithm": "random"},
        **{"space": SPACE, "max_trials": trials, "study": folder / "study", "fresh_seeds": 0, "verbose": 1},
        workers=workers,
    )
    return time.perf_counter() - started


def plain(folder: Path, trials: int, epochs: int) -> float:
    """Return the seconds of a trial of keras-tuner, with the frozen network in every epoch."""
    x, y, train, validation = arrays(folder)

    def build(hp: kt.HyperParameters) -> keras.Model:
        model = zoo.create(MODEL, num_classes=10, dropout=hp.Float("dropout", 0.0, 0.6, step=0.1))
        for layer in model.layers[:-2]:
            layer.trainable = False
        rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = kt.RandomSearch(build, "val_accuracy", max_trials=trials, seed=1, directory=folder, project_name="plain")
    started = time.perf_counter()
    tuner.search(x[train], y[train], validation_data=(x[validation], y[validation]), epochs=epochs, verbose=0)
    seconds = (time.perf_counter() - started) / trials
    if any(trial.status != "COMPLETED" for trial in tuner.oracle.trials.values()):
        raise RuntimeError("a trial of plain keras-tuner failed, so that its seconds say nothing")
    return seconds


def arrays(folder: Path) -> tuple[np.ndarray, np.ndarray, list[int], list[int]]:
    """Return decoded pictures, their classes, and who learns and picks."""
    config = make_config({"data": DATA, "model": MODEL, "cache_dir": folder / "cache-fit"})
    prepared = check_and_deal(open_data(config), Reporter(0))
    trunk = prepared.kind.build_trunk(prepared.config, prepared.data, prepared.splits)
    examples = prepared.data.examples
    batches = pictures(prepared.config, examples, range(len(examples)), trunk.preprocessing)
    x = np.concatenate([np.asarray(batch, "uint8") for batch in batches])
    y = np.array(prepared.kind.target(prepared.data).values)
    return x, y, list(prepared.splits.train), list(prepared.splits.validation)


if __name__ == "__main__":
    main()
