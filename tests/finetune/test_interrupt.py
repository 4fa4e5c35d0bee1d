"""A run that is stopped half-way: what it says, what it leaves, and what the next one takes over."""

import json
import signal
import subprocess
import sys
import time

import pytest
from small_pictures import make_pictures

pytestmark = pytest.mark.slow
ROWS = 1200


def start(tmp_path):
    """Start a fit in a process of its own."""
    command = [sys.executable, "-c", "from finetune.cli import main; main()", "fit", "pictures", "--overwrite"]
    options = ["--run-dir", "run", "--set", "image_size=128", "--set", "cache_dir=cache", "--epochs", "2"]
    return subprocess.Popen([*command, *options], cwd=tmp_path, stderr=subprocess.PIPE, text=True)


def wait_for_features(tmp_path):
    """Wait until some rows of features are safe on disk; return how many."""
    for _ in range(600):
        for manifest in tmp_path.glob("cache/features/*/manifest.json"):
            return json.loads(manifest.read_text())["rows"]
        time.sleep(0.1)
    pytest.fail("no features came")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_stopped_run_is_continued(tmp_path, number, code):
    """Stopped while the features are computed: the exit code of the signal, no traceback, and the rows are reused."""
    make_pictures(tmp_path / "pictures", per_class=ROWS // 3)
    with start(tmp_path) as first:
        assert wait_for_features(tmp_path) < ROWS
        first.send_signal(number)
        said = first.stderr.read()
    assert first.returncode == code and "Traceback" not in said
    with start(tmp_path) as second:
        said = second.stderr.read()
    assert second.returncode == 0 and "reused from an earlier run" in said, said
