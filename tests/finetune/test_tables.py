"""Runs on tables: what a CSV file becomes, end to end, and what is refused."""

import json
import re

import keras
import numpy as np
import pytest

import finetune
from finetune.cli import cli, run_command
from finetune.data.column_words import column_lines
from finetune.kinds import table
from zoo.errors import ConfigError, DataError

pytestmark = pytest.mark.keras
QUICK = {"epochs": 30, "verbose": 0}


def write_csv(path, header, rows):
    """Write a CSV file; return its path as text."""
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


def flowers(count=120):
    """Return rows of a table whose class depends on a number and a text."""
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        size, colour = generator.normal(), generator.choice(["red", "blue"])
        rows.append(
            (f"{size:.3f}", colour, f"{generator.normal():.3f}", "big" if size > 0 and colour == "red" else "NA")
        )
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on a table with a number, a text, noise, and a class called NA."""
    folder = tmp_path_factory.mktemp("table")
    data = write_csv(folder / "flowers.csv", "size,colour,noise,label", flowers())
    return finetune.fit(data, run_dir=folder / "run", **QUICK)


def test_table_is_learned_and_beats_its_baseline(run):
    """Numbers and texts both enter the model, which is far better than the most frequent class."""
    assert run.metrics["test"]["accuracy"] > run.metrics["baseline"]["accuracy"] + 0.1
    assert run.class_names == ("NA", "big")


def test_decisions_say_what_was_found(run):
    """Target, task and network are stated with their reasons, and the config repeats them."""
    decisions = {item["what"]: item for item in json.loads((run.path / "model.json").read_text())["decisions"]}
    assert decisions["target"]["why"] == "its name says so"
    assert decisions["task"]["value"] == "classification" and decisions["model"]["value"] == "mlp"
    assert (run.config.target, run.config.task, run.config.model) == ("label", "classification", "mlp")


def test_data_json_lists_the_columns(run):
    """Every column is listed with its kind and the reason."""
    columns = json.loads((run.path / "data.json").read_text())["columns"]
    assert {item["name"]: item["kind"] for item in columns} == {
        "size": "numeric",
        "colour": "categorical",
        "noise": "numeric",
    }


def test_rows_of_a_file_are_answered_one_by_one(run, tmp_path):
    """A file without the target, its columns in another order and one more, gets an answer for each line."""
    data = write_csv(tmp_path / "new.csv", "colour,extra,noise,size", [("red", 1, 0, 2.5), ("blue", 1, 0, 2.5)])
    answers = run.predict([data])
    assert [answer.row for answer in answers] == ["line 2", "line 3"]
    assert [answer.class_name for answer in answers] == ["big", "NA"]
    assert sum(answers[0].probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_text_that_training_never_saw_is_answered(run, tmp_path):
    """An unknown text has a place of its own in the model."""
    data = write_csv(tmp_path / "new.csv", "size,colour,noise", [(2.5, "green", 0)])
    assert run.predict([data])[0].class_name in run.class_names


def test_missing_column_is_named(run, tmp_path):
    """A file that lacks a column of the model is refused with the nearest name."""
    data = write_csv(tmp_path / "new.csv", "size,color,noise", [(2.5, "red", 0)])
    with pytest.raises(DataError, match="no column 'colour'.*Nearest: color"):
        run.predict([data])


def test_own_test_rows_are_judged_again(run):
    """Evaluating on the training file takes the run's own test side and finds the same scores."""
    again = run.evaluate()
    assert again["examples"] == "the run's own test side"
    assert again["accuracy"] == run.metrics["test"]["accuracy"]


def test_model_is_one_keras_model_of_named_columns(run):
    """The saved model takes raw columns: preparation is inside."""
    inputs = {"numbers": keras.ops.array([[2.5, 0.0]]), "colour": keras.ops.convert_to_tensor(np.array([["red"]]))}
    assert np.asarray(run.model(inputs)).argmax() == 1
    assert not [layer for layer in run.model.layers if isinstance(layer, keras.Model)]


