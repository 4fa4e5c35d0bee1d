"""Worker processes: trials side by side, and a process that dies takes one trial with it at most."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from toy import ABOUT, Draws, outcome, run, search

from tuning.loop import Budget, Loop
from tuning.study import Study
from tuning.workers import Workers
from zoo.errors import ConfigError


class Careless:
    """Runs jobs, and dies with some of them."""

    def __init__(self, folder, deadly=(), once=()):
        self.folder, self.deadly, self.once = folder, deadly, once

    def __call__(self, job):
        """Die by SIGKILL, always or the first time; else say which process it was."""
        number = job.trial.number
        mark = self.folder / f"died-{number}"
        if number in self.deadly or (number in self.once and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        threads = int(os.environ["OMP_NUM_THREADS"])
        return replace(run(job), parameters=os.getpid(), trainable=threads)


def in_workers(path, runner, count=2, trials=6):
    """Search with workers, and return the study."""
    with Study.claim(path, ABOUT) as study, Workers(runner, count, cores=4) as executor:
        Loop(study, Draws(), executor, Budget(trials)).search()
    return study


@pytest.fixture(autouse=True)
def modules_of_this_folder(monkeypatch):
    """Workers find what they are to run."""
    monkeypatch.syspath_prepend(os.path.dirname(__file__))


def test_trials_run_in_two_processes_that_share_the_cores(tmp_path):
    """Both processes get work, neither is this one, and each takes its share of threads."""
    study = in_workers(tmp_path / "a", Careless(tmp_path))
    pids = {trial.parameters for trial in study.trials}
    assert len(pids) == 2 and os.getpid() not in pids
    assert {trial.trainable for trial in study.trials} == {2}


def test_killed_worker_loses_nothing(tmp_path):
    """Its trial is begun again in a new process, with the same values, and succeeds."""
    study = in_workers(tmp_path / "a", Careless(tmp_path, once=(1, 3)), count=1)
    whole, _ = search(tmp_path / "b", 6, fresh_seeds=0)
    assert outcome(study) == outcome(whole)
    assert [trial.attempts for trial in study.trials] == [1, 2, 1, 2, 1, 1]


def test_deadly_trial_fails_and_is_named(tmp_path):
    """A trial that kills its process each time has failed after two, and the search goes on."""
    study = in_workers(tmp_path / "a", Careless(tmp_path, deadly=(2,)), trials=4)
    assert [trial.status for trial in study.trials] == ["completed", "completed", "failed", "completed"]
    assert study.trials[2].error == "its process died (killed by signal 9)"


def test_workers_die_with_the_search(tmp_path):
    """When the search is killed, no process goes on computing for it."""
    code = (
        "import os, signal, sys, time, multiprocessing\n"
        "from tuning.workers import Workers; from tuning.job import Job; from tuning.trial import *\n"
        "import sleeper\n"
        "if __name__ == '__main__':\n"
        "    w = Workers(sleeper.sleep, 1); w.submit(Job(Trial(0, Proposal({}), 'running')))\n"
        "    print(multiprocessing.active_children()[0].pid, flush=True); time.sleep(1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "sleeper.py").write_text("import time\ndef sleep(job):\n    time.sleep(600)\n")
    (tmp_path / "go.py").write_text(code)
    done = subprocess.run([sys.executable, "go.py"], cwd=tmp_path, capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the worker outlived the search")


def test_what_cannot_be_sent_is_said(tmp_path):
    """A function without a name cannot go to another process."""
    with pytest.raises(ConfigError, match="define the function in a module, or leave workers out"):
        Workers(lambda job: job, 2)
