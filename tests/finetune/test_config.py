"""One config, checked once, all faults together."""

import numpy as np
import pandas as pd
import pytest

from finetune.config import FIELDS, FinetuneConfig, make_config
from zoo.errors import ConfigError


def test_all_faults_come_in_one_message():
    """A user mends everything at once instead of one fault a run."""
    with pytest.raises(ConfigError) as caught:
        make_config({"epocs": "3", "learning_rate": "-1", "method": "haed"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "unknown setting 'epocs'. Nearest: epochs" in lines[0]


def test_place_of_a_fault_is_named():
    """A fault from a file begins with the file and the line."""
    with pytest.raises(ConfigError, match=r"^fit.yaml line 2: epochs"):
        make_config({"epochs": "none at all"}, places={"epochs": "fit.yaml line 2"})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", "1e-4", 1e-4),
        ("epochs", "7", 7),
        ("strict", "yes", True),
        ("image_size", "null", None),
        ("model", "012", "012"),
    ],
)
def test_text_is_read_as_the_type_of_the_field(name, text, value):
    """Values from files and flags are text, and become what the field is."""
    assert getattr(make_config({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("epochs", v) for v in ("0", "1.5", "many")),
        *(("learning_rate", v) for v in ("0", "nan", "inf", "11")),
        *(("seed", v) for v in ("-1", "x")),
        *(("image_size", v) for v in ("7", "4096", "-224")),
        *(("test_fraction", v) for v in ("0", "1", "-0.1", "0.8")),
    ],
)
def test_impossible_values_are_refused(name, value):
    """Out of range, not a number, or together too much: refused naming the setting."""
    with pytest.raises(ConfigError, match=name):
        make_config({name: value})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.ones(1000), r"received ndarray of shape \(1000,\)\.$"),
        (list(range(1000)), r"received list \(\[0, 1, 2, .{,80}…\)\.$"),
        (pd.DataFrame({"a": range(99)}), r"received DataFrame of shape \(99, 1\)\.$"),
        ({"a": 1}, r"received \{'a': 1\}\.$"),
    ],
)
def test_large_values_are_shown_in_brief(value, shown):
    """An array where a name is due does not fill the screen."""
    with pytest.raises(ConfigError, match=f"sample_weight should be a valid string; {shown}"):
        make_config({"sample_weight": value})


def test_settings_that_exclude_each_other_are_refused_together():
    """Two ways to clip, no rows to learn from, and a plateau that would raise the rate: a line each."""
    with pytest.raises(ConfigError) as caught:
        make_config(
            {"clip_norm": 1, "global_clip_norm": 1, "test_fraction": 0.8, "schedule": "plateau", "decay_factor": 2}
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and any("only one of clip_norm, global_clip_norm" in line for line in lines)


def test_config_cannot_be_changed():
    """A config is made once; a changed one is a new one."""
    with pytest.raises(ValueError, match="frozen"):
        make_config({}).epochs = 3


def test_seed_zero_is_a_seed():
    """Zero is kept as it is."""
    assert make_config({"seed": 0}).seed == 0


def test_every_setting_is_explained():
    """The docstring of the record that has a field says what it means."""
    explained = "".join(part.__doc__ or "" for part in FinetuneConfig.__mro__ if part.__module__.startswith("finetune"))
    assert not [name for name in FIELDS if f"\n        {name}: " not in explained]


def test_dump_is_a_valid_config():
    """What a run writes down can be read again, unchanged."""
    config = make_config({"data": "photos", "dropout": "0.1"})
    assert make_config(config.model_dump(mode="json")) == config
