"""THE recipe: from a config to a finished run directory, read top to bottom."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from finetune import decide
from finetune.config import FinetuneConfig, make_config
from finetune.data import load
from finetune.data.examples import Examples
from finetune.data.folder import scan_folder
from finetune.data.split import SPLITS, Splits
from finetune.environment import environment
from finetune.evaluation.evaluate import evaluate_sides
from finetune.evaluation.mistakes import worst_mistakes
from finetune.progress import Reporter
from finetune.report.write import mistake_plot, write_report
from finetune.run import Run
from finetune.run_dir import RunDir, next_run_path
from finetune.training.fit import fit_head
from finetune.transfer import trunk as trunks
from finetune.transfer.features import Features, trunk_features
from zoo.errors import ConfigError
from zoo.weights.sources import file_sha256


def fit(
    data: str | Path,
    *,
    run_dir: str | Path | None = None,
    overwrite: bool = False,
    verbose: int = 1,
    **settings: object,
) -> Run:
    """Fine-tune a model on a folder of pictures.

    Args:
        data: folder of class folders, or of train/validation/test folders that hold class folders.
        run_dir: directory for everything the run leaves; by default the next free `runs/<data>-<n>`.
        overwrite: replace the run that is in `run_dir`.
        verbose: 0 is silent, 1 draws progress bars, 2 prints a line for each epoch.
        **settings: any field of `FinetuneConfig`, such as model="efficientnet_lite0" or seed=1.

    Returns:
        The finished run: its metrics, its model, and `predict`.

    Raises:
        ConfigError: unknown or impossible settings, all named at once.
        DataError: the pictures cannot be trained on as they are.
        ModelFileError: the weights are not at hand or damaged.
        RunStateError: `run_dir` is not empty.

    Example:
        >>> run = fit("data/fashion-mini", model="efficientnet_lite0")  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]  # doctest: +SKIP
        0.84
    """
    config = make_config({"data": data, "run_dir": run_dir} | settings)
    return run_recipe(config, overwrite=overwrite, reporter=Reporter(verbose))


def run_recipe(config: FinetuneConfig, *, overwrite: bool, reporter: Reporter) -> Run:
    """Carry out one run: check, split, features, head, join, evaluate, report. Errors are those of `fit`."""
    seconds: dict[str, float] = {}
    if config.data is None:
        raise ConfigError("data is missing: name a folder of class folders")
    examples = scan_folder(config.data, drop_empty_classes=config.drop_empty_classes)
    counts = {name: examples.labels.count(label) for label, name in enumerate(examples.class_names)}
    config, decisions = decide.resolve(config, counts)
    path = Path(config.run_dir) if config.run_dir else next_run_path(Path("runs"), Path(examples.root).name)
    if path.absolute().is_relative_to(examples.root):
        raise ConfigError(f"the run directory {path} lies inside the data, where the next run would find it")

    with RunDir.claim(path, overwrite=overwrite) as run_dir:
        # Data: every file is checked, then dealt to three sides.
        with _timed("check", seconds):
            inspection = load.check_examples(config, examples, reporter)
        examples = inspection.examples
        splits = load.split_examples(config, examples)
        warnings = load.warnings_on(config, inspection, splits)
        _say_plan(reporter, examples, splits, [*warnings], decisions)
        config = config.model_copy(update={"data": examples.root, "run_dir": str(run_dir.path)})
        run_dir.write_json("config", config.model_dump(mode="json"))
        run_dir.write_json("environment", environment())
        run_dir.write_json("data", load.describe_data(inspection, splits, warnings))

        # Trunk: pretrained and frozen, run once over all of the data.
        with _timed("build", seconds):
            trunk = trunks.build_trunk(config)
        with _timed("features", seconds):
            features = trunk_features(trunk, inspection, config, reporter)
        _say_features(reporter, features, seconds["features"])

        # Head: learns on the features, then takes its place on the trunk.
        labels = np.array(examples.labels, dtype="int32")
        sides = {name: np.array(getattr(splits, name)) for name in SPLITS}
        with _timed("train", seconds), reporter.epochs("training the head", config.epochs) as on_epoch:
            width, num_classes = features.array.shape[1], len(examples.class_names)
            head = trunks.new_head(width, num_classes, dropout=config.dropout, seed=config.seed)
            history = fit_head(
                head,
                features.array,
                labels,
                train=sides["train"],
                validation=sides["validation"],
                config=config,
                on_epoch=on_epoch,
            )
        with _timed("join", seconds):
            model = trunks.join(trunk.model, head, dropout=config.dropout)
            first = next(load.pictures(config, examples, range(len(examples)), trunk.preprocessing))
            trunks.verify_joined(model, head, first, features.array[: len(first)])

        # Evaluation: the test side is looked at here, once.
        with _timed("evaluate", seconds):
            probabilities = trunks.probabilities(head, features.array)
            metrics = evaluate_sides(labels, probabilities, sides, examples.class_names)
            mistakes = worst_mistakes(examples, splits.test, probabilities, load.image_limits(config))

        # What stays.
        with run_dir.model_to_write() as temporary:
            model.save(temporary)
        described = _describe_model(config, model, trunk, head, examples)
        described["model_sha256"] = file_sha256(run_dir.model_path)
        run_dir.write_json("model", described | {"decisions": decide.as_json(decisions)})
        run_dir.write_history(history)
        run_dir.write_json("metrics", metrics | {"seconds": seconds, "peak_rss_bytes": _peak_rss_bytes()})
        for number, mistake in enumerate(mistakes):
            run_dir.write_plot(mistake_plot(number), mistake.picture)
        run_dir.write_json("mistakes", [mistake.as_json() for mistake in mistakes])
        write_report(run_dir)
        run_dir.finish()
    return Run(run_dir.path)


def _say_plan(
    reporter: Reporter, examples: Examples, splits: Splits, warnings: list[str], decisions: list[decide.Decision]
) -> None:
    classes, left = len(examples.class_names), len(examples.skipped)
    sizes = ", ".join(f"{count:,} {name}" for name, count in splits.sizes().items())
    reporter.say(f"{len(examples):,} pictures in {classes} classes: {sizes}" + (f"; {left} skipped" if left else ""))
    for line in warnings:
        reporter.warn(line)
    for decision in decisions:
        reporter.say(f"  {decision}")


def _say_features(reporter: Reporter, features: Features, seconds: float) -> None:
    rows, computed = len(features.array), len(features.array) - features.reused_rows
    origin = f"{features.reused_rows:,} of {rows:,} pictures reused from an earlier run" if features.reused_rows else ""
    rate = f"{computed:,} computed at {computed / seconds:,.0f} a second" if computed else ""
    reporter.say(f"features: {', '.join(filter(None, (origin, rate)))} ({seconds:.1f} s)")


def _describe_model(
    config: FinetuneConfig, model: keras.Model, trunk: trunks.Trunk, head: keras.Model, examples: Examples
) -> dict[str, object]:
    return {
        "format": 1,
        "task": "classification",
        "name": config.model,
        "weights": config.weights,
        "weights_sha256": trunk.weights_sha256,
        "class_names": list(examples.class_names),
        "preprocessing": asdict(trunk.preprocessing),
        "parameters": model.count_params(),
        "trainable_parameters": head.count_params(),
    }


@contextmanager
def _timed(phase: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[phase] = round(time.perf_counter() - started, 3)


def _peak_rss_bytes() -> int:
    # ru_maxrss is in kilobytes on Linux and in bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
