"""Killed at every step, a search ends as an unbroken one: no trial lost, none doubled, the same values and scores."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "kill_at_every_step.py"


def drive(folder, algorithm, pairs):
    """Run the driver in a process of its own, which forks without TensorFlow's threads."""
    command = [sys.executable, DRIVER, folder, algorithm, str(pairs)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_every_step_may_be_the_last(tmp_path):
    """Before each call that changes the disk, in the middle of each write, and around each trial."""
    assert drive(tmp_path, "toy", 10)["steps"] > 50


def test_trials_that_ran_at_once_do_so_again(tmp_path):
    """Where the score of each depends on all of its round, those that had ended are run beside the others once more."""
    assert drive(tmp_path, "ahead", 10)["steps"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian", "hyperband"])
def test_every_step_may_be_the_last_with_each_algorithm(tmp_path, algorithm):
    """The same for what proposes trials in earnest, and for searches that are killed twice."""
    assert drive(tmp_path, algorithm, 100)["steps"] > 50
