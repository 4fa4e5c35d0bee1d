"""THE recipe: from a config to a finished run directory, read top to bottom."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np

from finetune import decide
from finetune.clock import Clock
from finetune.config import FinetuneConfig
from finetune.data.column_words import column_lines
from finetune.data.findings import refuse_errors
from finetune.data.given import Given
from finetune.data.known import pack
from finetune.data.split import Splits
from finetune.data.targets import Target
from finetune.environment import environment
from finetune.evaluation.mistakes import Mistake
from finetune.folds import answer_by_folds
from finetune.judging import judge
from finetune.learning import Learned, Lesson, learn
from finetune.memory import peak_rss_bytes
from finetune.precision_choice import AUTO, choice_of, choose_precision
from finetune.preparing import check_and_deal, open_data, read_request
from finetune.progress import Reporter
from finetune.report.write import SAMPLES_PLOT, mistake_plot, write_report
from finetune.resume import as_begun, decided, keeper_of, new_keeper
from finetune.run import Run
from finetune.run_dir import RunDir, next_run_path
from finetune.tasks import TASKS
from finetune.training.event_log import EventLog
from finetune.training.gradients import gradient_faults
from finetune.transfer.agreement import require_near
from finetune.transfer.runtime_names import RUNTIMES
from finetune.transfer.trunk import verify_joined
from zoo.errors import ConfigError
from zoo.weights.sources import file_sha256


def fit(
    data: object,
    y: object = None,
    *,
    run_dir: str | Path | None = None,
    overwrite: bool = False,
    resume: bool = False,
    verbose: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **settings: object,
) -> Run:
    """Fine-tune a model on pictures, a table or a series.

    Args:
        data: what README calls DATA, such as a folder of class folders or a CSV file; or objects: an array of pictures
            or rows beside `y`, a pair (x, y), a DataFrame, a `tf.data.Dataset` or a `keras.utils.PyDataset`.
        y: targets, where `data` is an array.
        run_dir: directory for everything the run leaves; by default the next free `runs/<data>-<n>`.
        overwrite: replace the run that is in `run_dir`.
        resume: go on with the run that is in `run_dir` where it was stopped; begin it where there is none. Settings
            must be those that it began with, but that one whose loss was not finite any more takes a lower rate.
        verbose: 0 is silent, 1 draws progress bars, 2 prints a line for each epoch.
        callbacks: of Keras, as for `Model.fit`; called over all phases, with epochs that count on.
        **settings: any field of `FinetuneConfig`, such as model="efficientnet_lite0" or seed=1.

    Returns:
        The finished run: its metrics, its model, and `predict`.

    Raises:
        ConfigError: unknown or impossible settings, all named at once; or the loss became NaN or infinite, and the
            message says how to go on from the best epoch until then.
        DataError: the pictures cannot be trained on as they are.
        ModelFileError: the weights are not at hand or damaged.
        RunStateError: `run_dir` is not empty.

    Example:
        >>> run = fit("data/fashion-mini", model="efficientnet_lite0")  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]  # doctest: +SKIP
        0.84
    """
    config, given = read_request(data, y, {"run_dir": run_dir} | settings)
    how = {"overwrite": overwrite, "resume": resume, "reporter": Reporter(verbose)}
    return run_recipe(config, **how, given=given, callbacks=callbacks)


def run_recipe(
    config: FinetuneConfig,
    *,
    overwrite: bool,
    reporter: Reporter,
    resume: bool = False,
    given: Given | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Carry out one run: check, split, features, head, join, evaluate, report. Errors are those of `fit`."""
    clock = Clock()
    if config.data is None:
        raise ConfigError("data is missing: name a folder of class folders, or a CSV file")
    with clock("read"):
        opened = open_data(config, given)
    kind, path = opened.kind, _run_path(config, opened.source.root, resume)
    with RunDir.claim(path, overwrite=overwrite, resume=resume) as run_dir:
        if resume and run_dir.is_done:
            reporter.say(f"{path}: this run came to its end; nothing is left to do")
            return Run(run_dir.path)
        # Data: everything is checked, then dealt to three sides.
        with clock("check"):
            prepared = check_and_deal(opened, reporter)
            refuse_errors(prepared.findings, strict=config.strict)
        data, splits = prepared.data, prepared.splits
        described_data, decisions = prepared.described, prepared.decisions
        say_plan(reporter, kind.NOUN, described_data, decisions)
        config = prepared.config.model_copy(update={"data": data.examples.root, "run_dir": str(run_dir.path)})

        # Network: a trunk that is pretrained or fitted, and a new head; phase after phase learns.
        begun_with = choice_of(run_dir) if resume else None
        if begun_with and config.precision == AUTO:
            config = config.model_copy(update={"precision": begun_with.value})
        config = as_begun(run_dir, config) if resume else config
        keeper = keeper_of(run_dir, config, described_data) if resume else new_keeper(run_dir, config)
        with clock("build"):
            # layers that drop at random and have no seed of their own draw one
            keras.utils.set_random_seed(config.seed)
            trunk = kind.build_trunk(config, data, splits)
        with clock("precision"):
            precision = begun_with or choose_precision(kind, config, data, trunk, splits, reporter)
            # what was measured drew seeds; a run that is told draws the same ones from here on
            keras.utils.set_random_seed(config.seed)
        config = config.model_copy(update={"precision": precision.value})
        decisions = decided(run_dir, [*decisions, *precision.decisions])
        decisions += [decide.Decision(**change) for change in keeper.changes]
        run_dir.write_json("config", config.model_dump(mode="json"))
        run_dir.write_json("environment", environment() | {"precision": precision.as_json()})
        run_dir.write_json("data", described_data)
        marks = getattr(data, "marks", None)  # windows of a series overlap, and have none
        if marks is not None:
            run_dir.write_learned(pack(marks[[*splits.train, *splits.validation]]))
        # nothing else may hold what only the checks need
        data, opened, prepared, marks = kind.lighten(data), None, None, None
        target, folds = kind.target(data), None
        task, lesson = TASKS[target.task], Lesson(kind, config, data, reporter, clock, callbacks, keeper)
        if splits.folds:
            with clock("folds"):
                folds = answer_by_folds(lesson, trunk, splits.folds)
        log = [EventLog(run_dir.event_folder)] if config.tensorboard else []
        learned = learn(replace(lesson, callbacks=(*callbacks, *log)), trunk, splits)
        config, decisions = _with_runtime(config, decisions, learned.runtime)
        run_dir.write_json("config", config.model_dump(mode="json"))
        reporter.say(kind.sizes(learned.features, clock.seconds))
        with clock("verify"):
            model = learned.network.finished(task, learned.scale)
            outputs = _verified_outputs(lesson, trunk, learned, model, splits)

        # Evaluation: the test side is looked at here, once.
        with clock("evaluate"):
            judged = judge(kind, data, splits, outputs, folds)
            mistakes = kind.mistakes(config, data, judged.indices, judged.outputs)

        # What stays.
        with run_dir.model_to_write() as temporary:
            model.save(temporary)
        described = _describe_model(config, learned, target) | kind.describe_inputs(config, trunk)
        described["model_sha256"] = file_sha256(run_dir.model_path)
        run_dir.write_json("model", described | {"decisions": decide.as_json(decisions)})
        run_dir.write_history(learned.history)
        run_dir.write_predictions(judged.rows)
        _write_pictures(run_dir, mistakes, kind.samples(config, trunk, data, splits))
        run_dir.write_json("metrics", judged.metrics | _of_the_run(learned, clock))
        write_report(run_dir)
        run_dir.finish()
    return Run(run_dir.path)


