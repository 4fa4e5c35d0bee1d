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


class Ahead(Draws):
    """Proposes numbers that depend on the index alone, some of them ahead."""

    def propose(self, trials, index):
        """Return the proposal of an index."""
        return super().propose([], index)

    def ahead(self, trials):
        """Return how many are known before any of them has run."""
        return 4


class AtOnce:
    """Runs jobs at once; scores depend on who runs beside whom, as the last bits of heads in a stack do."""

    slots, at_once = 4, True

    def __init__(self, runner):
        self.runner, self.waiting, self.rounds = runner, [], []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.waiting.clear()

    @property
    def busy(self):
        """How many are not done."""
        return len(self.waiting)

    def together(self, trials):
        """Take all of them."""
        return len(trials)

    def submit(self, job):
        """Take a job on."""
        self.waiting.append(job)

    def results(self):
        """Yield those that had not ended before."""
        beside = [job.trial.key for job in self.waiting]
        self.rounds.append([key for key, job in zip(beside, self.waiting, strict=True) if not job.ended])
        for job in list(self.waiting):
            done = self.runner(job)
            self.waiting.remove(job)
            if not job.ended:
                yield replace(done, score=done.score and done.score + len(repr(beside)) * 1e-9)


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


def search(path, max_trials, *, runner=run, algorithm=None, about=ABOUT, fresh_seeds=1, executor=None, **how):
    """Search as `tuner search` does, and return the study and why it ended."""
    with Study.claim(path, about) as study, executor or InProcess(runner) as executor:
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
