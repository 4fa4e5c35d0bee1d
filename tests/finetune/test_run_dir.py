"""A run's directory: claimed by one, complete or marked as not, never half-written."""

import os
import signal
import subprocess
import sys

import pytest

from finetune.run_dir import RunDir, next_run_path
from zoo.errors import DataError, LockedError, ResourceError, RunStateError


def finished(path):
    """Make a small finished run."""
    with RunDir.claim(path) as run:
        run.write_json("config", {"seed": 0})
        run.write_plot("curves", b"png")
        run.finish()
    return run


def test_refused_run_leaves_no_directory(tmp_path):
    """A run that fails before it wrote anything leaves the place as it was."""
    with pytest.raises(ValueError, match="bad data"), RunDir.claim(tmp_path / "run"):
        raise ValueError("bad data")
    assert not (tmp_path / "run").exists()


def test_other_peoples_files_are_not_touched(tmp_path):
    """A directory with anything in it is refused, with and without overwrite, unless it is a run."""
    (tmp_path / "thesis.txt").write_text("years of work")
    for overwrite, message in ((False, "not empty"), (True, "holds no run")):
        with pytest.raises(RunStateError, match=message), RunDir.claim(tmp_path, overwrite=overwrite):
            pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_overwrite_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    """The user's own file in a run directory survives an overwrite; the old run's files do not."""
    finished(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with RunDir.claim(tmp_path, overwrite=True):
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["LOCK", "notes.txt", "plots"]
        assert not list((tmp_path / "plots").iterdir())


def test_second_writer_is_refused_with_the_pid(tmp_path):
    """Two starts on one directory: the second learns who is there, and the first goes on."""
    with RunDir.claim(tmp_path / "run") as run:
        with pytest.raises(LockedError, match=f"process {os.getpid()} is writing"), RunDir.claim(run.path):
            pass
        run.write_json("config", {})


def test_lock_of_a_killed_process_is_recovered(tmp_path):
    """SIGKILL frees the lock; the directory can be claimed again at once."""
    code = (
        "import sys, time; from finetune.run_dir import RunDir\n"
        "with RunDir.claim(sys.argv[1]) as run: run.write_json('config', {}); print('in', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"in\n"
        with pytest.raises(LockedError, match=str(child.pid)), RunDir.claim(tmp_path / "run", overwrite=True):
            pass
        child.send_signal(signal.SIGKILL)
    with RunDir.claim(tmp_path / "run", overwrite=True) as run:
        assert run.path.is_dir()


def test_json_that_is_no_number_is_refused(tmp_path):
    """NaN has no place in JSON; it is an error here rather than in somebody's parser."""
    with RunDir.claim(tmp_path / "run") as run, pytest.raises(ValueError, match="JSON"):
        run.write_json("metrics", {"loss": float("nan")})


def test_what_is_written_is_read(tmp_path):
    """History keeps numbers as numbers, JSON any Unicode."""
    rows = [{"epoch": 1, "phase": "head", "loss": 0.5}, {"epoch": 2, "phase": "head", "loss": 1e-05}]
    with RunDir.claim(tmp_path / "run") as run:
        run.write_history(rows)
        run.write_json("data", {"class_names": ["Äpfel", "no"]})
    assert RunDir(tmp_path / "run").read_history() == rows
    assert RunDir(tmp_path / "run").read_json("data") == {"class_names": ["Äpfel", "no"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "holds no run"), (b"", "damaged"), (b'{"a": 1', "damaged"), (b"[" * 10**5, "damaged")],
)
def test_missing_and_damaged_files_are_run_state_errors(tmp_path, content, message):
    """A reader learns which file of which run is missing or damaged."""
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunStateError, match=message):
        RunDir(tmp_path).read_json("config")


def test_full_disk_is_a_resource_error(tmp_path):
    """A write that the disk refuses keeps the old file and says which file it was."""
    run = finished(tmp_path / "run")
    code = (
        "import resource, signal, sys; from finetune.run_dir import RunDir\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "RunDir(sys.argv[1]).write_json('config', {'x': 'y' * 1000})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True)
    assert "ResourceError" in done.stderr and "config.json: cannot be written (File too large)" in done.stderr
    assert run.read_json("config") == {"seed": 0}


def test_a_file_in_the_way_is_a_resource_error(tmp_path):
    """A path below a file cannot become a directory."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="choose another --run-dir"), RunDir.claim(tmp_path / "file" / "run"):
        pass


def test_next_run_path_counts_up(tmp_path):
    """Default directories are numbered and never reused."""
    assert next_run_path(tmp_path, "photos").name == "photos-1"
    (tmp_path / "photos-1").mkdir()
    assert next_run_path(tmp_path, "photos").name == "photos-2"


def test_refused_run_leaves_no_folder_that_it_made(tmp_path):
    """Of the folders above a run that is refused, those go that it made, and only while they are empty."""
    (tmp_path / "there").mkdir()
    for path, left in (("runs/a/b", []), ("there/a", []), ("kept/a", ["kept", "note"])):
        with pytest.raises(DataError), RunDir.claim(tmp_path / path) as run:
            if left:
                (run.path.parent / "note").write_text("of someone else")
            raise DataError("refused")
        found = sorted(entry.name for entry in tmp_path.rglob("*"))
        assert found == sorted(["there", *left])
