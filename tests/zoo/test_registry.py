"""Names of models, and the rows behind them."""

import re

import pytest

import zoo
from zoo.errors import ConfigError
from zoo.spec import Download, PackageFile

ROWS = [zoo.find(name) for name in zoo.list_models()]
WEIGHTS = [weights for row in ROWS for weights in row.weights]


def test_unknown_model_suggests_nearest():
    """A typo is answered with the name that was meant."""
    with pytest.raises(ConfigError, match="efficientnet_lite0"):
        zoo.find("efficientnet_lit0")


def test_pattern_selects_models():
    """Shell patterns choose by name, in the registry's order."""
    assert zoo.list_models("efficientnet_lite[12]") == ["efficientnet_lite1", "efficientnet_lite2"]
    assert zoo.list_models("nothing*") == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_names_are_plain(row):
    """A name can be typed on every keyboard and used as a file name."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda weights: weights.tag)
def test_weights_rows_are_complete(weights):
    """A row names its licence; one with a source its accuracy, one that we fetch its file's hash."""
    assert weights.licence and weights.num_classes == 1000
    assert weights.source is None or 50 < weights.top1 < 100
    if isinstance(weights.source, PackageFile | Download):
        assert re.fullmatch(r"[0-9a-f]{8,64}", weights.sha256)
    else:
        assert weights.sha256 == ""
    if isinstance(weights.source, PackageFile):
        assert len(weights.sha256) == 64
    if isinstance(weights.source, Download):
        assert weights.source.url.startswith("https://") and weights.sha256[:8] in weights.source.url
    assert weights.tag.partition(".")[0] in zoo.list_models()
