"""The report of a study: a page for whatever became of it, and shares that know what made the difference."""

import random
from dataclasses import replace

import pytest
from toy import ABOUT, run, search

from tuning.objective import Objective
from tuning.ranking import candidates
from tuning.report.importance import importances
from tuning.report.page import render
from tuning.report.plots import pareto
from tuning.study import Study
from tuning.trial import Proposal, Trial


def scored(number, score, seconds=1.0, **values):
    """Return a trial that has ended."""
    return Trial(number, Proposal(values), "completed", score=score, seconds=seconds)


def test_page_tells_the_winner_by_its_fresh_seeds(tmp_path):
    """The large number is the mean over fresh seeds; that of the search stands beside it."""
    study, _ = search(tmp_path / "a", 6, fresh_seeds=2)
    best = candidates(study)[0]
    page = render(study)
    assert f'<p class="big">{best.mean:.4g}</p>' in page and f"{best.trial.score:.5g}" in page
    assert "run again with seeds that the search had not used" in page


def test_page_escapes_what_the_study_holds(tmp_path):
    """Names and errors are text, whatever they look like, and nothing is fetched."""
    about = ABOUT | {"source": "/data/<script>alert(1)</script>.csv"}

    def runner(job):
        bad = replace(job.trial, status="failed", error="<img src=x onerror=alert(1)>")
        return bad if job.trial.number == 1 else run(job)

    study, _ = search(tmp_path / "a", 3, runner=runner, about=about)
    page = render(study)
    assert "<script" not in page and "<img src=x" not in page and "&lt;img src=x" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize("trials", [0, 1, 2])
def test_page_of_hardly_any_trials(tmp_path, trials):
    """A study that has just begun has a page too."""
    with Study.claim(tmp_path / "a", ABOUT):
        pass
    study = search(tmp_path / "a", trials, fresh_seeds=0)[0] if trials else Study(tmp_path / "a")
    assert ("No trial has a score" in render(study)) == (trials == 0)


def test_page_names_duplicates_and_failures(tmp_path):
    """Values that were tried twice are listed, and so is each failure with its reason."""

    class Same:
        def propose(self, trials, index):
            return Proposal({"x": 0.5 if index else 0.25})

    def runner(job):
        return replace(job.trial, status="failed", error="went wrong") if job.trial.number == 2 else run(job)

    page = render(search(tmp_path / "a", 4, algorithm=Same(), runner=runner)[0])
    assert "trial 3 has the values of trial 1" in page and "went wrong" in page


def test_importance_finds_what_makes_the_difference():
    """Of three hyperparameters one decides, one hardly, one not at all; a wide range and texts are understood."""
    draw = random.Random(0)
    trials = []
    for number in range(60):
        rate, kind, width = 10 ** draw.uniform(-5, -1), draw.choice(["a", "b"]), draw.randint(1, 100)
        effect = {"a": 0.0, "b": 0.3}[kind]
        trials.append(scored(number, (len(str(int(1 / rate))) - 3) ** 2 + effect, rate=rate, kind=kind, width=width))
    found = importances(trials)
    assert found["rate"] > 0.5 > found["kind"] and found["width"] < 0.1


def test_importance_of_few_or_equal_scores_is_not_told():
    """Nothing is made of five trials, or of scores that are all the same."""
    assert importances([scored(number, number, x=number) for number in range(5)]) == {}
    assert importances([scored(number, 1.0, x=number) for number in range(20)]) == {}


@pytest.mark.parametrize(("direction", "numbers"), [("min", [2, 0, 3]), ("max", [2, 4])])
def test_front_holds_what_nothing_beats_in_both(direction, numbers):
    """From the quickest on, each on the front is better than all quicker ones."""
    trials = [scored(0, 0.5, 2), scored(1, 0.6, 3), scored(2, 0.7, 1), scored(3, 0.1, 9), scored(4, 0.9, 4)]
    assert [trial.number for trial in pareto(trials, Objective("val_x", direction))] == numbers
