"""Spaces: read from files and mappings, drawn from, listed and compared."""

import json
import random

import pytest

from tuning.space import Space, key_of
from zoo.errors import ConfigError

TREE = {
    "space": {
        "optimizer": ["adam", "momentum"],
        "momentum": {"low": 0.8, "high": 0.99, "when": {"optimizer": "momentum"}},
        "num_layers": {"type": "int", "low": 1, "high": 3},
        "units_1": {"type": "int", "low": 16, "high": 64, "scale": "log", "step": 2},
        "units_2": {"type": "int", "low": 16, "high": 64, "scale": "log", "step": 2, "when": {"num_layers": [2, 3]}},
        "epochs": 20,
    },
    "constraints": ["units_2 <= units_1"],
    "start": [{"optimizer": "adam", "units_1": 32}],
}
YAML = """\
space:
  optimizer: [adam, no, 012]    # texts, whatever YAML makes of them
  learning_rate: {low: 1e-4, high: 1e-1, scale: log}
  dropout: {low: 0.0, high: 0.5, step: 0.1}
  flag: [true, false]
  quoted: ["1", "2"]
  nothing: [null, 3]
constraints:
  - dropout < 0.4
"""


def test_yaml_is_typed_by_the_space_alone(tmp_path):
    """`no` is a text, 1e-3 a number, quotes keep texts, null is nothing."""
    (tmp_path / "space.yaml").write_text(YAML)
    found = {dimension.name: dimension for dimension in Space.from_file(tmp_path / "space.yaml").dimensions}
    assert found["optimizer"].values == ("adam", "no", "012") and found["learning_rate"].low == 1e-4
    assert found["flag"].values == (True, False) and found["quoted"].values == ("1", "2")
    assert found["nothing"].values == (None, 3)


def test_json_and_toml_hold_the_same_space(tmp_path):
    """The words are the same in all three formats."""
    toml = "[space]\nl2 = [0.0, 0.1]\n[space.rate]\nlow = 1e-3\nhigh = 0.1\n"
    (tmp_path / "a.toml").write_text(toml)
    (tmp_path / "a.json").write_text(json.dumps({"space": {"l2": [0.0, 0.1], "rate": {"low": 1e-3, "high": 0.1}}}))
    assert Space.from_file(tmp_path / "a.toml") == Space.from_file(tmp_path / "a.json")


def test_all_faults_of_a_file_are_told_at_once_with_their_lines(tmp_path):
    """One reading names every fault and the line that it is on."""
    lines = [
        "space:",
        "  a: {low: 2, high: 1}",
        "  b: {low: 1.0, hihg: 2}",
        "  c: {type: int, low: 1, high: 5, step: 3}",
    ]
    (tmp_path / "bad.yaml").write_text("\n".join(lines))
    with pytest.raises(ConfigError) as caught:
        Space.from_file(tmp_path / "bad.yaml")
    said = str(caught.value)
    assert "bad.yaml line 2" in said and "bad.yaml line 3" in said and "bad.yaml line 4" in said
    assert "type: int" in said and "nearest: 4, 7" in said


