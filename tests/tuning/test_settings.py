"""From values to settings, the default spaces, and spaces that no run could take."""

import random
import re
from pathlib import Path

import pytest

from finetune.config import make_config
from tuning.default_spaces import LOSSES, SPACES, default_space
from tuning.settings import check_settings, settings_of
from tuning.space import Space
from zoo.errors import ConfigError

METHODS = ("head", "two_phase", "gradual", "full", "reinit", "scratch")


@pytest.mark.parametrize(
    ("values", "settings"),
    [
        ({"num_layers": 2, "units_1": 64, "units_2": 32}, {"units": (64, 32)}),
        ({"num_layers": 1, "units_1": 64, "units_2": 32}, {"units": (64,)}),
        ({"num_layers": 3, "units": 16}, {"units": (16, 16, 16)}),
        ({"units_1": 8, "units_2": 4, "l2": 0.1}, {"l2": 0.1, "units": (8, 4)}),
        ({"units": "128,64", "dropout": None}, {"units": "128,64", "dropout": None}),
    ],
)
def test_layers_and_units_become_one_setting(values, settings):
    """The number of layers and the units of each are the setting `units` of a run; the rest is as it is."""
    assert settings_of(values) == settings


def test_layers_without_units_are_refused():
    """A third layer that the space says nothing of is a fault of the space."""
    with pytest.raises(ConfigError, match="units_3"):
        settings_of({"num_layers": 3, "units_1": 64, "units_2": 32})


@pytest.mark.parametrize("task", LOSSES)
@pytest.mark.parametrize("family", SPACES)
def test_default_spaces_hold_settings_of_a_run(family, task):
    """Every default space passes the check of settings, and its draws and start make a config."""
    is_method = family in METHODS
    space = default_space("resnet18" if is_method else family, family if is_method else None, task=task)
    check_settings(space)
    drawn = [space.draw(random.Random(seed), given=given) for seed in range(5) for given in ({}, *space.start)]
    assert all(make_config(settings_of(values)) for values in drawn)


def test_settings_of_the_user_are_not_searched():
    """What the user has set stays; units settle the layers too."""
    names = [d.name for d in default_space("mlp", settled=("units", "optimizer")).dimensions]
    assert "learning_rate" in names and not {"units_1", "num_layers", "optimizer"} & set(names)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"lerning_rate": {"low": 0.1, "high": 1.0}}, "Nearest: learning_rate"),
        ({"learning_rate": {"low": 1.0, "high": 100.0}}, "learning_rate.*100"),
        ({"optimizer": ["adam", "addam"]}, "Nearest: adam"),
        ({"seed": [1, 2]}, "cannot be searched"),
        ({"num_layers": {"type": "int", "low": 0, "high": 2}, "units_1": 3, "units_2": 3}, "from 1 to"),
        ({"num_layers": [1, 2, 3], "units_1": 3}, "no units_2, units_3"),
        ({"num_layers": [1, 2]}, "units_1 to units_2"),
        ({"units_1": {"low": 0.5, "high": 2.5}}, "units_1"),
    ],
)
def test_spaces_that_no_run_takes_are_refused(words, said):
    """Unknown names and impossible values are told before the first trial."""
    with pytest.raises(ConfigError, match=said):
        check_settings(Space.from_mapping({"space": words}))


def test_the_space_in_readme_is_one(tmp_path):
    """What README shows is read, holds settings of a run, and draws what it says."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (tmp_path / "space.yaml").write_text(re.search(r"```yaml\n(space:.*?)```", readme, re.S)[1])
    space = Space.from_file(tmp_path / "space.yaml")
    check_settings(space)
    assert settings_of(space.draw(random.Random(0), given=space.start[0]))["learning_rate"] == 1e-3
