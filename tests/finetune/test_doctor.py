"""The doctor: it says what a run would stumble over, in order of gravity, and trains nothing."""

import json
import os

import pytest
from small_pictures import make_pictures

from finetune.cli import cli, run_command
from finetune.config import make_config
from finetune.doctor import diagnose
from finetune.progress import Reporter

pytestmark = pytest.mark.keras


@pytest.fixture
def examine(tmp_path):
    """Return a function that diagnoses data with a cache of the test's own."""

    def run(data, **settings):
        config = make_config({"data": str(data), "cache_dir": str(tmp_path / "cache")} | settings)
        return diagnose(config, Reporter(0))

    return run


def test_sound_pictures_are_ready(examine, tmp_path):
    """Pictures without a fault have nothing but notes."""
    diagnosis = examine(make_pictures(tmp_path / "pictures"))
    assert diagnosis.healthy and not diagnosis.counts["error"]
    assert diagnosis.data["splits"] == {"train": 18, "validation": 6, "test": 6}


def test_what_is_wrong_is_listed_by_gravity(examine, tmp_path):
    """A broken file and a picture in two classes are warnings, before the notes; strict makes them fatal."""
    root = make_pictures(tmp_path / "pictures")
    (root / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    (root / "red" / "same.png").write_bytes((root / "blue" / "0.png").read_bytes())
    diagnosis = examine(root)
    found = [(finding.severity, finding.check) for finding in diagnosis.findings]
    assert {("warning", "duplicates"), ("warning", "skipped")} <= set(found)
    assert found == sorted(found, key=lambda item: ("error", "warning", "note").index(item[0]))
    assert diagnosis.healthy and not examine(root, strict="true").healthy


def test_odd_names_of_files_leave_the_answer_valid(tmp_path, capsysbinary):
    """A skipped file whose name is no UTF-8, or holds a line end, is named in valid JSON."""
    root = make_pictures(tmp_path / "pictures")
    (root / "red" / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"")
    (root / "red" / "a\nb.png").write_bytes((root / "red" / "0.png").read_bytes())
    run_command(cli, ["doctor", str(root), "--json", "--set", f"cache_dir={tmp_path / 'cache'}", "--verbose", "0"])
    said = json.loads(capsysbinary.readouterr().out.decode("utf-8"))
    assert [item["file"] for item in said["skipped"]] == [r"red/\xff\xfe.png"]


def test_data_that_cannot_be_used_are_an_error(examine, tmp_path):
    """What would refuse a run is the one finding, and nothing is raised."""
    (tmp_path / "empty").mkdir()
    diagnosis = examine(tmp_path / "empty")
    assert not diagnosis.healthy and [finding.check for finding in diagnosis.findings] == ["unusable"]


def test_tables_are_examined_too(examine, tmp_path):
    """A column that gives the answer away is found before it is trained on."""
    rows = [f"{index % 7},{'yes' if index % 2 else 'no'},{'Y' if index % 2 else 'N'}" for index in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,label,answer", *rows]) + "\n")
    diagnosis = examine(tmp_path / "t.csv", target="label")
    assert "label copy" in [finding.check for finding in diagnosis.findings]


def test_command_exits_with_3_only_where_training_would_be_wrong(tmp_path, capsys):
    """The table goes to stdout, JSON on request, and the exit code is for scripts."""
    root = make_pictures(tmp_path / "pictures")
    cache = ["--set", f"cache_dir={tmp_path / 'cache'}", "--verbose", "0"]
    assert run_command(cli, ["doctor", str(root), *cache]) == 0
    assert "ready to train" in capsys.readouterr().out
    assert run_command(cli, ["doctor", str(root), "--json", *cache]) == 0
    assert json.loads(capsys.readouterr().out)["num_examples"] == 30
    assert run_command(cli, ["doctor", str(tmp_path / "nothing"), *cache]) == 3
    assert "not ready to train: 1 error" in capsys.readouterr().out
