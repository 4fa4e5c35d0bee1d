"""The command `tuner`: what it prints, and how it refuses."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from toy import search

from finetune.cli import run_command
from tuning.cli import cli
from tuning.study import JOURNAL


@pytest.fixture
def study(tmp_path):
    """A study of four trials, the best run again twice."""
    return search(tmp_path / "study", 4, fresh_seeds=2)[0].path


def tuner(*arguments):
    """Run the command in this process, and return its exit code."""
    return run_command(cli, [str(argument) for argument in arguments])


def test_trials_as_csv(study, capsys):
    """A row for each trial and each run with a fresh seed, with a column for each hyperparameter."""
    assert tuner("trials", study, "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4 + 3 * 2 and rows[0]["values.x"] and float(rows[0]["score"]) >= 0


def test_best_as_json(study, capsys):
    """One object: the winner with its fresh scores, mean and spread, and its settings."""
    assert tuner("best", study, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    best = found["best"]
    assert best["mean"] == pytest.approx(sum(best["fresh_scores"]) / 2) and best["spread"] is not None
    assert best["mean"] == min(one["mean"] for one in (best, *found["others"]))


def test_best_as_config_has_seed_and_sides(study, capsys):
    """The file names data, values, the trial's seed and the study's split."""
    assert tuner("best", study, "--config") == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert found["data"] == "/toy" and found["split_seed"] == 0 and found["seed"] > 0 and "x" in found


def test_report_prints_its_path(study, capsys):
    """The page is made anew."""
    assert tuner("report", study) == 0
    assert capsys.readouterr().out.strip() == str(study / "report.html")
    assert (study / "report.html").is_file()


@pytest.mark.parametrize("command", ["trials", "best", "report", "ensemble"])
def test_no_study_is_said(command, tmp_path, capsys):
    """A directory without a study gives exit code 5 and a line, not a traceback."""
    assert tuner(command, tmp_path) == 5
    assert "holds no study" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["trials", "best", "report"])
def test_damaged_journal_is_said(study, command, capsys):
    """A journal that somebody edited is named with its line."""
    content = (study / JOURNAL).read_bytes()
    (study / JOURNAL).write_bytes(content.replace(b'"status":"completed"', b'"status":"complete!"', 1))
    assert tuner(command, study) == 5
    assert "damaged" in capsys.readouterr().err


def test_study_without_scores_has_no_best(tmp_path, capsys):
    """What failed is told instead."""

    def runner(job):
        return replace(job.trial, status="failed", error="no luck")

    path = search(tmp_path / "a", 2, runner=runner)[0].path
    assert tuner("best", path) == 5
    assert "none of 2 trials has a score; the last error: no luck" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm", "bayes", "--max-trials", "2"], "algorithm 'bayes' is not known.*Nearest: bayesian"),
        (["--max-trials", "0"], "max_trials must be 1 or more"),
        (["--algorithm", "random"], "no end of its own: give max_trials or max_minutes"),
        (["--max-trials", "2", "--set", "learning_rte=1"], "unknown setting 'learning_rte'.*learning_rate"),
        (["--max-trials", "2", "--workers", "auto", "--cluster", "local"], "give the number of trials at a time"),
        (["--max-trials", "2", "--workers", "two"], "workers must be 0 or more, or auto; received 'two'"),
        (["--max-trials", "2", "--cluster", "local"], "needs Ray: pip install 'keras-graft.cluster.'"),
        (
            ["--max-trials", "2", "--objective", "val_f2"],
            "val_f2 is not measured for classification; accepted: val_loss, ",
        ),
        (["--max-trials", "2", "--objective", "val_loss:max"], "objective val_loss: min is better"),
        (["--max-trials", "2", "--space", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_written(tmp_path, monkeypatch, capsys, options, message):
    """Exit code 2, a message that names the remedy, and no study."""
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "t.csv").write_text("a,label\n" + "".join(f"{n / 7:.2f},{'xy'[n % 2]}\n" for n in range(40)))
    monkeypatch.chdir(tmp_path)
    code = tuner("search", "t.csv", "--model", "mlp", "--verbose", "0", *options)
    assert code == 2 and re.search(message, capsys.readouterr().err)
    assert [path.name for path in tmp_path.rglob("*") if path.name != "studies"] == ["t.csv"]


def test_fault_of_a_space_is_told_with_its_line(tmp_path, monkeypatch, capsys):
    """A name that is no setting is told with file and line, as other faults of the file are."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("a,label\n" + "".join(f"{n / 7:.2f},{'xy'[n % 2]}\n" for n in range(40)))
    (tmp_path / "space.yaml").write_text("space:\n  l2: 0.0\n  learning_rte: 0.1\n")
    assert tuner("search", "t.csv", "--max-trials", "2", "--space", "space.yaml") == 2
    assert "space.yaml line 3: space.learning_rte is no setting" in capsys.readouterr().err


def test_study_that_is_a_file_is_said(tmp_path, capsys):
    """The journal itself is no study, and neither is another file."""
    (tmp_path / "file").touch()
    assert tuner("best", tmp_path / "file") == 5
    assert "is a file; a study is a directory" in capsys.readouterr().err


def test_search_without_data_says_so(capsys):
    """What is missing first is told first."""
    assert tuner("search") == 2
    assert "DATA is missing: tuner search FOLDER" in capsys.readouterr().err


def test_help_is_light():
    """Help of the command and of its parts loads neither Keras nor scikit-learn."""
    code = (
        "import sys, tuning.cli; from finetune.cli import run_command\n"
        "run_command(tuning.cli.cli, ['search', '--help'])\n"
        "print({'keras', 'numpy', 'tensorflow', 'sklearn', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("set()") and "--max-minutes" in done.stdout
