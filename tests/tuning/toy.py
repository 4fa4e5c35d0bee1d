"""A search without Keras: a score that is a formula, run in milliseconds by the real loop on a real study."""

import hashlib
from dataclasses import replace

from tuning.algorithm import WAIT
from tuning.in_process import InProcess
from tuning.loop import Budget, Loop
from tuning.study import Study
from tuning.trial import Proposal

ABOUT = {
    "source": "/toy",
    "data": {"fingerprint": "0"},
    "objective": "val_loss:min",
    "space": {"space": [{"name": "x", "type": "float", "low": 0.0, "high": 1.0}]},
    "algorithm": "random",
    "seed": 0,
    "settings": {"model": "toy"},
}


class Draws:
    """Proposes numbers that depend on the index and on all scores before, as a model-based search does."""

    def __init__(self, most=10**9):
        self.most = most

    def propose(self, trials, index):
        """Return the proposal of an index; nothing after `most`."""
        if index >= self.most:
            return None
        before = [trial.score for trial in trials if trial.status == "completed"]
        return Proposal({"x": int(hashlib.sha256(repr((index, before)).encode()).hexdigest()[:6], 16) / 16**6})


class Waits(Draws):
    """Proposes the second trial only when the first has ended."""

    def propose(self, trials, index):
        """Wait while anything runs."""
        return WAIT if any(trial.status == "running" for trial in trials) else super().propose(trials, index)


def score(trial):
    """Return the score of a trial: a function of its value and seed."""
    return (trial.proposal.values["x"] - 0.3) ** 2 + trial.seed % 97 * 1e-6


def run(job):
    """Run a job."""
    return replace(job.trial, status="completed", score=score(job.trial), seconds=0.001, scores={"val_loss": 1.0})


def search(path, max_trials, *, runner=run, algorithm=None, about=ABOUT, fresh_seeds=1, **how):
    """Search as `tuner search` does, and return the study and why it ended."""
    with Study.claim(path, about) as study, InProcess(runner) as executor:
        loop = Loop(study, algorithm or Draws(), executor, Budget(max_trials), **how)
        try:
            why = loop.search()
            loop.repeat(fresh_seeds)
        finally:
            study.pause(loop.spent)
    return study, why


def outcome(study):
    """Return what has to be equal however often a search was broken off."""
    everything = [*study.trials, *(again for trial in study.trials for again in study.repeats_of(trial.number))]
    return [(t.number, t.repeat, dict(t.proposal.values), t.seed, t.status, t.score) for t in everything]