def test_predictions_are_kept_and_escaped(tmp_path):
    """predictions.csv has a row for each test line, and a class that looks like a formula is made harmless."""
    rows = [(index % 2, "=1+1" if index % 2 else "b") for index in range(40)]
    data = write_csv(tmp_path / "t.csv", "x,label", [(x + 0.01 * i, label) for i, (x, label) in enumerate(rows)])
    run = finetune.fit(data, run_dir=tmp_path / "run", **QUICK)
    lines = (run.path / "predictions.csv").read_text().splitlines()
    assert len(lines) == 1 + run.metrics["test"]["num_examples"]
    assert any("'=1+1" in line for line in lines) and not any(",=1+1" in line for line in lines)


def test_numbers_are_predicted_in_their_units(tmp_path):
    """A regression's model answers in the target's units, and its errors are in them."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=200)
    rows = [(f"{value:.4f}", f"{1000 + 300 * value:.2f}") for value in x]
    data = write_csv(tmp_path / "t.csv", "x,price", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", model="linear", epochs=60, verbose=0)
    assert run.metrics["task"] == "regression" and run.metrics["test"]["mae"] < 0.2 * run.metrics["baseline"]["mae"]
    new = write_csv(tmp_path / "new.csv", "x", [(1.0,)])
    assert run.predict([new])[0].values["price"] == pytest.approx(1300, rel=0.1)


def test_groups_are_not_divided(tmp_path):
    """No patient is on two sides of the split."""
    generator = np.random.default_rng(0)
    rows = [(f"{generator.normal():.3f}", f"p{index // 4}", "ab"[index // 4 % 2]) for index in range(160)]
    data = write_csv(tmp_path / "t.csv", "x,patient,label", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", group="patient", **QUICK)
    tested = {
        int(line.split(",")[0].removeprefix("line "))
        for line in (run.path / "predictions.csv").read_text().splitlines()[1:]
    }
    groups = {rows[line - 2][1] for line in tested}
    assert {line for line in range(2, 162) if rows[line - 2][1] in groups} == tested


def test_column_of_sides_is_obeyed(tmp_path):
    """Rows go to the side that a column names."""
    rows = [(index % 7, "test" if index >= 60 else "train", "ab"[index % 2]) for index in range(80)]
    data = write_csv(tmp_path / "t.csv", "x,side,label", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", side="side", **QUICK)
    assert run.metrics["test"]["num_examples"] == 20


def test_blank_numbers_need_a_rule(tmp_path):
    """A blank is refused with the remedy; with a rule it is filled by what training rows say, in predict as well."""
    rows = [("" if index % 10 == 0 else index, "ab"[index % 2]) for index in range(80)]
    data = write_csv(tmp_path / "t.csv", "x,label", rows)
    with pytest.raises(DataError, match="missing"):
        finetune.fit(data, run_dir=tmp_path / "run", **QUICK)
    run = finetune.fit(data, run_dir=tmp_path / "run", missing="median", **QUICK)
    assert run.predict([write_csv(tmp_path / "new.csv", "x,z", [("", 1)])])[0].class_name in "ab"


@pytest.mark.parametrize(("missing", "filler"), [("mean", 4.0), ("median", 1.0), ("zero", 0.0)])
def test_filler_is_that_of_the_training_rows(tmp_path, missing, filler):
    """What is judged does not decide what a blank becomes."""
    learned = [(value, "train", "ab"[row % 2]) for row, value in enumerate([1, 1, 10, ""] * 10)]
    judged = [(1000, side, label) for side in ("validation", "test") for label in "abab"]
    data = write_csv(tmp_path / "t.csv", "x,side,label", learned + judged)
    run = finetune.fit(data, run_dir=tmp_path / "run", side="side", missing=missing, epochs=1, verbose=0)
    (column,) = json.loads((run.path / "model.json").read_text())["columns"]
    assert column["filler"] == filler


def test_network_of_pictures_is_refused_for_a_table(tmp_path):
    """A model that takes pictures is named with those that take tables."""
    data = write_csv(tmp_path / "t.csv", "x,label", [(index % 7, "ab"[index % 2]) for index in range(40)])
    with pytest.raises(ConfigError, match="'resnet18' does not go with this data; accepted: mlp, linear"):
        finetune.fit(data, model="resnet18", run_dir=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_commands_answer_for_tables(run, tmp_path, capsys):
    """`finetune predict` prints a line for each row, and `evaluate` the accuracy."""
    data = write_csv(tmp_path / "new.csv", "size,colour,noise", [(2.5, "red", 0)])
    assert run_command(cli, ["predict", str(run.path), data]) == 0
    assert capsys.readouterr().out.startswith(f"{data}\tline 2\tbig\t")
    assert run_command(cli, ["evaluate", str(run.path)]) == 0
    assert "the run's own test side" in capsys.readouterr().out


def test_folds_test_every_row_once(tmp_path):
    """With folds each row is answered by a model that did not learn from it, and each fold's scores are kept."""
    data = write_csv(tmp_path / "t.csv", "size,colour,noise,label", flowers(60))
    run = finetune.fit(data, run_dir=tmp_path / "run", folds=3, **QUICK | {"epochs": 10})
    rows = [line.split(",") for line in (run.path / "predictions.csv").read_text().splitlines()[1:]]
    assert sorted(row[0] for row in rows) == sorted(f"line {line}" for line in range(2, 62))
    right = sum(row[1] == row[2] for row in rows)
    assert run.metrics["test"]["accuracy"] == right / 60
    for fold in run.metrics["folds"]["each"]:
        tested = [row for row in rows if row[-1] == str(fold["fold"])]
        assert fold["accuracy"] == sum(row[1] == row[2] for row in tested) / len(tested)
    assert "Test accuracy over 3 folds" in (run.path / "report.html").read_text()
    with pytest.raises(ConfigError, match="cannot be judged by them"):
        run.evaluate()


