"""Progress: bars that say how fast it really goes."""

import io
import re
import time

import pytest
from rich.console import Console

from finetune.progress import Reporter

WAITED = 0.2


@pytest.mark.parametrize("done", [0, 1000])
def test_rate_is_that_of_all_that_was_waited_for(done):
    """Steps that come in one go after a wait are as slow as that; steps of an earlier run are no part of it."""
    reporter, shown = Reporter(1), io.StringIO()
    reporter.console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    with reporter.track("predicting", done + 20, done=done) as advance:
        time.sleep(WAITED)
        for _ in range(20):
            advance(1)
    text = shown.getvalue()
    rates = [int(rate.replace(",", "")) for rate in re.findall(r"([\d,]+) images/s", text)]
    assert f"{done + 20}/{done + 20}" in text and rates and 0 < rates[-1] <= 20 / WAITED
