"""Kills runs at steps that write state, goes on with them, and says how they differ from one that was not killed.

    python crash_driver.py SCENARIO FOLDER [--steps all|every|3,17|/20|TEXT] [--mutant NAME]

prints a JSON object for each step. With `all`, a run that was killed while a temporary file was written is only opened;
with `every` it is gone on with too. Every run is a process of its own, forked from this one, which has imported all
that takes seconds to import but computed nothing: TensorFlow's threads come with its first operation.
"""

import argparse
import csv
import io
import json
import os
import shutil
import signal
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import keras
import numpy as np
from killing import Steps
from small_pictures import make_pictures, save_backbone

import finetune.recipe
import finetune.summary  # noqa: F401  what `finetune fit` imports when it needs it
from finetune import run_dir
from finetune.cli import cli, run_command
from finetune.run import Run
from finetune.training import checkpoints, fit, lessons, loop
from zoo import atomic
from zoo.errors import GraftError

_CHANCE = {"dropout": 0.3, "checkpoint_seconds": 0}
SCENARIOS = {
    "pictures": {
        **{"method": "two_phase", "unfreeze": 1, "image_size": 32, "epochs": 2, "fine_tune_epochs": 1},
        **{"batch_size": 8, "learning_rate": 0.01, **_CHANCE},
    },
    "table": {"epochs": 2, "batch_size": 24, "optimizer": "adamw", "ema": 0.9, **_CHANCE},
    "folds": {"folds": 2, "epochs": 1, "batch_size": 16, **_CHANCE},
}


