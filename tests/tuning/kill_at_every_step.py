"""Kills a search with SIGKILL at every step that touches the disk and around every trial, and lets it go on.

    python kill_at_every_step.py FOLDER ALGORITHM [PAIRS]

With PAIRS as many searches are killed twice, at steps drawn by chance. Prints the number of steps; fails with a
traceback where a study that went on is not the unbroken one.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import toy

from tuning.algorithm import Setup
from tuning.in_process import InProcess
from tuning.kept import Kept, KeptWeights
from tuning.loop import Budget, Loop
from tuning.ranking import worth_keeping
from tuning.space import Space
from tuning.study import JOURNAL, Study

TRIALS = 5
# Every way in which our code changes the disk.
CALLS = ("write", "fsync", "ftruncate", "replace", "unlink", "mkdir", "rmdir")
SPACE = {"space": {"x": {"low": 0.0, "high": 1.0, "step": 0.05}, "units": [8, 16]}}


class Steps:
    """Counts steps, and kills the process at one of them: before it, or for a write in its middle."""

    def __init__(self, fatal=None, torn=False):
        self.count, self.fatal, self.torn = 0, fatal, torn
        self.writes = []

    def step(self, name="", call=None, arguments=()):
        """Take a step."""
        self.count += 1
        self.writes += [self.count] * (name == "write")
        if self.count == self.fatal:
            if self.torn and name == "write":
                call(arguments[0], arguments[1][: len(arguments[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self):
        """Count all calls that change the disk."""
        for name in CALLS:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name, call):
        def watched(*arguments, **options):
            self.step(name, call, arguments)
            # a killed process loses nothing that the system has, so the disk need not be waited for
            return None if name == "fsync" else call(*arguments, **options)

        return watched


def search(path, algorithm, steps):
    """Search as `tuner search` does, with a formula for a trial that leaves weights."""
    space = Space.from_mapping(SPACE)
    about = toy.ABOUT | {"space": space.as_json(), "algorithm": algorithm}
    with Study.claim(path, about) as study:
        kept = Kept(study.path / "models", study.about["id"])
        kept.take_over({trial.number for trial in study.trials})

        def run(job):
            steps.step()
            done = toy.run(job)
            if study.objective.cost(done.score) < job.keep_under:
                kept.write(job.trial.number, KeptWeights("features", [np.full(3, done.score)]))
            steps.step()
            return done

        def prune():
            kept.keep_only(worth_keeping(study))

        with (toy.AtOnce if algorithm == "ahead" else InProcess)(run) as executor:
            loop = Loop(study, make(algorithm, space), executor, Budget(TRIALS), prune=prune)
            loop.search()
            loop.repeat(1)
            study.pause(loop.spent)


class Pure:
    """An algorithm by name: the function that `make_algorithm` wraps, without the keras-tuner that it imports."""

    def __init__(self, name, space):
        self.module = importlib.import_module(f"tuning.{name}_search" if name != "hyperband" else "tuning.hyperband")
        self.setup = Setup(space, "min", 0, TRIALS, 4)

    def propose(self, trials, index):
        """Return the proposal of an index."""
        return self.module.propose(self.setup, trials, index)


def make(algorithm, space):
    """Return an algorithm by name."""
    toys = {"toy": toy.Draws, "ahead": toy.Ahead}
    return toys[algorithm]() if algorithm in toys else Pure(algorithm, space)


def in_child(path, algorithm, **how):
    """Search in a child process; return how it ended, how many steps it took, and which of them wrote."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        steps = Steps(**how)
        real_write = os.write
        steps.watch()
        search(path, algorithm, steps)
        real_write(writer, json.dumps([steps.count, steps.writes]).encode())
        os._exit(0)
    os.close(writer)
    text = os.read(reader, 100_000)
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    return os.waitstatus_to_exitcode(status), json.loads(text or "[0, []]")


def end_of(path):
    """Return what has to be equal: trials, and which weights are there."""
    study = Study(path)
    kept = Kept(study.path / "models", study.about["id"])
    numbers = sorted(worth_keeping(study))
    weights = {number: kept.read(number).arrays[0].tolist() for number in numbers}
    assert sorted(os.listdir(kept.folder)) == [kept.path(number).name for number in numbers], os.listdir(kept.folder)
    return toy.outcome(study), weights


def killed(folder, algorithm, plan):
    """Search, killed as planned, and then to the end; return the study's end."""
    path = folder / "broken"
    shutil.rmtree(path, ignore_errors=True)
    for fatal, torn in plan:
        code, _ = in_child(path, algorithm, fatal=fatal, torn=torn)
        assert code in (-signal.SIGKILL, 0), (plan, code)
        if (path / JOURNAL).exists() and (path / JOURNAL).stat().st_size:
            # what is left can be read, but for one whose first record was not written
            assert Study(path).trials is not None if b"\n" in (path / JOURNAL).read_bytes() else True
    assert in_child(path, algorithm)[0] == 0, plan
    return end_of(path)


def main(folder, algorithm, pairs):
    """Kill at every step."""
    # children find what is heavy imported
    make(algorithm, Space.from_mapping(SPACE))
    code, (steps, writes) = in_child(folder / "whole", algorithm)
    assert code == 0
    whole = end_of(folder / "whole")
    assert len([row for row in whole[0] if row[1] == 0]) == TRIALS, whole
    plans = [[(step, False)] for step in range(1, steps + 1)] + [[(step, True)] for step in writes]
    draw = random.Random(0)
    plans += [[(draw.randint(1, steps), draw.random() < 0.5) for _ in range(2)] for _ in range(pairs)]
    for plan in plans:
        assert killed(folder, algorithm, plan) == whole, plan
    print(json.dumps({"steps": steps, "kills": sum(map(len, plans))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
