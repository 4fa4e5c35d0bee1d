"""Memory does not grow with the number of pictures: nothing holds all pixels, or all features twice."""

import json
import subprocess
import sys

import pytest
from small_pictures import make_pictures

MAX_GROWTH_BYTES = 300e6

pytestmark = pytest.mark.slow


def peak_rss_bytes(pictures, tmp_path):
    """Fit on a folder in a process of its own and return the most memory it held."""
    name = pictures.name
    code = (
        "import sys, json, finetune\n"
        "folder, base = sys.argv[1:]\n"
        "places = {'run_dir': base + '/run', 'cache_dir': base + '/cache'}\n"
        "run = finetune.fit(folder, verbose=0, image_size=32, epochs=2, **places)\n"
        "print(json.dumps(run.metrics['peak_rss_bytes']))"
    )
    command = [sys.executable, "-c", code, str(pictures), str(tmp_path / f"fit-{name}")]
    (tmp_path / f"fit-{name}").mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_features_of_20000_pictures_need_no_more_memory(tmp_path):
    """Twenty times the pictures cost at most 300 MB more, the mapped features included."""
    few = peak_rss_bytes(make_pictures(tmp_path / "few", per_class=500, classes=("a", "b")), tmp_path)
    many = peak_rss_bytes(make_pictures(tmp_path / "many", per_class=10_000, classes=("a", "b")), tmp_path)
    print(f"1,000 pictures {few / 1e6:,.0f} MB, 20,000 pictures {many / 1e6:,.0f} MB")
    assert many - few < MAX_GROWTH_BYTES
