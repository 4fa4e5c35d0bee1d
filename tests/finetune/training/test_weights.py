"""How much examples count: faults that would end in NaN."""

import numpy as np
import pytest

from finetune.config import make_config
from finetune.data.targets import Target
from finetune.training.weights import example_weights
from zoo.errors import DataError

TARGET = Target("classification", np.array([0, 1] * 5, "int32"), ("a", "b"))


def test_weights_that_are_0_where_something_is_learned_are_refused():
    """Weights that only other sides have are named, and no learning rate is blamed."""
    weights = [0.0] * 6 + [1.0] * 4
    with pytest.raises(DataError, match="all 6 weights of the training side are 0"):
        example_weights(make_config({"data": "t"}), TARGET, np.arange(6), weights)
    assert example_weights(make_config({"data": "t"}), TARGET, np.arange(8), weights)[:8].mean() == pytest.approx(1)