BAD = {
    "empty": ({}, "key `space`"),
    "flat": ({"learning_rate": [1, 2]}, "key `space`"),
    "no names": ({"space": {}}, "on each line"),
    "unknown part": ({"space": {"a": 1}, "constrains": []}, "Nearest: constraints"),
    "unknown type": ({"space": {"a": {"type": "flaot", "low": 0.0, "high": 1.0}}}, "Nearest: float"),
    "no values": ({"space": {"a": []}}, "list of 1 to"),
    "twice": ({"space": {"a": [1, 1.0]}}, "twice"),
    "list in list": ({"space": {"units": [[64], [128, 64]]}}, "'128,64'"),
    "nan": ({"space": {"a": {"low": float("nan"), "high": 1.0}}}, "finite number"),
    "inf": ({"space": {"a": [1.0, float("inf")]}}, "finite numbers"),
    "log of 0": ({"space": {"a": {"low": 0.0, "high": 1.0, "scale": "log"}}}, "above 0 on a log scale"),
    "log step 1": ({"space": {"a": {"low": 1.0, "high": 8.0, "scale": "log", "step": 1}}}, "factor above 1"),
    "step 0": ({"space": {"a": {"low": 0.0, "high": 1.0, "step": 0}}}, "above 0"),
    "half int": ({"space": {"a": {"type": "int", "low": 0.5, "high": 3}}}, "whole number"),
    "scale": ({"space": {"a": {"low": 0.1, "high": 1.0, "scale": "exp"}}}, "one of linear, log"),
    "no high": ({"space": {"a": {"type": "float", "low": 0.1}}}, "is missing"),
    "grid": ({"space": {"a": {"low": 0.1, "high": 1.0, "grid": 0}}}, "number of values"),
    "parent below": ({"space": {"a": {"values": [1], "when": {"b": [1]}}, "b": [1, 2]}}, "move it up"),
    "no parent": ({"space": {"ab": [1], "a": {"values": [1], "when": {"abc": [1]}}}}, "Nearest: ab"),
    "parent's value": ({"space": {"b": ["x"], "a": {"values": [1], "when": {"b": ["y"]}}}}, "must be one of 'x'"),
    "own parent": ({"space": {"a": {"values": [1], "when": {"a": [1]}}}}, "move it up"),
    "when": ({"space": {"a": {"values": [1], "when": "b"}}}, "{parent: \\[values\\]}"),
    "constraint": ({"space": {"a": [1, 2]}, "constraints": ["b > 1"]}, "not in the space"),
    "nothing left": ({"space": {"a": [1, 2]}, "constraints": ["a > 2"]}, "leave no combination"),
    "start outside": ({"space": {"a": [1, 2]}, "start": [{"a": 3}]}, "start.0.a must be one of"),
    "start unknown": ({"space": {"abc": [1, 2]}, "start": [{"abd": 1}]}, "Nearest: abc"),
    "start not kept": (
        {"space": {"a": [1, 2], "b": [1, 2]}, "constraints": ["a < b"], "start": [{"a": 2}]},
        "breaks a con",
    ),
    "start no list": ({"space": {"a": [1]}, "start": 3}, "must be a list"),
    "a list": ([1, 2], "key `space`"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_spaces_are_refused_in_words(name):
    """Each fault is an error of the config that says what is wrong with which hyperparameter."""
    mapping, said = BAD[name]
    with pytest.raises(ConfigError, match=said):
        Space.from_mapping(mapping)


@pytest.mark.parametrize(
    "text",
    [
        *("space: {a: [1], a: [2]}", "space: &x {a: [*x]}", "space: {a: !!python/name:os.system x}", "space: {a: ["),
        *("[" * 5000, "space: {? [1]: 2}", ""),
    ],
)
def test_files_that_are_no_plain_yaml_are_refused(tmp_path, text):
    """Keys that stand twice, anchors, tags and endless nesting do not get as far as the space."""
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError, match="space.yaml"):
        Space.from_file(tmp_path / "space.yaml")


def test_draws_are_complete_and_keep_conditions_and_constraints():
    """A draw has exactly the active hyperparameters, and no second layer that is wider than the first."""
    space = Space.from_mapping(TREE)
    for seed in range(200):
        values = space.draw(random.Random(seed))
        assert ("momentum" in values) == (values["optimizer"] == "momentum")
        assert ("units_2" in values) == (values["num_layers"] > 1)
        assert values.get("units_2", 0) <= values["units_1"] and values["epochs"] == 20


def test_listing_gives_every_combination_once():
    """The combinations of a grid are all different, allowed, and as many as counted by hand."""
    combinations = list(Space.from_mapping(TREE).gridded().combinations())
    # optimizers: adam, or momentum with 5 momenta; one layer of 3 widths, or 2 numbers of layers with 6 pairs of widths
    assert len(combinations) == (1 + 5) * (3 + 2 * 6)
    assert len({key_of(values) for values in combinations}) == len(combinations)


def test_a_space_comes_back_from_json_as_it_was():
    """What the journal keeps of a space is the space."""
    space = Space.from_mapping(TREE)
    again = Space.from_mapping(json.loads(json.dumps(space.as_json())))
    assert again == space and again.difference(space) == ""


def test_a_changed_space_is_told_by_its_differences():
    """Each changed, added or removed hyperparameter and constraint is a line."""
    changed = json.loads(json.dumps(TREE))
    changed["space"]["epochs"] = 30
    changed["space"]["dropout"] = [0.0, 0.5]
    del changed["space"]["momentum"], changed["constraints"]
    lines = Space.from_mapping(TREE).difference(Space.from_mapping(changed)).splitlines()
    assert len(lines) == 4 and all(
        any(n in line for line in lines) for n in ("epochs", "dropout", "momentum", "constraints")
    )


def test_other_start_values_are_no_other_space():
    """A search may be given new points to try first when it goes on."""
    space = Space.from_mapping(TREE)
    assert space.difference(space.with_start([{"optimizer": "momentum"}])) == ""


def test_start_values_of_python_are_checked():
    """A start combination outside the space is refused."""
    with pytest.raises(ConfigError, match="start.0.units_1"):
        Space.from_mapping(TREE).with_start([{"units_1": 33}])
