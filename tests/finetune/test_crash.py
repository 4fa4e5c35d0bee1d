"""Runs that are killed by SIGKILL at steps that write state, and go on to the same end, to the last bit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("crash_driver.py")


def killed(folder, scenario, steps, mutant="none"):
    """Return what `crash_driver.py` says of each kill."""
    command = [sys.executable, str(DRIVER), scenario, str(folder), "--steps", steps, "--mutant", mutant]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(found):
    """Return the kills after which something was not as it should be."""
    return [kill for kill in found if kill["problems"]]


@pytest.mark.keras
def test_killed_run_ends_as_an_unbroken_one(tmp_path):
    """A sample of the test below: killed while the state in the middle of its second epoch is written."""
    found = killed(tmp_path, "table", "half of /whole/run/checkpoints/.000004")
    assert len(found) == 1 and not faults(found)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["pictures", "folds"])
def test_run_that_is_killed_anywhere_ends_as_an_unbroken_one(tmp_path, scenario):
    """Killed before every step that changes something on the disk: two phases on pictures, and a table with folds."""
    found = killed(tmp_path, scenario, "all")
    assert len(found) == found[0]["of"] > 100
    assert not faults(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mutant", "step", "problem"),
    [
        ("plain", "half of /whole/run/config.json", "did not go on"),
        ("plain", "half of /whole/run/data.json", "did not go on"),
        ("seeds", "os.rename /whole/run/checkpoints/.000003", "weights"),
        ("order", "os.rename /whole/run/checkpoints/.000005", "weights"),
    ],
)
def test_crash_test_finds_what_it_is_for(tmp_path, mutant, step, problem):
    """State written in place, seeds that are not put back, and an order by a global generator end otherwise."""
    (found,) = killed(tmp_path, "table", step, mutant)
    assert any(text.startswith(problem) for text in found["problems"])