def main() -> None:
    """Make the data and the unbroken run of a scenario, then kill as asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", default="all")
    parser.add_argument("--mutant", choices=MUTANTS, default="none")
    asked = parser.parse_args()
    folder, mutate = asked.folder.absolute(), MUTANTS[asked.mutant]
    folder.mkdir(parents=True, exist_ok=True)
    arguments, whole = _make_data(asked.scenario, folder), folder / "whole" / "run"
    _must(_run(_fit(arguments, whole), whole, mutate=mutate), folder)
    names = [name.replace(str(folder), "") for name in json.loads((folder / "steps.json").read_text())]
    for step in _chosen(asked.steps, names):
        broken = folder / "broken" / "run"
        # what is written beside a file changes nothing until it takes the file's place, which is a step too
        goes_on = asked.steps != "all" or ".tmp" not in names[step - 1] or names[step - 1].startswith("os.rename")
        problems = list(_kill(arguments, broken, step, mutate))
        problems += _go_on(arguments, broken, whole, mutate) if goes_on and not problems else ()
        name = names[step - 1].replace(str(folder), "")
        print(
            json.dumps({"step": step, "of": len(names), "name": name, "went_on": goes_on, "problems": problems}),
            flush=True,
        )
        shutil.rmtree(broken.parent, ignore_errors=True)


def _must(status: int, folder: Path) -> None:
    if status:
        sys.exit(f"status {status}: {_said(folder)}")


def _said(folder: Path) -> str:
    return (folder / "said.txt").read_text()


def _chosen(steps: str, names: list[str]) -> list[int]:
    """Return numbers of steps: all, some by number, every nth, or the first whose name holds a text."""
    if steps in ("all", "every"):
        return list(range(1, len(names) + 1))
    if steps.startswith("/"):
        return list(range(1, len(names) + 1, int(steps[1:])))
    if steps.replace(",", "").isdecimal():
        return [int(step) for step in steps.split(",")]
    return [next(number for number, name in enumerate(names, start=1) if text in name) for text in steps.split(",")]


def _make_data(scenario: str, folder: Path) -> list[str]:
    """Return what stands behind `finetune fit` but for the places to write to."""
    settings = dict(SCENARIOS[scenario])
    if scenario == "pictures":
        data = make_pictures(folder / "pictures", per_class=6)
        settings["model"] = folder / "backbone.keras"
        _must(_fork(lambda: save_backbone(settings["model"]), folder / "said.txt"), folder)
    else:
        data = folder / "rows.csv"
        x = np.random.default_rng(0).normal(size=(60, 2))
        data.write_text("a,b,label\n" + "".join(f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}\n" for a, b in x))
    return [str(data), *(f"--set={name}={value}" for name, value in settings.items())]


def _fit(arguments: list[str], run: Path) -> list[str]:
    return ["fit", *arguments, f"--set=cache_dir={run.parent / 'cache'}", "--run-dir", str(run), "--verbose", "0"]


def _run(arguments: list[str], run: Path, *, kill_at: int = 0, mutate: Callable[[], None]) -> int:
    """Run a command in a process of its own that takes one training step a call; return how it ended."""

    def command() -> int:
        steps = Steps([run.parent], kill_at)
        # as where a step takes a third of a second
        lessons._FIRST_STEPS, lessons._SECONDS_A_CALL = 1, 0.0
        mutate()
        status = run_command(cli, arguments)
        (run.parents[1] / "steps.json").write_text(json.dumps(steps.names))
        return status

    run.parent.mkdir(parents=True, exist_ok=True)
    return _fork(command, run.parents[1] / "said.txt")


def _fork(work: Callable[[], int | None], said: Path) -> int:
    """Return how a piece of work ended in a process of its own; what it printed is in a file."""
    sys.stdout.flush()
    process = os.fork()
    if not process:
        status = 99
        try:
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 1), os.dup2(file, 2)
            status = work() or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _kill(arguments: list[str], broken: Path, step: int, mutate: Callable[[], None]) -> Iterator[str]:
    """Kill a run before a step, and yield what is not as it should be."""
    status = _run(_fit(arguments, broken), broken, kill_at=step, mutate=mutate)
    if status != -signal.SIGKILL:
        yield f"was not killed: {status}, {_said(broken.parents[1])}"
    yield from _faults_of_opening(broken)


def _go_on(arguments: list[str], broken: Path, whole: Path, mutate: Callable[[], None]) -> Iterator[str]:
    """Go on with a run that was killed, and yield what is not as it should be."""
    began = (broken / "config.json").exists()
    again = ["resume", str(broken), "--verbose", "0"] if began else [*_fit(arguments, broken), "--resume"]
    status = _run(again, broken, mutate=mutate)
    if status:
        yield f"did not go on: {status}, {_said(broken.parents[1])}"
        return
    one, other = _contents(whole), _contents(broken)
    for name in one.keys() | other.keys():
        if one.get(name) != other.get(name):
            yield f"{name} differs"


def _faults_of_opening(run: Path) -> Iterator[str]:
    """Yield what a killed run says when it is opened, where that is no message for people."""
    try:
        opened = Run(run)
        opened.metrics, opened.config, opened.write_report()
    except GraftError:
        pass
    except Exception:
        yield traceback.format_exc()


def _contents(run: Path) -> dict[str, object]:
    """Return all that two equal runs have in common, by name: every bit but times, paths and pictures.

    Why a runtime was taken is left out too: a run that goes on takes the one whose features it left in the cache.
    """
    found: dict[str, object] = {str(path.relative_to(run)): "is there" for path in run.rglob("*")}
    with zipfile.ZipFile(run / "model.keras") as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as h5:
        h5.visititems(lambda name, item: found.update({f"weights {name}": _bits(item)}))
    metrics, card = (json.loads((run / f"{name}.json").read_text()) for name in ("metrics", "model"))
    found |= {f"metrics {name}": value for name, value in metrics.items() if name not in ("seconds", "peak_rss_bytes")}
    found |= {f"card {name}": value for name, value in card.items() if name != "model_sha256"}
    found["card decisions"] = [one | {"why": ""} if one["what"] == "runtime" else one for one in card["decisions"]]
    rows = csv.DictReader(io.StringIO((run / "history.csv").read_text()))
    found["history"] = [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    for name in ("predictions.csv", "data.json", "learned.bin", "mistakes.json"):
        found[name] = (run / name).read_bytes() if (run / name).exists() else None
    return found


def _bits(item: object) -> bytes | None:
    return item[()].tobytes() if isinstance(item, h5py.Dataset) else None


def _write_plainly() -> None:
    """Write in place, and flush, instead of beside and then renaming."""

    @contextmanager
    def plain(path: str | Path) -> Iterator[Path]:
        yield Path(path)
        with Path(path).open("rb+") as file:
            os.fsync(file.fileno())

    for module in (atomic, checkpoints, run_dir):
        module.atomic_path = plain


def _forget_seeds() -> None:
    """Put everything back but the seeds of random layers."""
    real = fit.restore

    def restore(model: keras.Model, state: object) -> object:
        seeds = [v for v in model.variables if "seed" in v.path]
        values = [keras.ops.convert_to_numpy(seed).copy() for seed in seeds]
        progress = real(model, state)
        for seed, value in zip(seeds, values, strict=True):
            seed.assign(value)
        return progress

    fit.restore = restore


def _order_by_global_numbers() -> None:
    """Take the order of rows from a global generator, which a new process begins anew."""
    np.random.seed(0)
    loop.order_of = lambda count, *, seed, epoch: np.random.permutation(count)


MUTANTS = {
    "none": lambda: None,
    "plain": _write_plainly,
    "seeds": _forget_seeds,
    "order": _order_by_global_numbers,
}

if __name__ == "__main__":
    main()
