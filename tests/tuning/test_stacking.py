"""Trials that learn as one: what each of them would be alone, sooner."""

from dataclasses import replace
from typing import get_args

import keras
import numpy as np
import pytest

import tuning
from finetune import together as together_module
from finetune.config import FinetuneConfig, make_config
from finetune.progress import Reporter
from finetune.together import ELEMENTWISE
from finetune.training.schedules import learning_rate_schedule
from finetune.training.stack import Member
from tuning import stacking
from tuning.ground import Grounds
from tuning.job import Job
from tuning.kept import Kept
from tuning.objective import objective_for
from tuning.run_trial import RecipeRunner
from tuning.stacking import Stacking
from tuning.trial import Proposal, Trial
from zoo.errors import ResourceError

pytestmark = pytest.mark.keras
# How far sums in another order may lead apart over some epochs.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


@pytest.fixture
def table(tmp_path):
    """A small table with three classes and a number."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 3))
    rows = [
        f"{a:.3f},{b:.3f},{c:.3f},{'xyz'[int(np.argmax([a, b, c]))]},{a - 2 * b + generator.normal() / 9:.3f}\n"
        for a, b, c in x
    ]
    (tmp_path / "t.csv").write_text("a,b,c,label,number\n" + "".join(rows))
    return tmp_path / "t.csv"


def runner(table, tmp_path, **settings):
    """Return what runs trials on a table."""
    chosen = {"data": table, "target": "label", "epochs": 4, "units": (8,), "batch_size": 16}
    kept = Kept(tmp_path / "models", "id")
    task = settings.pop("task", "classification")
    return RecipeRunner(Grounds(make_config(chosen | settings)), objective_for(task), kept, tmp_path / "states")


def jobs(*values, **how):
    """Return jobs with seeds of their own."""
    return [Job(Trial(n, Proposal(one), "running", seed=50 + n), **how) for n, one in enumerate(values)]


def together(one, asked):
    """Return what becomes of jobs that are run at once, and in which groups they learned."""
    groups, real = [], stacking.learn_together

    def watched(lessons, *arguments, **how):
        found = real(lessons, *arguments, **how)
        groups.extend([[lesson.config.seed - 50 for lesson in lessons]] * bool(found))
        return found

    with pytest.MonkeyPatch.context() as patch, Stacking(one, Reporter(0)) as executor:
        patch.setattr(stacking, "learn_together", watched)
        for job in asked:
            executor.submit(job)
        found = {trial.number: trial for trial in executor.results()}
        assert not executor.busy
    return found, groups


def same(first, second):
    """Compare all that was measured of two trials."""
    assert (first.status, first.epochs, first.parameters) == (second.status, second.epochs, second.parameters)
    assert first.curve.keys() == second.curve.keys() and first.scores.keys() == second.scores.keys()
    for name in first.curve:
        np.testing.assert_allclose(first.curve[name], second.curve[name], err_msg=name, **CLOSE)
    for name in first.scores:
        np.testing.assert_allclose(first.scores[name], second.scores[name], err_msg=name, **CLOSE)


@pytest.mark.parametrize("optimizer", sorted(ELEMENTWISE))
def test_optimizers(table, tmp_path, optimizer):
    """Rates, decay, L2 and dropout of their own, and one optimizer: each has the curve and the scores it has alone."""
    one = runner(table, tmp_path, optimizer=optimizer, schedule="cosine")
    asked = jobs(
        {"learning_rate": 0.02, "weight_decay": 0.1},
        {"learning_rate": 0.005, "l2": 0.01, "dropout": 0.3},
    )
    found, groups = together(one, asked)
    assert groups == [[0, 1]]
    for job in asked:
        same(found[job.trial.number], one(job))


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "plateau", "decay_epochs": 1, "decay_factor": 0.5, "learning_rate": 0.3},
        {"schedule": "one_cycle"},
        {"schedule": "step"},
        {"schedule": "cosine_restarts", "warmup_epochs": 1},
        {"class_weights": "balanced", "label_smoothing": 0.1},
        {"loss": "focal"},
        {"model": "linear"},
        {"units": (8, 4), "activation": "gelu"},
        {"task": "regression", "target": "number"},
        {"task": "regression", "target": "number", "loss": "huber"},
    ],
    ids=str,
)
def test_settings(table, tmp_path, settings):
    """Schedules, losses, weights and networks: each head has the curve and the scores it has alone."""
    one = runner(table, tmp_path, **settings)
    asked = jobs({"dropout": 0.2, "l2": 0.001}, {"l2": 0.01}, {"dropout": 0.4, "epochs": 2})
    found, groups = together(one, asked)
    assert groups == [[0, 1, 2]]
    for job in asked:
        same(found[job.trial.number], one(job))


def test_rates_of_every_schedule_are_those_of_its_steps():
    """Rates that are asked for all steps at once are those of one step after the other."""
    for name in get_args(FinetuneConfig.model_fields["schedule"].annotation):
        for warmup in (0, 1):
            config = make_config({"schedule": name, "warmup_epochs": warmup})
            schedule = learning_rate_schedule(config, learning_rate=0.1, steps_per_epoch=7, epochs=6)
            expected = [float(schedule(keras.ops.convert_to_tensor(step))) for step in range(7, 42)]
            rates = Member(None, config, schedule).rates(7, 35)
            np.testing.assert_allclose(rates, np.array(expected, "float32"), rtol=1e-6, err_msg=name)


def test_heads_that_are_done_leave_the_others(table, tmp_path):
    """Each stops for itself, by patience or at its last epoch, and the others go on as if it had never been there."""
    one = runner(table, tmp_path, epochs=14, patience=2)
    asked = jobs(*({"learning_rate": rate} for rate in (0.3, 0.1, 0.003)), {"epochs": 1}, {"epochs": 2})
    found, groups = together(one, asked)
    epochs = [found[number].epochs for number in range(5)]
    assert groups == [[0, 1, 2, 3, 4]] and epochs[3:] == [1, 2] and epochs[2] == 14 > min(epochs[:2])
    for job in asked:
        same(found[job.trial.number], one(job))


def test_head_that_diverges_fails_alone(table, tmp_path):
    """Its loss is not finite any more, which is its own fault and no other's."""
    one = runner(table, tmp_path, target="number", optimizer="sgd", model="linear", task="regression")
    asked = jobs({"learning_rate": 0.01}, {"learning_rate": 10.0, "epochs": 200}, {"learning_rate": 0.02})
    found, groups = together(one, asked)
    assert groups == [[0, 1, 2]]
    assert (found[1].status, found[1].again) == ("failed", False) and "not finite" in found[1].error
    for number in (0, 2):
        same(found[number], one(asked[number]))


