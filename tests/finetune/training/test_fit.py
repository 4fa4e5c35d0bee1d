"""Training a head: order by seed and epoch, the best epoch kept, a broken loss named."""

import numpy as np
import pytest

from finetune.config import make_config
from finetune.tasks import TASKS
from finetune.training.fit import Material, fit_phase
from finetune.transfer.methods import phases_of
from finetune.transfer.trunk import new_head
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras
WIDTH = 6


TRAIN, VALIDATION = np.arange(0, 150, 2), np.arange(1, 150, 2)


def blobs():
    """Return 150 points around three centres and their labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 150)
    centres = generator.normal(size=(3, WIDTH))
    return (centres[labels] + generator.normal(scale=0.7, size=(150, WIDTH))).astype("float32"), labels


def learn(head, x, y, config):
    """Train a head on the even points, picked by the odd ones."""
    sides = {"train": TRAIN, "validation": VALIDATION}
    (phase,) = phases_of(config, ("head",))
    return fit_phase(head, Material(x, y, TASKS["classification"], sides), config, phase).rows


def train(**settings):
    """Train a small head; return it and its history."""
    config = make_config(
        {"method": "head", "epochs": 12, "patience": 3, "batch_size": 16, "learning_rate": 0.05} | settings
    )
    head = new_head(WIDTH, 3, dropout=0.2, seed=config.seed)
    return head, learn(head, *blobs(), config)


def test_same_seed_gives_the_same_weights():
    """Two trainings with one seed are equal to the bit, history included; another seed is another training."""
    (first, rows), (second, same), (third, _) = train(seed=1), train(seed=1), train(seed=2)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [row["val_loss"] for row in rows] == [row["val_loss"] for row in same]
    assert not np.array_equal(first.get_weights()[0], third.get_weights()[0])


def test_weights_of_the_best_epoch_are_kept():
    """After early stopping the head gives the lowest validation loss of the history again."""
    head, rows = train(epochs=60, learning_rate=0.5)
    assert len(rows) < 60
    x, y = blobs()
    loss = head.evaluate(x[VALIDATION], y[VALIDATION], batch_size=1024, verbose=0)[0]
    assert loss == pytest.approx(min(row["val_loss"] for row in rows), rel=1e-5)


def test_history_has_a_row_for_each_epoch():
    """Rows count from 1 and name phase, losses, accuracies, rate and seconds."""
    _, rows = train(epochs=2)
    assert [row["epoch"] for row in rows] == [1, 2]
    names = ["epoch", "phase", "accuracy", "loss", "val_accuracy", "val_loss", "learning_rate", "seconds"]
    names += ["gradient_norm_logits", "largest_gradient_norm"]
    assert sorted(rows[0]) == sorted(names) and rows[0]["learning_rate"] == pytest.approx(0.05)


def test_loss_that_is_not_finite_names_the_rate():
    """A loss that became NaN stops with the epoch and a lower rate to try."""
    config = make_config({"method": "head", "epochs": 3, "patience": 3, "batch_size": 32, "learning_rate": 0.001})
    x, y = blobs()
    x[TRAIN[0]] = np.nan
    with pytest.raises(ConfigError, match=r"not finite any more in epoch 1; lower learning_rate"):
        learn(new_head(WIDTH, 3, dropout=0.0, seed=0), x, y, config)