def _run_path(config: FinetuneConfig, root: str, resume: bool) -> Path:
    """Return where a run on some data goes, after asking whether it can."""
    if resume and not config.run_dir:
        raise ConfigError("resume needs to know which run: name its directory with --run-dir")
    path = Path(config.run_dir) if config.run_dir else next_run_path(Path("runs"), run_stem(root))
    if path.absolute().is_relative_to(root):
        raise ConfigError(f"the run directory {path} lies inside the data, where the next run would find it")
    return path


def _write_pictures(run_dir: RunDir, mistakes: Sequence[Mistake], sheet: bytes | None) -> None:
    """Write what the report shows of examples: those that were mistaken, and what training makes of some."""
    if sheet:
        run_dir.write_plot(SAMPLES_PLOT, sheet)
    for number, mistake in enumerate(mistakes):
        run_dir.write_plot(mistake_plot(number), mistake.picture)
    run_dir.write_json("mistakes", [mistake.as_json() for mistake in mistakes])


def _of_the_run(learned: Learned, clock: Clock) -> dict[str, object]:
    """Return what metrics.json says of how it was learned."""
    return {
        "best_epoch": learned.best_epoch,
        "diagnosis": {"gradients": gradient_faults(learned.history)},
        "seconds": clock.seconds,
        "peak_rss_bytes": peak_rss_bytes(),
    }


