"""A study goes on with what it was begun with, and with nothing else."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from toy import ABOUT, Ahead, AtOnce, Waits, outcome, run, search

from tuning.loop import Budget, Loop
from tuning.study import DEATHS, JOURNAL, Study
from tuning.trial import Proposal, Trial
from zoo.errors import LockedError, RunStateError


def test_called_again_it_goes_further(tmp_path):
    """With more trials the second call continues; it has the trials that one call would have had."""
    search(tmp_path / "a", 4)
    study, _ = search(tmp_path / "a", 9)
    whole, _ = search(tmp_path / "b", 9)
    assert outcome(Study(study.path))[:9] == outcome(Study(whole.path))[:9]
    assert len(study.trials) == 9


def test_called_again_with_the_same_it_does_nothing(tmp_path):
    """A finished study runs no trial again."""
    search(tmp_path / "a", 4)
    study, why = search(tmp_path / "a", 4, runner=None)
    assert len(study.trials) == 4 and why == "all 4 trials are done"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("objective", "val_loss:max", "objective was 'val_loss:min', is 'val_loss:max'"),
        ("objective", "val_mae:min", "is 'val_mae:min'"),
        ("data", {"fingerprint": "1"}, "data.fingerprint was '0', is '1'"),
        ("seed", 1, "seed was 0, is 1"),
        ("algorithm", "grid", "algorithm was 'random', is 'grid'"),
        ("settings", {"model": "toy", "epochs": 5}, "settings.epochs was not there, is 5"),
        ("space", {"space": [{"name": "x", "type": "float", "low": 0.0, "high": 2.0}]}, r"x: was .*1.0.*, is .*2.0"),
        ("space", {"space": [{"name": "y", "type": "float", "low": 0.0, "high": 1.0}]}, r"x: was .*gone"),
    ],
)
def test_changed_search_is_refused_with_the_difference(tmp_path, name, value, message):
    """Space, objective, direction, data, algorithm and settings are those of the beginning, or nothing is done."""
    search(tmp_path / "a", 2)
    before = (tmp_path / "a" / JOURNAL).read_bytes()
    with pytest.raises(RunStateError, match=f"(?s)begun with something else.*{message}.*--study DIR"):
        search(tmp_path / "a", 2, about=ABOUT | {name: value})
    assert (tmp_path / "a" / JOURNAL).read_bytes() == before


def test_directory_with_other_things_is_refused(tmp_path):
    """A study is not written between files of something else."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunStateError, match="not empty .has notes.txt. and no study"):
        search(tmp_path, 2)
    assert sorted(os.listdir(tmp_path)) == ["notes.txt"]


def test_second_search_is_refused_while_the_first_runs(tmp_path):
    """Two processes do not write one journal; the message names the process."""
    seen = []

    def runner(job):
        code = f"from toy import search; search({str(tmp_path / 'a')!r}, 3)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=os.path.dirname(__file__)
        )
        seen.append(done.stderr)
        return run(job)

    search(tmp_path / "a", 1, runner=runner, fresh_seeds=0)
    assert f"LockedError: {tmp_path / 'a'}: process {os.getpid()} is searching here" in seen[0]
    with pytest.raises(LockedError), Study.claim(tmp_path / "a", ABOUT), Study.claim(tmp_path / "a", ABOUT):
        pass


def test_trial_that_always_raises_is_tried_twice(tmp_path):
    """A fault that may pass gets one more attempt; then the trial has failed, with its reason, and others go on."""
    began = []

    def runner(job):
        began.append(job.trial.number)
        if job.trial.number == 1:
            return replace(job.trial, status="failed", error="OSError: flaky", again=True)
        return run(job)

    study, _ = search(tmp_path / "a", 3, runner=runner, fresh_seeds=0)
    assert began == [0, 1, 1, 2]
    failed = Study(study.path).trials[1]
    assert (failed.status, failed.error, failed.attempts) == ("failed", "OSError: flaky", 2)


def test_fault_that_would_repeat_is_not_tried_again(tmp_path):
    """A wrong setting is as wrong the second time."""
    began = []

    def runner(job):
        began.append(job.trial.number)
        return run(job) if job.trial.number else replace(job.trial, status="failed", error="units must be", again=False)

    search(tmp_path / "a", 2, runner=runner, fresh_seeds=0)
    assert began == [0, 1]


def test_search_whose_trials_all_fail_stops(tmp_path):
    """Nothing is won by failing a hundred times for one reason, which is told."""
    with pytest.raises(RunStateError, match="first 5 trials all failed; the last of them: no good"):
        search(tmp_path / "a", 50, runner=lambda job: replace(job.trial, status="failed", error="no good"))


def test_trial_that_kills_its_process_is_given_up(tmp_path):
    """A trial with which the process died three times has failed, and the search goes on with the next."""
    code = (
        "import os, signal; from toy import run, search\n"
        "def runner(job):\n"
        "    if job.trial.number == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return run(job)\n"
        f"search({str(tmp_path / 'a')!r}, 3, runner=runner, fresh_seeds=0)"
    )
    codes = [subprocess.run([sys.executable, "-c", code], cwd=os.path.dirname(__file__)).returncode for _ in range(4)]
    assert codes == [-9] * DEATHS + [0]
    trials = Study(tmp_path / "a").trials
    assert [trial.status for trial in trials] == ["completed", "failed", "completed"]
    assert "process died while it ran, 3 times" in trials[1].error


