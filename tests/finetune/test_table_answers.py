"""New rows for a run on a table: they are read as the run read its own, and what does not fit is said."""

import re

import numpy as np
import pandas as pd
import pytest

import finetune
from zoo.errors import DataError

pytestmark = pytest.mark.keras
COUNT = 120


def people(count=COUNT, seed=0):
    """Return rows of every kind of column that a run may have or may not look at."""
    generator = np.random.default_rng(seed)
    age = generator.normal(size=count).round(3)
    return pd.DataFrame(
        {
            "age": age,
            "zip": [f"{500 + 987 * (row % 20):05d}" for row in range(count)],
            "member": np.where(age > 0, "true", "false"),
            "remark": [f"nothing {row}" for row in range(count)],
            "patient": np.arange(count) // 2,
            "side": np.array(["train", "train", "validation", "test"])[np.arange(count) // 2 % 4],
            "weight": 1.0,
            "label": np.where(age + generator.normal(size=count) * 0.1 > 0, "old", "young"),
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a CSV file with an ignored column, groups, sides and weights."""
    folder = tmp_path_factory.mktemp("people")
    people().to_csv(folder / "people.csv", index=False)
    roles = {"group": "patient", "side": "side", "sample_weight": "weight", "ignore": "remark"}
    return finetune.fit(folder / "people.csv", run_dir=folder / "run", epochs=15, verbose=0, **roles)


@pytest.fixture(params=["csv", "frame"])
def given(request, tmp_path):
    """Give a DataFrame as it is, or as a CSV file, to predict and evaluate."""

    def as_given(frame):
        if request.param == "frame":
            return frame
        frame.to_csv(tmp_path / "new.csv", index=False)
        return str(tmp_path / "new.csv")

    return as_given


def predict(run, source):
    """Return the answers for a file or a DataFrame."""
    return run.predict(source if isinstance(source, pd.DataFrame) else [source])


ASKED = {"predict": predict, "evaluate": lambda run, source: run.evaluate(source)}
asked = pytest.mark.parametrize("ask", ASKED.values(), ids=[*ASKED])


@asked
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.nan, "column 'age' is blank, and this run refuses blank numbers"),
        (1e300, r"column 'age': 1e\+300 is too large"),
        (-1e30, r"column 'age': -1e\+30 is too large"),
        (np.inf, "'age'.*(is no number|infinite)"),
    ],
)
def test_numbers_that_the_model_cannot_take_are_refused(run, given, ask, cell, message):
    """A blank, an infinite and a huge number are named with their line, in predict and in evaluate."""
    new = people(20, seed=1).drop(columns="side")
    new.loc[3, "age"] = cell
    with pytest.raises(DataError, match=message) as caught:
        ask(run, given(new))
    assert re.search(r"line 5|line 3|row 3", str(caught.value)) and "--set" not in str(caught.value)


@asked
def test_text_among_numbers_is_refused_without_remedies_of_training(run, given, ask):
    """A cell that is no number is named; settings of training are not offered."""
    new = people(20, seed=1).drop(columns="side").astype({"age": object})
    new.loc[3, "age"] = "1.5 years"
    with pytest.raises(DataError, match="column 'age': '1.5 years' is no number") as caught:
        ask(run, given(new))
    assert "--set" not in str(caught.value)


def comparable(answer):
    """Return scores as they are, and answers without the file that they are for."""
    return answer if isinstance(answer, dict) else [(one.row, one.probabilities, one.values) for one in answer]


@asked
def test_columns_that_the_run_does_not_use_may_hold_anything(run, given, ask):
    """Odd cells and new columns, which training would refuse, change nothing of the answers."""
    plain = people(40, seed=1)
    new = plain.astype({"remark": object})
    new["remark"] = [1e300, *range(37), "1,5", np.inf]
    new["also new"] = [*range(39), "x"]
    assert comparable(ask(run, given(new))) == comparable(ask(run, given(plain)))


def test_roles_may_be_absent(run, given):
    """A file without group, side and weight is judged on all of its rows."""
    new = people(60, seed=1).drop(columns=["patient", "side", "weight", "remark"])
    found = run.evaluate(given(new))
    assert found["examples"] == "all rows of the file" and found["num_examples"] == 60 and found["accuracy"] > 0.8


def test_own_rows_are_known_again(run, given):
    """The file that the run learned on is judged by its test side, which a column says."""
    assert run.evaluate()["examples"] == "the run's own test side"
    assert run.evaluate(str(run.config.data))["accuracy"] == run.metrics["test"]["accuracy"]
    new = people(60, seed=1)
    assert run.evaluate(given(new))["examples"] == "the file's test side"


@pytest.mark.parametrize(
    ("column", "value"), [("age", 0.5), ("zip", "00500"), ("label", "old"), ("member", "true"), ("weight", 0.0)]
)
def test_constant_columns_are_no_reason_to_refuse_a_judgement(run, given, column, value):
    """What would teach nothing can be answered all the same."""
    new = people(30, seed=1).assign(**{column: value}).drop(columns="side")
    assert run.evaluate(given(new))["num_examples"] == 30


def test_kinds_are_those_of_the_run(run, given):
    """Texts that look like numbers in a part of the file stay the texts that they were."""
    new = people(seed=1).drop(columns="side")
    new = new[~new["zip"].str.startswith("0")]
    assert len(new) > 20
    assert run.evaluate(given(new))["num_examples"] == len(new)
    assert len(predict(run, given(new))) == len(new)


def test_rows_without_a_target_are_left_out_of_a_judgement(run, given, capsys):
    """They are counted on stderr."""
    new = people(30, seed=1).drop(columns="side")
    new.loc[[2, 5], "label"] = None
    assert run.evaluate(given(new))["num_examples"] == 28
    assert "2 rows without a target" in capsys.readouterr().err


@asked
def test_unknown_texts_are_said(run, given, ask, capsys):
    """Texts that training never saw are counted for each column, on stderr, once."""
    new = people(20, seed=1).drop(columns="side")
    new.loc[[3, 4, 5], "zip"] = ["99999", "88888", "99999"]
    ask(run, given(new))
    said = capsys.readouterr().err
    assert "column 'zip': 3 of 20 rows" in said and "'99999', '88888'" in said and said.count("warning") == 1


@asked
def test_column_of_unknown_texts_alone_is_refused(run, given, ask):
    """Where no text of a column is known, it is spelled otherwise than in training, and answers would mislead."""
    new = people(20, seed=1).drop(columns="side")
    new["member"] = np.where(new["member"] == "true", "yes", "no")
    with pytest.raises(
        DataError, match="column 'member': none of its 20 .*knows 'true', 'false'; here are 'no', 'yes'"
    ):
        ask(run, given(new))


@asked
def test_bools_take_the_spelling_of_training(run, ask, capsys):
    """A DataFrame's True is the true of the CSV file that was learned."""
    new = people(20, seed=1).drop(columns="side")
    bools = new.assign(member=new["member"] == "true")
    same = [ask(run, frame) for frame in (new, bools)]
    assert str(same[0]).replace("DataFrame", "") == str(same[1]).replace("DataFrame", "")
    assert "warning" not in capsys.readouterr().err


def test_wishes_of_training_hold_for_a_frame(tmp_path):
    """Whole numbers that were taken as texts are taken as texts again."""
    frame = pd.DataFrame({"zip": np.arange(80) % 4 + 1000, "n": np.arange(80) % 7, "label": list("aabb") * 20})
    run = finetune.fit(frame, categorical="zip", run_dir=tmp_path / "run", epochs=25, verbose=0)
    assert [answer.class_name for answer in run.predict(frame)] == list(frame["label"])
    assert run.evaluate(frame)["examples"] == "the run's own test side"


def test_whole_numbers_of_training_may_be_bools_later(tmp_path):
    """A column of 0 and 1 takes False and True."""
    frame = pd.DataFrame({"yes": np.arange(80) % 2, "n": np.arange(80) % 7, "label": list("ab") * 40})
    run = finetune.fit(frame, numeric="yes", run_dir=tmp_path / "run", epochs=2, verbose=0)
    answers = run.predict(frame.astype({"yes": bool}))
    assert [answer.probabilities for answer in answers] == [answer.probabilities for answer in run.predict(frame)]


def test_arrays_are_judged_by_what_the_run_uses(tmp_path, capsys):
    """Arrays of one class, or with an odd number in a column that training left out, are judged."""
    x = np.random.default_rng(0).normal(size=(80, 3))
    x[:, 2] = 1
    run = finetune.fit(x, (x[:, 0] > 0).astype(int), run_dir=tmp_path / "run", epochs=15, verbose=0)
    x = np.random.default_rng(1).normal(size=(80, 3))
    x[0, 2] = np.inf
    high = x[:, 0] > 0
    assert run.evaluate((x[high], np.ones(high.sum(), int)))["num_examples"] == high.sum()
    x[0, 1] = np.nan
    with pytest.raises(DataError, match="column 'x1' is blank"):
        run.evaluate((x, high.astype(int)))
