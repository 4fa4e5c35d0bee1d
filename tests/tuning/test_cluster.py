"""Trials as Ray tasks: a worker that is killed in a trial loses nothing."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from toy import ABOUT, Draws, outcome, run, search

import tuning
from tuning.loop import Budget, Loop
from tuning.ray_cluster import RayCluster
from tuning.study import Study
from zoo.errors import ConfigError


class Careless:
    """Runs jobs; dies by SIGKILL with the first attempt of some."""

    def __init__(self, folder, numbers):
        self.folder, self.numbers = folder, numbers

    def __call__(self, job):
        """Run a job, or die."""
        mark = self.folder / f"died-{job.trial.number}"
        if job.trial.number in self.numbers and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(run(job), parameters=os.getpid())


def test_cluster_without_ray_is_said(monkeypatch):
    """One line names what is needed and how to get it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="needs Ray: pip install 'keras-graft.cluster.'"):
        RayCluster(run, "local")


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "127.0.0.1:99999"])
def test_cluster_that_does_not_answer_is_said_at_once(monkeypatch, address):
    """Nobody waits for minutes on a port where nothing listens."""
    monkeypatch.setitem(sys.modules, "ray", object())
    with pytest.raises(ConfigError, match=f"cluster '{address}': does not answer"):
        RayCluster(run, address)


@pytest.mark.slow
def test_killed_worker_of_a_cluster_loses_nothing(tmp_path, monkeypatch):
    """Two workers, of which two die in the middle of a trial: the same trials with the same scores as ever."""
    pytest.importorskip("ray")
    # workers have the paths of the environment, not those of pytest
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)]))
    runner = Careless(tmp_path, {1, 4})
    with Study.claim(tmp_path / "a", ABOUT) as study, RayCluster(runner, "local", slots=2) as executor:
        Loop(study, Draws(), executor, Budget(6)).search()
    assert [trial.attempts for trial in study.trials] == [1, 2, 1, 1, 2, 1]
    assert {trial.status for trial in study.trials} == {"completed"}
    assert len({trial.parameters for trial in study.trials} - {os.getpid()}) >= 2
    random = Study(tmp_path / "a")
    assert [row[3] for row in outcome(random)] == [row[3] for row in outcome(search(tmp_path / "b", 6)[0])][:6]


def at_work():
    """Return the processes below this one that run a task of Ray's now."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, title = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
        found += [int(folder.name)] * title.startswith(b"ray::_run")
    return [pid for pid in found if is_below(pid, parents)]


def is_below(pid, parents):
    """Return whether a process was started by this one, or by one that was."""
    while pid not in (0, os.getpid()):
        pid = parents.get(pid, 0)
    return pid == os.getpid()


def kill_one(killed):
    """Kill a worker by SIGKILL a moment after it has begun to work."""
    while not (pids := at_work()):
        time.sleep(0.05)
    time.sleep(1)
    os.kill(pids[0], signal.SIGKILL)
    killed.append(pids[0])


@pytest.mark.slow
@pytest.mark.keras
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_killed_worker_of_a_real_search_loses_nothing(tmp_path, monkeypatch):
    """Two workers on a table, one of them killed in its trial: the trials are those of a search in one process."""
    pytest.importorskip("ray")
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), *filter(None, sys.path)]))
    how = {"target": "class", "model": "mlp", "algorithm": "random", "max_trials": 6, "epochs": 40, "patience": 40}
    how |= {"fresh_seeds": 0, "verbose": 0}
    killed = []
    killer = threading.Thread(target=kill_one, args=(killed,), daemon=True)
    killer.start()
    study = tuning.search(root / "data" / "wine.csv", study=tmp_path / "a", cluster="local", workers=2, **how)
    whole = tuning.search(root / "data" / "wine.csv", study=tmp_path / "b", **how)
    assert len(killed) == 1 and sorted(trial.attempts for trial in study.trials) == [1, 1, 1, 1, 1, 2]
    assert [row[:5] for row in outcome(study)] == [row[:5] for row in outcome(whole)]
    # other numbers of threads add up in another order
    assert [trial.score for trial in study.trials] == pytest.approx([trial.score for trial in whole.trials], rel=1e-3)
