"""Trials as Ray tasks: a worker that is killed in a trial loses nothing."""

import os
import signal
import sys
from dataclasses import replace

import pytest
from toy import ABOUT, Draws, outcome, run, search

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