@pytest.mark.parametrize(
    "values",
    [{"optimizer": "lamb"}, {"optimizer": "muon"}, {"ema": 0.9}, {"clip_norm": 1.0}, {"accumulation_steps": 2}],
    ids=str,
)
def test_what_a_stack_does_not_know_learns_alone(table, tmp_path, values):
    """Settings by which one weight depends on others, or that are not in the stack: the same to the last bit."""
    one = runner(table, tmp_path, epochs=2)
    asked = jobs(values, values)
    found, groups = together(one, asked)
    assert not groups and [found[n].scores for n in range(2)] == [one(job).scores for job in asked]


def test_only_those_of_a_kind_learn_as_one(table, tmp_path):
    """Heads of other sizes, optimizers or batches are other groups, and a single one learns alone."""
    one = runner(table, tmp_path, epochs=2)
    kinds = [{}, {"batch_size": 8}, {"optimizer": "sgd"}, {"units": 4}]
    found, groups = together(one, jobs(*kinds, *kinds[:3], {"units": 6}))
    assert groups == [[0, 4], [1, 5], [2, 6]] and len(found) == 8


def test_trial_that_had_ended_makes_up_the_stack(table, tmp_path):
    """It learns once more, so that the other has the same bits as when both were new; nothing of it is yielded."""
    one = runner(table, tmp_path)
    first, second = jobs({"learning_rate": 0.02}, {"learning_rate": 0.01})
    found, _ = together(one, [first, second])
    again, groups = together(one, [replace(first, ended=True, keep_under=float("-inf")), second])
    assert groups == [[0, 1]] and list(again) == [1]
    assert again[1].scores == found[1].scores and again[1].curve == found[1].curve


def test_fault_of_the_stack_is_told_and_costs_no_trial(table, tmp_path, monkeypatch):
    """Where heads cannot learn as one for a reason that nobody thought of, each learns alone."""

    def broken(*arguments, **how):
        raise RuntimeError("no such kernel")

    said = []
    monkeypatch.setattr(stacking, "learn_together", broken)
    monkeypatch.setattr(stacking.warnings, "warn", lambda text, *_, **how: said.append(text))
    with Stacking(runner(table, tmp_path, epochs=2), Reporter(0)) as executor:
        for job in jobs({}, {}):
            executor.submit(job)
        assert [trial.status for trial in executor.results()] == ["completed"] * 2
    assert len(said) == 1 and "no such kernel" in said[0]


def test_each_trial_is_judged_when_those_before_are_written_down(table, tmp_path):
    """Whoever is told of a trial removes weights that are not among the best so far, and none that come later."""
    one = runner(table, tmp_path, epochs=2)
    with Stacking(one, Reporter(0)) as executor:
        for job in jobs({}, {}, {}):
            executor.submit(job)
        for count, _ in enumerate(executor.results(), start=1):
            assert len(list(one.kept.folder.iterdir())) == count


