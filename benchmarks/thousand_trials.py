"""What a search costs beside its trials: 1000 trials of a formula, with weights kept, then read again.

python benchmarks/thousand_trials.py [--trials 1000] [--algorithm random]
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from finetune.progress import Reporter
from tuning.carrying_out import Plan, carry_out
from tuning.default_spaces import default_space
from tuning.job import Job
from tuning.kept import Kept, KeptWeights
from tuning.objective import objective_for
from tuning.ranking import TOP
from tuning.report.page import write_report
from tuning.study import JOURNAL, Study
from tuning.trial import Trial
from tuning.wishes import Wishes

_WEIGHTS = 10_000


def main() -> None:
    """Print milliseconds a trial, megabytes, and bytes on disk."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--algorithm", default="random")
    options = parser.parse_args()
    space, objective = default_space("mlp"), objective_for("classification")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study"

        def runner(kept: Kept, states: Path) -> object:
            return lambda job: _formula(job, kept, objective)

        plan = Plan(path, "/none", {}, objective, space, 0, {}, 9, False, False, runner)
        reporter = Reporter(0)

        def search(trials: int) -> None:
            carry_out(plan, Wishes(options.algorithm, max_trials=trials, fresh_seeds=0), reporter)

        search(20)
        before, started, used = _rss(), time.perf_counter(), time.process_time()
        search(20 + options.trials)
        seconds, cpu, grown = time.perf_counter() - started, time.process_time() - used, _rss() - before
        started = time.perf_counter()
        study = Study(path)
        reload = time.perf_counter() - started
        started, used = time.perf_counter(), time.process_time()
        write_report(study)
        seconds, cpu = seconds - time.perf_counter() + started, cpu - time.process_time() + used
        assert len(study.trials) == 20 + options.trials
        journal = (path / JOURNAL).stat().st_size
        weights = sum(file.stat().st_size for file in (path / "models").iterdir())
        each, busy = 1000 * seconds / options.trials, 1000 * cpu / options.trials
        print(f"{each:.1f} ms a trial ({busy:.1f} ms of a core), without the report")
        print(f"read again in {reload:.2f} s; memory grew by {grown / 1e6:.0f} MB")
        print(f"journal {journal / len(study.trials):,.0f} bytes a trial; weights {weights:,} bytes of {TOP} trials")


def _formula(job: Job, kept: Kept, objective: object) -> Trial:
    values = job.trial.proposal.values
    score = abs(np.log10(values["learning_rate"]) + 2) + values["l2"] + job.trial.seed % 97 * 1e-4
    if objective.cost(score) < job.keep_under:
        kept.write(job.trial.number, KeptWeights("features", [np.zeros(_WEIGHTS, "float32")]))
    epochs = list(range(1, 41))
    curve = {name: [round(score + 1 / epoch, 5) for epoch in epochs] for name in ("loss", "val_loss", "val_accuracy")}
    scores = {"val_loss": float(score), "val_accuracy": 0.5}
    return replace(
        job.trial, status="completed", score=float(score), scores=scores, curve=curve, curve_epochs=epochs, seconds=0.0
    )


def _rss() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