def test_copies_on_two_sides_are_counted(tmp_path):
    """The finding on repeated rows says how many of those that are judged equal one that is learned."""
    rows = [(row * 1.37 % 1, "train", "ab"[row % 2]) for row in range(40)]
    rows += [(row * 1.37 % 1, "test", "ab"[row % 2]) for row in range(30, 50)]
    data = write_csv(tmp_path / "t.csv", "x,side,label", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", side="side", epochs=1, verbose=0)
    found = [
        item for item in json.loads((run.path / "data.json").read_text())["findings"] if "equal" in item["message"]
    ]
    assert len(found) == 1 and found[0]["severity"] == "warning"
    judged = 20 + run.metrics["validation"]["num_examples"]
    said = f"Of the {judged} rows that are judged, "
    assert said in found[0]["message"]
    across = int(found[0]["message"].split(said)[1].split()[0])
    assert 4 <= across <= 10


def test_encoder_of_a_fold_knows_nothing_of_what_is_tested(tmp_path, monkeypatch):
    """Each fold fits an encoder of its own, on its training rows alone."""
    fitted_on, fit_columns = [], table.fit_columns
    monkeypatch.setattr(
        table,
        "fit_columns",
        lambda values, train, **rest: fitted_on.append(set(train)) or fit_columns(values, train, **rest),
    )
    data = write_csv(tmp_path / "t.csv", "size,colour,noise,label", flowers(60))
    run = finetune.fit(data, run_dir=tmp_path / "run", folds=3, model="linear", epochs=1, verbose=0)
    tested = {number: set() for number in "123"}
    for line in (run.path / "predictions.csv").read_text().splitlines()[1:]:
        tested[line.rsplit(",", 1)[1]].add(int(line.split(",")[0].removeprefix("line ")) - 2)
    assert len(fitted_on) == 4  # the kept model, and three folds
    for known, asked in zip(fitted_on[1:], tested.values(), strict=True):
        assert known and not known & asked


@pytest.mark.parametrize(
    ("cells", "settings", "message"),
    [
        ({"label": lambda row: ("cat", " cat", "Cat")[row % 3]}, {"strict": True}, "' cat', 'Cat', 'cat'"),
        ({"n": lambda row: 1}, {"strict": True}, "the column 'n' is the same in every row"),
        ({"label": lambda row: ""}, {}, "t.csv: the target column 'label' is blank in every row"),
        ({"label": lambda row: "x" if row == 1 else "ab"[row % 2]}, {"side": "side"}, "'x' is only in test"),
        ({"side": lambda row: "test"}, {"side": "side"}, "no example is in train, all are in test"),
        ({"n": lambda row: int(row % 3 == 1)}, {"side": "side", "sample_weight": "n"}, "weights of the training side"),
        ({"size": lambda row: 1e30 if row == 3 else row}, {}, "t.csv line 5, column 'size': 1e\\+30 is too large"),
        (
            {"label": lambda row: 1e30 if row == 3 else row},
            {"task": "regression"},
            "line 5, column 'label': 1e\\+30 is",
        ),
        ({"label": lambda row: "many" if row == 3 else row}, {"task": "regression"}, "--set task=classification$"),
        ({"size": lambda row: row % 2}, {"ignore": "n,side"}, "no column is left.*keep one that is right with --set"),
        ({"size": lambda row: "" if row == 3 else row}, {}, "1 row of 60 has a blank cell.*--set ignore=size"),
    ],
)
def test_tables_that_cannot_be_learned_are_refused(tmp_path, cells, settings, message):
    """Each fault is named with what to do, and no run directory stays."""
    usual = {"size": lambda row: row * 7 % 13, "n": lambda row: row * 5 % 11}
    usual |= {"label": lambda row: "ab"[row % 2], "side": lambda row: ("train", "test", "validation")[row % 3]}
    columns = usual | cells
    data = write_csv(
        tmp_path / "t.csv", ",".join(columns), [[make(row) for make in columns.values()] for row in range(60)]
    )
    with pytest.raises(DataError, match=message):
        finetune.fit(data, run_dir=tmp_path / "run", target="label", **settings, **QUICK)
    assert not (tmp_path / "run").exists()


def test_kinds_of_columns_are_said(tmp_path, capsys):
    """The plan of a run, the doctor and the report name each column's kind with the reason, also of one left out."""
    data = write_csv(tmp_path / "t.csv", "size,colour,one,label", [(a, b, 1, d) for a, b, _, d in flowers()])
    assert run_command(cli, ["fit", data, "--run-dir", str(tmp_path / "run"), "--set", "epochs=1"]) == 0
    said = capsys.readouterr().err
    assert re.search(r"column size +numeric +numbers\n", said)
    assert re.search(r"column colour +categorical +2 different texts\n", said)
    assert re.search(r"column one +left out +constant\n", said)
    assert run_command(cli, ["doctor", data]) == 0
    assert re.search(r"column colour +categorical +2 different texts\n", capsys.readouterr().out)
    page = (tmp_path / "run" / "report.html").read_text()
    assert (
        "Columns, their kinds and why: 3" in page
        and '<td>categorical</td><td class="soft">2 different texts</td>' in page
    )


def test_texts_beyond_the_most_frequent_are_told(tmp_path):
    """Of a column with more than 256 texts, the number of those that do not count is a note."""
    rows = [(f"u{row % 400}", row * 7 % 13, "ab"[row % 2]) for row in range(1600)]
    data = write_csv(tmp_path / "t.csv", "user,n,label", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", epochs=1, verbose=0)
    (note,) = [
        item for item in json.loads((run.path / "data.json").read_text())["findings"] if item["check"] == "rare texts"
    ]
    assert note["severity"] == "note"
    assert re.search(
        r"of the \d+ different texts that the column 'user' has in training, the 256 most", note["message"]
    )


def test_column_with_another_use_is_no_target(tmp_path):
    """Where the target is left open, the last column that nothing else is said of is taken."""
    rows = [(row * 7 % 13, "ab"[row % 2], ("train", "validation", "test")[row % 3], 1 + row % 2) for row in range(60)]
    data = write_csv(tmp_path / "t.csv", "n,kind,side,weight", rows)
    run = finetune.fit(data, run_dir=tmp_path / "run", side="side", sample_weight="weight", epochs=1, verbose=0)
    assert run.config.target == "kind"
    assert run.evaluate(data)["accuracy"] == run.metrics["test"]["accuracy"]


def test_many_columns_are_counted(tmp_path):
    """No more than 20 columns are listed on a terminal."""
    lines = column_lines({"columns": [{"name": f"c{n}", "kind": "numeric", "why": "numbers"} for n in range(50)]})
    assert len(lines) == 21 and lines[-1].startswith("and 30 columns more")