def test_disk_that_is_full_fails_a_trial_that_is_tried_again(table, tmp_path, monkeypatch):
    """What goes wrong when a head is judged is its own outcome, as of one that learned alone."""

    def full(self, number, weights):
        raise ResourceError("no space left")

    monkeypatch.setattr(Kept, "write", full)
    found, groups = together(runner(table, tmp_path, epochs=2), jobs({}, {}))
    assert groups == [[0, 1]] and all((found[n].status, found[n].again) == ("failed", True) for n in range(2))


def test_frozen_layer_is_no_fault(table, tmp_path):
    """A layer that does not learn is nothing that a stack knows, and nothing to be told of."""
    found, groups = together(runner(table, tmp_path, epochs=2, freeze=("dense1",)), jobs({}, {}))
    assert not groups and [found[n].status for n in range(2)] == ["completed"] * 2


def test_what_had_ended_learns_only_beside_others(table, tmp_path):
    """Alone, or among those that all have ended, a trial is not run again."""
    ran, real = [], RecipeRunner.__call__
    asked = jobs({"optimizer": "sgd"}, {"ema": 0.9}, {"learning_rate": 0.01}, {"ema": 0.9}, {"learning_rate": 0.02})
    ended = [replace(job, ended=job.trial.number < 4 and job.trial.number != 2) for job in asked]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RecipeRunner, "__call__", lambda self, job: ran.append(job.trial.number) or real(self, job))
        found, groups = together(runner(table, tmp_path, epochs=2), ended)
    assert groups == [[2, 4]] and sorted(found) == [2, 4] and not ran


def test_heads_that_take_much_memory_learn_in_smaller_stacks(table, tmp_path, monkeypatch):
    """As many learn as one as fit; where not even two do, each learns alone."""
    stacks, real_teach = [], together_module._teach
    monkeypatch.setattr(
        together_module, "_teach", lambda pupils, *how: stacks.append(len(pupils)) or real_teach(pupils, *how)
    )
    one = runner(table, tmp_path, epochs=2)
    for most, expected in ((9_000, [3, 2]), (2_000, [])):
        stacks.clear()
        monkeypatch.setattr(together_module, "MOST_BYTES", most)
        found, _ = together(one, jobs(*[{}] * 5))
        assert stacks == expected and len(found) == 5


def test_rounds_are_of_heads_on_the_same_features(table, tmp_path):
    """Trials are begun ahead where some of them learn as one, and none that cost more or stand on other data."""
    executor = Stacking(runner(table, tmp_path), Reporter(0))

    def count(*values):
        return executor.together([job.trial for job in jobs(*values)])

    assert count({}, {"optimizer": "sgd"}, {"learning_rate": 0.1}) == 3
    assert count({}, {"optimizer": "sgd"}, {"optimizer": "lion"}) == 1
    assert count({}, {}, {"missing": "mean"}, {}) == 2
    assert count({}, {}, {"ema": 0.9}, {}) == 2
    assert count({"ema": 0.9}, {}, {}) == 1


def test_search_in_rounds_finds_what_one_by_one_finds(table, tmp_path):
    """The same proposals, seeds and fresh seeds, and the same scores up to rounding; killed or not, none is lost."""
    space = {"space": {"learning_rate": {"low": 1e-3, "high": 1e-1, "scale": "log"}, "dropout": [0.0, 0.2]}}
    settings = {"algorithm": "random", "max_trials": 6, "fresh_seeds": 1, "epochs": 3, "units": (4,), "verbose": 0}
    studies = [
        tuning.search(table, space=space, target="label", study=tmp_path / f"{stack}", stack=stack, **settings)
        for stack in (True, False)
    ]
    for trials in zip(*(study.trials for study in studies), strict=True):
        assert len({trial.seed for trial in trials}) == 1 and trials[0].proposal == trials[1].proposal
        same(*trials)
    assert len(studies[0].round) > 1 and not studies[1].round


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several labels"])
def test_heads_on_pictures(tmp_path, several):
    """Heads on a frozen network, with one class a picture and with several labels, find what they find one by one."""
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (60, 32, 32, 3), dtype="uint8"), generator.integers(0, 2, (60, 3))
    settings = {"model": "efficientnet_lite0", "image_size": 32, "epochs": 3, "cache_dir": tmp_path, "verbose": 0}
    settings |= {"algorithm": "random", "max_trials": 3, "fresh_seeds": 0}
    space = {"space": {"learning_rate": {"low": 1e-3, "high": 1e-1, "scale": "log"}, "dropout": [0.0, 0.2]}}
    studies = [
        tuning.search(x, y if several else y[:, 0], space=space, study=tmp_path / f"{stack}", stack=stack, **settings)
        for stack in (True, False)
    ]
    assert len(studies[0].round) == 3
    for trials in zip(*(study.trials for study in studies), strict=True):
        same(*trials)
