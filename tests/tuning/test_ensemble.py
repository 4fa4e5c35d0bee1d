"""The average of a study's best heads: one model, chosen where neither search nor learning looked."""

import numpy as np
import pytest
from PIL import Image

import finetune
import tuning
from finetune.config import make_config
from finetune.progress import Reporter
from tuning.ensemble import deal_choosing, make_ensemble
from tuning.ground import Grounds
from tuning.selection import average, choose_members
from zoo.errors import RunStateError

SPACE = {"space": {"learning_rate": [0.003, 0.01, 0.03], "units": [4, 8]}}


@pytest.fixture
def table(tmp_path):
    """A small table of two classes that overlap."""
    x = np.random.default_rng(0).normal(size=(120, 3))
    labels = np.where(x.sum(axis=1) + np.random.default_rng(1).normal(size=120) > 0, "yes", "no")
    rows = "".join(f"{a:.3f},{b:.3f},{c:.3f},{label}\n" for (a, b, c), label in zip(x, labels, strict=True))
    (tmp_path / "t.csv").write_text("a,b,c,label\n" + rows)
    return tmp_path / "t.csv"


def test_average_is_no_worse_than_the_best_where_it_was_chosen():
    """Greedy choice from a library begins with the best, and stops before it gets worse."""
    draw = np.random.default_rng(0)
    truth = draw.normal(size=(200, 1))
    answers = [truth + draw.normal(size=truth.shape) * noise for noise in (0.5, 0.4, 0.6, 3.0)]

    def cost(some):
        return float(((some - truth) ** 2).mean())

    counts = choose_members(answers, cost)
    chosen = [at for at, count in enumerate(counts) for _ in range(count)]
    assert cost(average(answers, chosen)) < 0.6 * min(map(cost, answers))
    assert counts[3] == 0


def test_one_that_is_best_alone_stays_alone():
    """Where nothing helps it, the best counts once and nothing else does."""
    truth = np.zeros((5, 1))
    assert choose_members([truth + 1, truth, truth + 2], lambda some: float(abs(some).mean())) == [0, 1, 0]


def test_counts_have_no_common_factor():
    """A model that is best alone counts once, however the last bits of the averages of its copies fall."""
    costs = iter([*[1.0] * 2, *[0.5 - step * 1e-7 for step in range(500)]])
    counts = choose_members([np.zeros(2), np.ones(2)], lambda some: 9.0 if some[0] == 0 else next(costs))
    assert np.gcd.reduce(counts) == 1


@pytest.mark.keras
def test_ensemble_is_a_run_that_answers(table, tmp_path):
    """One saved model, whose answers are the average; the best alone is judged beside it on the same test side."""
    options = {"algorithm": "grid", "epochs": 4, "fresh_seeds": 0, "verbose": 0, "max_trials": 3}
    study = tuning.search(table, space=SPACE, study=tmp_path / "study", **options)
    run = make_ensemble(study)
    assert run.path == study.path / "ensemble"
    assert run.metrics["test"]["num_examples"] == run.metrics["single_best"]["test"]["num_examples"] == 18
    answers = finetune.Run(run.path).predict([table])
    assert len(answers) == 120 and {answer.class_name for answer in answers} <= {"yes", "no"}
    assert make_ensemble(study).metrics["test"] == run.metrics["test"]


@pytest.mark.keras
def test_ensemble_is_judged_as_the_model_that_is_kept(tmp_path):
    """Though the search ran on features in half precision, the test metrics are those of its own model."""
    draw = np.random.default_rng(0)
    for number in range(60):
        colour = ("red", "green", "blue")[number % 3]
        pixels = draw.integers(0, 120, (32, 32, 3)).astype("uint8")
        pixels[..., number % 3] += 60
        (tmp_path / "data" / colour).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "data" / colour / f"{number}.png")
    options = {"algorithm": "grid", "epochs": 2, "fresh_seeds": 0, "verbose": 0, "max_trials": 2, "method": "head"}
    settings = {"runtime": "keras_bf16", "image_size": 32, "cache_dir": tmp_path / "cache"}
    space = {"space": {"learning_rate": [0.003, 0.03]}}
    study = tuning.search(tmp_path / "data", space=space, study=tmp_path / "study", **settings, **options)
    run = make_ensemble(study)
    assert run.metrics["test"]["loss"] == pytest.approx(run.evaluate()["loss"], abs=1e-6)


@pytest.mark.keras
def test_choosing_side_is_neither_scored_on_nor_tested(table):
    """Those that choose are of the training side, and no longer learn."""
    grounds = Grounds(make_config({"data": table}))
    ground = grounds.under(grounds.asked({}, seed=0), Reporter(0))
    learners, choosing = deal_choosing(ground, 0)
    splits = ground.prepared.splits
    assert sorted([*learners, *choosing]) == list(splits.train)
    assert not set(choosing) & {*learners, *splits.validation, *splits.test}
    assert len(choosing) == pytest.approx(0.2 * len(splits.train), abs=1)


@pytest.mark.keras
def test_changed_data_are_refused(table, tmp_path):
    """The heads of a study are not put on other data."""
    options = {"algorithm": "grid", "epochs": 1, "fresh_seeds": 0, "verbose": 0, "max_trials": 2}
    study = tuning.search(table, space=SPACE, study=tmp_path / "study", **options)
    with table.open("a") as file:
        file.write("0.1,0.2,0.3,yes\n")
    with pytest.raises(RunStateError, match="not the data of this study any more"):
        make_ensemble(study)