def _with_runtime(
    config: FinetuneConfig, decisions: list[decide.Decision], runtime: decide.Decision | None
) -> tuple[FinetuneConfig, list[decide.Decision]]:
    """Return config and decisions with what ran the frozen part, so that the config repeats it."""
    if runtime is None:
        return config, decisions
    return config.model_copy(update={"runtime": runtime.value}), [*decisions, runtime]


def _verified_outputs(
    lesson: Lesson, trunk: object, learned: Learned, model: keras.Model, splits: Splits
) -> np.ndarray:
    """Return what was learned to answer, (n, outputs) for all examples, after holding the finished model against it."""
    kind, config, data = lesson.kind, lesson.config, lesson.data
    target = kind.target(data)
    task = TASKS[target.task]
    outputs = learned.outputs(task, np.arange(len(target.values)))
    inputs, indices = kind.some_inputs(config, trunk, data)
    runtime = learned.features.runtime
    if runtime is not None and not RUNTIMES[runtime.value].exact:
        # judged and compared are answers of the model that is kept, not those on features that it would not compute
        exact_rows = np.union1d(splits.test, indices).astype(int)
        config = config.model_copy(update={"runtime": runtime.value})
        cut, reporter = learned.cut, lesson.reporter
        exact = kind.exact_features(config, trunk, learned.network, cut, data, exact_rows, reporter).array[:]
        require_near(learned.features.array[exact_rows], exact)
        outputs = outputs.copy()
        outputs[exact_rows] = learned.outputs(task, np.arange(len(exact_rows)), exact)
    verify_joined(model, inputs, outputs[list(indices)], learned.scale)
    return outputs


def run_stem(root: str) -> str:
    """Return what a run on some data is called: the file's name, or that of a data set without its signs."""
    if root.startswith("/"):
        return Path(root).stem
    return re.sub(r"[^\w.-]+", "-", root.partition(":")[2], flags=re.ASCII).strip("-") or "data"


def say_plan(
    reporter: Reporter, noun: str, described: Mapping[str, object], decisions: Sequence[decide.Decision]
) -> None:
    """Say what the data are, what is odd about them, and what was decided."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in described["splits"].items())
    sizes += f", and all of them tested in {described['folds']} folds" if described["folds"] else ""
    classes = f" in {len(described['class_names'])} classes" if described.get("class_names") else ""
    skipped = f"; {len(described['skipped'])} skipped" if described["skipped"] else ""
    reporter.say(f"{described['num_examples']:,} {noun}{classes}: {sizes}{skipped}")
    for line in column_lines(described):
        reporter.say(f"  {line}")
    for line in described["warnings"]:
        reporter.warn(line)
    for decision in decisions:
        reporter.say(f"  {decision}")


def _describe_model(config: FinetuneConfig, learned: Learned, target: Target) -> dict[str, object]:
    stages = learned.stages
    return {
        "format": 1,
        "task": target.task,
        "name": config.model,
        "class_names": list(target.names),
        "parameters": sum(stage.parameters for stage in stages),
        "trainable_parameters": sum(stage.trainable for stage in stages),
        "stages": [asdict(stage) for stage in stages],
    }
