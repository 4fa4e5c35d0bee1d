"""The probe of `--workers auto`: it picks what is faster for this search, and no trial is lost or doubled by it."""

import os
import time
from dataclasses import replace

import pytest
from toy import ABOUT, Draws, outcome, run, search

from finetune.progress import Reporter
from tuning.loop import Budget, Loop
from tuning.probing import Probing
from tuning.study import Study
from tuning.wishes import Wishes
from zoo.errors import ConfigError


class Sleeper:
    """Runs jobs that take a while: less in the process that made it, or the same everywhere."""

    def __init__(self, here, elsewhere):
        self.home, self.here, self.elsewhere = os.getpid(), here, elsewhere

    def __call__(self, job):
        """Sleep, and say which process it was."""
        time.sleep(self.here if os.getpid() == self.home else self.elsewhere)
        return replace(run(job), parameters=os.getpid(), epochs=1)


class Teller(Reporter):
    """Remembers what is said."""

    def __init__(self):
        super().__init__(0)
        self.said = []

    def say(self, text):
        """Remember a line."""
        self.said.append(text)


def probed(path, runner, trials=7, cores=2):
    """Search with a probe; return the study, and what was said."""
    teller = Teller()
    with Study.claim(path, ABOUT) as study, Probing(runner, teller, cores=cores) as executor:
        Loop(study, Draws(), executor, Budget(trials)).search()
    return study, teller.said


@pytest.fixture(autouse=True)
def modules_of_this_folder(monkeypatch):
    """Workers find what they are to run."""
    monkeypatch.syspath_prepend(os.path.dirname(__file__))


def test_two_processes_are_kept_where_they_are_faster(tmp_path):
    """Trials that wait twice as well side by side go on in both, and every trial is run once."""
    study, said = probed(tmp_path / "a", Sleeper(0.2, 0.2))
    pids = [trial.parameters for trial in study.trials]
    assert pids[0] == os.getpid() and len(set(pids[1:])) == 2 and os.getpid() not in pids[1:]
    assert [trial.number for trial in study.trials] == list(range(7))
    assert said[-1] == "workers: 2 processes × 1 thread from here on: that is the fastest"


def test_one_process_is_kept_where_others_are_slower(tmp_path):
    """Where a process with half of the cores is slower by far, the rest is run here; the trials are the same."""
    study, said = probed(tmp_path / "a", Sleeper(0.01, 0.2))
    assert [trial.parameters == os.getpid() for trial in study.trials] == [True, False, False, *[True] * 4]
    assert "one process × 2 threads from here on: 2 processes × 1 thread would not be faster by a tenth" in said[-1]
    whole, _ = search(tmp_path / "b", 7, fresh_seeds=0)
    assert [row[:4] for row in outcome(study)][:2] == [row[:4] for row in outcome(whole)][:2]


def test_copies_are_no_trials(tmp_path):
    """What is timed is in no record, keeps no weights, and of a long trial is some epochs."""
    seen = []

    def runner(job):
        seen.append(job)
        return replace(run(job), seconds=20.0, epochs=8)

    study, said = probed(tmp_path / "a", runner, trials=3)
    copies = [job for job in seen if job.trial.number >= 10**9]
    assert len(study.trials) == 3 and len(seen) == 3 + len(copies) and copies
    assert {job.keep_under for job in copies} == {float("-inf")} and copies[0].trial.proposal.epochs == 2
    # a function inside another cannot be sent to a process: the search goes on here, and says why
    assert "define the function in a module" in said[-1]


def test_wishes_for_workers():
    """A number or auto is accepted; anything else is told what is."""
    assert Wishes(max_trials=1, workers="auto").workers == "auto"
    for wrong in ("two", -1, 1.5, True):
        with pytest.raises(ConfigError, match="workers must be 0 or more, or auto; received"):
            Wishes(max_trials=1, workers=wrong)
