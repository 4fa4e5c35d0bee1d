"""A loss that is not finite any more: the run stops, keeps the best it had, and says how to go on."""

import re

import keras
import numpy as np
import pytest

import finetune
from finetune.cli import cli, run_command
from finetune.run_dir import RunDir
from zoo.errors import ConfigError, RunStateError

pytestmark = pytest.mark.keras
SETTINGS = {"epochs": 6, "batch_size": 16, "learning_rate": 0.01, "patience": 6, "dropout": 0.2, "verbose": 0}


@pytest.fixture
def table(tmp_path):
    """A small table of two classes."""
    x = np.random.default_rng(0).normal(size=(60, 2))
    rows = "".join(f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}\n" for a, b in x)
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows)
    return tmp_path / "t.csv"


class Poison(keras.callbacks.Callback):
    """Makes a bias NaN at the beginning of an epoch, counted from 1; of the last layer, for ReLU may take NaN for 0."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        """Poison the bias of the last layer."""
        if epoch + 1 == self.epoch:
            bias = self.model.trainable_variables[-1]
            bias.assign(np.full(bias.shape, np.nan))


def diverge(data, run_dir, epoch, **settings):
    """Let a run end by a loss that is NaN in an epoch; return its message on one line."""
    with pytest.raises(ConfigError, match="not finite") as raised:
        finetune.fit(data, run_dir=run_dir, callbacks=[Poison(epoch)], **SETTINGS | settings)
    return str(raised.value)


def command_in(message):
    """Return the command that a message says at its end, as arguments."""
    return re.search(r"finetune (.*)$", message)[1].split()


def test_run_goes_on_from_its_best_epoch_by_what_the_message_says(table, tmp_path):
    """The command in the message goes on from the best weights at the lower rate, and the record says so."""
    message = diverge(table, tmp_path / "run", 4)
    best = int(re.search(r"in epoch 4\. The weights of epoch (\d), the best until then, are kept", message)[1])
    arguments = command_in(message)
    assert arguments == ["resume", str(tmp_path / "run"), "--set", "learning_rate=0.001"]
    assert run_command(cli, [*arguments, "--verbose", "0"]) == 0
    rows = RunDir(tmp_path / "run").read_history()
    assert [row["epoch"] for row in rows] == list(range(1, best + 6 + 1))
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.01] * best + [0.001] * 6)
    assert abs(rows[best]["val_loss"] - rows[best - 1]["val_loss"]) < 0.1 * rows[best - 1]["val_loss"]
    (change,) = [row for row in RunDir(tmp_path / "run").read_json("model")["decisions"] if "finite" in row["why"]]
    assert (change["what"], change["value"]) == ("learning_rate", 0.001)
    assert f"from epoch {best + 1} on; with 0.01 " in change["why"]


def test_same_settings_are_refused_with_the_way_out(table, tmp_path):
    """Going on as before would end as before; nothing is changed by asking."""
    diverge(table, tmp_path / "run", 3)
    with pytest.raises(RunStateError, match=r"not finite any more in epoch 3.*resume .* --set learning_rate=0.001"):
        finetune.fit(table, run_dir=tmp_path / "run", resume=True, **SETTINGS)
    assert finetune.fit(table, run_dir=tmp_path / "run", resume=True, **SETTINGS | {"clip_norm": 1.0}).metrics


def test_other_settings_stay_refused(table, tmp_path):
    """Only what tames the steps may differ."""
    diverge(table, tmp_path / "run", 3)
    changes = {"learning_rate": 0.001, "units": (4,)}
    with pytest.raises(RunStateError, match="units was"):
        finetune.fit(table, run_dir=tmp_path / "run", resume=True, **SETTINGS | changes)


def test_first_epoch_leaves_nothing_and_is_begun_again_by_the_message(table, tmp_path):
    """Without a good epoch there is nothing to go on from: the message begins the run anew at a lower rate."""
    message = diverge(table, tmp_path / "run", 1)
    assert "kept" not in message and not (tmp_path / "run" / "checkpoints").exists()
    arguments = command_in(message)
    assert "--overwrite" in arguments and arguments[-1] == "learning_rate=0.001"
    assert run_command(cli, [*arguments, "--verbose", "0"]) == 0
    assert RunDir(tmp_path / "run").read_json("config")["learning_rate"] == 0.001


def test_rate_that_is_really_too_high_ends_in_a_message(tmp_path):
    """Numbers that run away in plain gradient descent, without a planted NaN."""
    x = np.random.default_rng(0).normal(size=(60, 3)) * 100
    settings = SETTINGS | {"optimizer": "sgd", "learning_rate": 10.0, "units": (32, 32)}
    with pytest.raises(ConfigError, match=r"not finite any more in epoch \d.*the same call with .*learning_rate=1$"):
        finetune.fit(x, x[:, 0] * 3, run_dir=tmp_path / "run", **settings)


def test_phases_with_rates_of_their_own_go_on_with_clipped_gradients(table, tmp_path):
    """The run's learning rate is none of theirs, so a lower one would change nothing."""
    message = diverge(table, tmp_path / "run", 4, phases=[{"learning_rate": 0.02}])
    assert "Lower the learning rates of the phases, or clip the gradients" in message
    arguments = command_in(message)
    assert arguments[-1] == "global_clip_norm=1" and run_command(cli, [*arguments, "--verbose", "0"]) == 0


def test_folds_begin_again(table, tmp_path):
    """Folds that learned at two rates would be an estimate of neither."""
    assert "--overwrite" in diverge(table, tmp_path / "run", 3, folds=2)


def test_run_that_went_on_can_be_killed_and_keeps_its_record(table, tmp_path):
    """A run that goes on at a lower rate, and is stopped again, needs nothing said twice."""
    diverge(table, tmp_path / "run", 4)
    lower = SETTINGS | {"learning_rate": 0.001, "checkpoint_seconds": 0}

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune.fit(table, run_dir=tmp_path / "run", resume=True, callbacks=[Stop()], **lower)
    assert run_command(cli, ["resume", str(tmp_path / "run"), "--verbose", "0"]) == 0
    decisions = RunDir(tmp_path / "run").read_json("model")["decisions"]
    assert sum("finite" in row["why"] for row in decisions) == 1
    diverge(table, tmp_path / "other", 4)
    unbroken = finetune.fit(table, run_dir=tmp_path / "other", resume=True, **lower)
    for one, other in zip(
        unbroken.model.get_weights(), finetune.Run(tmp_path / "run").model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