def test_stopping_on_purpose_is_no_death(tmp_path):
    """Ctrl-C in the same trial as often as one likes does not count against it."""

    def runner(job):
        raise KeyboardInterrupt

    for _ in range(DEATHS + 1):
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "a", 2, runner=runner)
    study, _ = search(tmp_path / "a", 2)
    assert [trial.status for trial in study.trials] == ["completed", "completed"]


def test_algorithm_may_wait_for_running_trials(tmp_path):
    """WAIT is asked again when a trial has ended, and does not end the search."""
    study, why = search(tmp_path / "a", 3, algorithm=Waits(most=2))
    assert len(study.trials) == 2 and why == "there is nothing left to try after 2 trials"


def test_reading_needs_a_study(tmp_path):
    """A directory without a journal is named, and what makes one."""
    with pytest.raises(RunStateError, match="holds no study.*tuner search"):
        Study(tmp_path)


def test_time_counts_over_calls(tmp_path):
    """Seconds that a study took are kept, so that a budget of minutes is one of all calls together."""

    def runner(job):
        time.sleep(0.01)
        return run(job)

    search(tmp_path / "a", 2, runner=runner)
    first = Study(tmp_path / "a").spent_seconds
    search(tmp_path / "a", 4, runner=runner)
    assert Study(tmp_path / "a").spent_seconds > first > 0


def test_what_a_killed_search_left_is_removed_by_the_next(tmp_path):
    """A call that has no trial to run tidies up nevertheless: the last one may have been killed before it did."""
    search(tmp_path / "a", 2, fresh_seeds=0)
    calls = []
    search(tmp_path / "a", 2, fresh_seeds=0, prune=lambda: calls.append(1))
    assert calls == [1]


def test_trials_known_ahead_run_at_once(tmp_path):
    """As many as the algorithm knows ahead, then those with fresh seeds; each is written down as it ends."""
    executor = AtOnce(run)
    study, why = search(tmp_path / "study", 6, algorithm=Ahead(), executor=executor, fresh_seeds=2)
    assert why == "all 6 trials are done"
    repeats = executor.rounds[2:]
    assert executor.rounds[:2] == [[(0, 0), (1, 0), (2, 0), (3, 0)], [(4, 0), (5, 0)]]
    assert sorted(map(len, repeats)) == [2, 4] and all(repeat for members in repeats for _, repeat in members)
    assert all(trial.status == "completed" for trial in study.trials)
    later = AtOnce(run)
    same, _ = search(tmp_path / "study", 6, algorithm=Ahead(), executor=later, fresh_seeds=2)
    assert outcome(same) == outcome(study) and not later.rounds


def test_trial_of_a_round_that_raises_is_tried_again_alone(tmp_path):
    """What may not repeat runs once more by itself, and the others keep what they found."""
    failures = []

    def fails_once(job):
        if job.trial.number == 2 and not failures:
            failures.append(job)
            return replace(job.trial, status="failed", error="lost", again=True)
        return run(job)

    executor = AtOnce(fails_once)
    study, _ = search(tmp_path / "study", 5, algorithm=Ahead(), executor=executor, fresh_seeds=0)
    assert executor.rounds == [[(0, 0), (1, 0), (2, 0), (3, 0)], [(2, 0)], [(4, 0)]]
    assert study.trials[2].attempts == 2 and study.trials[2].status == "completed"


def test_limited_time_is_not_given_away_ahead(tmp_path):
    """The first trial runs alone, and no later round takes more than half of the time that is left."""
    executor = AtOnce(lambda job: replace(run(job), seconds=4.0))
    with Study.claim(tmp_path / "study", ABOUT) as study:
        Loop(study, Ahead(), executor, Budget(7, max_seconds=20)).search()
    assert [len(members) for members in executor.rounds] == [1, 2, 2, 2]


def test_trials_that_are_held_against_others_are_not_begun_ahead(tmp_path):
    """Where the median rule ends trials, each knows those before."""
    executor = AtOnce(run)
    search(tmp_path / "study", 5, algorithm=Ahead(), executor=executor, fresh_seeds=0, ends_hopeless=True)
    assert [len(members) for members in executor.rounds] == [1] * 5


def test_first_of_a_round_may_all_fail(tmp_path):
    """What fails for one reason may end first; the search stops only where a whole round failed."""

    def fails(job):
        bad = job.trial.number != 3
        return replace(job.trial, status="failed", error="too fast") if bad else run(job)

    study, why = search(tmp_path / "study", 8, algorithm=Ahead(), executor=AtOnce(fails), fresh_seeds=0)
    assert why == "all 8 trials are done" and len(study.trials) == 8


def test_round_that_kills_the_process_runs_one_by_one_in_the_end(tmp_path):
    """No trial is given up for what another did: only one that was alone when the process died."""
    for start in range(1, DEATHS + 1):
        with Study.claim(tmp_path / "study", ABOUT) as study:
            study.begin_round([(0, 0), (1, 0)])
            for number in range(2):
                study.begin(Trial(number, Proposal({"x": 0.1 * number}), "running"), together=True)
            assert study.round_starts == start
    executor = AtOnce(run)
    study, _ = search(tmp_path / "study", 2, algorithm=Ahead(), executor=executor, fresh_seeds=0)
    assert executor.rounds == [[(0, 0)], [(1, 0)]]
    assert [trial.status for trial in study.trials] == ["completed"] * 2
