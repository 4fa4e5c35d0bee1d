"""A run that was stopped goes on: to the same weights, history and metrics, to the last bit."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from small_pictures import SETTINGS, make_pictures, save_backbone

import finetune
from finetune.cli import cli, run_command
from finetune.config import make_config
from finetune.resume import as_begun
from finetune.run_dir import RunDir
from finetune.training import keeper
from finetune.training.checkpoints import Checkpoints
from finetune.training.state import State
from zoo.errors import RunStateError

pytestmark = pytest.mark.keras


class Killed(BaseException):
    """Stands for a kill: nothing that the run would do at its end is done."""


def rows_of_flowers():
    """Return lines of a small table."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 2))
    return "".join(f"{a:.3f},{b:.3f},{'yes' if a + b > 0 else 'no'}\n" for a, b in x)


@pytest.fixture
def table(tmp_path):
    """A small table."""
    (tmp_path / "t.csv").write_text("a,b,label\n" + rows_of_flowers())
    return tmp_path / "t.csv"


def fit(data, run_dir, **settings):
    """Run quietly, with a checkpoint after every call of steps."""
    settings = {"epochs": 4, "batch_size": 8, "checkpoint_seconds": 0, "verbose": 0} | settings
    return finetune.fit(data, run_dir=run_dir, **settings)


def kill_at(monkeypatch, number):
    """Let the process "die" right after its checkpoint of a number was written."""
    save, written = Checkpoints.save, []

    def dying(self, place, state):
        save(self, place, state)
        written.append(place["phase"])
        if len(written) == number:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save", dying)
    return written


def same_runs(one, other):
    """Whether two runs have bit-equal weights, equal metrics and equal histories but for times."""
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    timeless = [
        {k: v for k, v in run.metrics.items() if k not in ("seconds", "peak_rss_bytes")} for run in (one, other)
    ]
    assert timeless[0] == timeless[1]
    histories = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in RunDir(run.path).read_history()]
        for run in (one, other)
    ]
    assert histories[0] == histories[1]


SETTINGS_OF_RUNS = {
    "plain": {},
    "everything": {
        **{"optimizer": "adamw", "weight_decay": 0.01, "schedule": "plateau", "ema": 0.9, "accumulation_steps": 2},
        **{"global_clip_norm": 1.0, "dropout": 0.2, "patience": 3},
    },
    "cycle": {"schedule": "one_cycle", "optimizer": "momentum", "learning_rate": 0.05},
}


@pytest.mark.parametrize("settings", SETTINGS_OF_RUNS.values(), ids=SETTINGS_OF_RUNS)
@pytest.mark.parametrize("number", [1, 4, 7])
def test_killed_run_ends_as_an_unbroken_one(table, tmp_path, monkeypatch, number, settings):
    """Killed at a checkpoint in the first, a middle or the last epoch, and resumed: the same run to the bit."""
    whole = fit(table, tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        kill_at(patch, number)
        with pytest.raises(Killed):
            fit(table, tmp_path / "broken", **settings)
    assert not RunDir(tmp_path / "broken").is_done
    same_runs(whole, fit(table, tmp_path / "broken", **settings, resume=True))
    assert not (tmp_path / "broken" / "checkpoints").exists()


def test_killed_second_phase_goes_on(tmp_path, monkeypatch):
    """A run of two phases that is killed in its second does not learn its first again, and ends the same."""
    make_pictures(tmp_path / "pictures", per_class=6)
    settings = SETTINGS | {"method": "two_phase", "unfreeze": 1, "epochs": 2, "fine_tune_epochs": 2}
    settings |= {"cache_dir": tmp_path / "cache"}
    whole = fit(tmp_path / "pictures", tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        kill_at(patch, 6)
        with pytest.raises(Killed):
            fit(tmp_path / "pictures", tmp_path / "broken", **settings)
    with monkeypatch.context() as patch:
        phases = kill_at(patch, 0)
        same_runs(whole, fit(tmp_path / "pictures", tmp_path / "broken", **settings, resume=True))
    assert set(phases) == {1}


def test_phase_above_what_learned_before_goes_on(tmp_path, monkeypatch):
    """Of a phase that learns less than the one before it, what that one changed further down is kept too."""
    make_pictures(tmp_path / "pictures", per_class=6)
    save_backbone(tmp_path / "backbone.keras")
    phases = [{"stages": 1, "epochs": 1, "learning_rate": 0.1}, {"stages": 0, "epochs": 2}]
    settings = SETTINGS | {"model": str(tmp_path / "backbone.keras"), "phases": phases, "cache_dir": tmp_path / "cache"}
    whole = fit(tmp_path / "pictures", tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:
        phases = kill_at(patch, 4)
        with pytest.raises(Killed):
            fit(tmp_path / "pictures", tmp_path / "broken", **settings)
    assert phases[-1] == 1
    same_runs(whole, fit(tmp_path / "pictures", tmp_path / "broken", **settings, resume=True))


def parts_at(monkeypatch, number):
    """Stop a run at a checkpoint of its last part, by number; return of which part each checkpoint is."""
    save, parts = Checkpoints.save, []

    def dying(self, place, state):
        save(self, place, state)
        parts.append(place["part"])
        if place["part"] == "training" and parts.count("training") == number:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save", dying)
    return parts


def test_finished_folds_do_not_learn_again(table, tmp_path, monkeypatch):
    """Killed in its last part, a run with folds takes what these answered from its state, and ends the same."""
    whole = fit(table, tmp_path / "whole", folds=2, epochs=2)
    with monkeypatch.context() as patch:
        before = parts_at(patch, 2)
        with pytest.raises(Killed):
            fit(table, tmp_path / "broken", folds=2, epochs=2)
    assert before[-1] == "training" and list(dict.fromkeys(before))[:2] == ["fold 1 of 2", "fold 2 of 2"]
    with monkeypatch.context() as patch:
        after = parts_at(patch, 0)
        resumed = fit(table, tmp_path / "broken", folds=2, epochs=2, resume=True)
    assert set(after) == {"training"}
    same_runs(whole, resumed)
    texts = [(run.path / "predictions.csv").read_bytes() for run in (whole, resumed)]
    assert texts[0] == texts[1]
    assert not (tmp_path / "broken" / "checkpoints").exists()


def test_answers_of_another_fold_are_not_taken(table, tmp_path, monkeypatch):
    """What a fold answered counts for that fold alone; of others, and damaged, it is as if it were not there."""
    whole = fit(table, tmp_path / "whole", folds=2, epochs=2)
    with monkeypatch.context() as patch:
        parts_at(patch, 2)
        with pytest.raises(Killed):
            fit(table, tmp_path / "broken", folds=2, epochs=2)
    one, other = (tmp_path / "broken" / "checkpoints" / f"fold-{number}.safetensors" for number in (1, 2))
    one.write_bytes(other.read_bytes())
    other.write_bytes(other.read_bytes()[:-1])
    with monkeypatch.context() as patch:
        after = parts_at(patch, 0)
        same_runs(whole, fit(table, tmp_path / "broken", folds=2, epochs=2, resume=True))
    assert {"fold 1 of 2", "fold 2 of 2"} <= set(after)


def test_runtime_that_was_found_is_kept(tmp_path):
    """config.json names what ran the frozen part; who leaves that to the run again goes on with it."""
    with RunDir.claim(tmp_path / "run", overwrite=False, resume=False) as run_dir:
        auto = make_config({"data": "d"})
        assert as_begun(run_dir, auto).runtime == "auto"
        run_dir.write_json("config", auto.model_dump(mode="json") | {"runtime": "keras_bf16"})
        assert as_begun(run_dir, auto).runtime == "keras_bf16"
        assert as_begun(run_dir, make_config({"data": "d", "runtime": "keras"})).runtime == "keras"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"epochs": 5}, "epochs was 4, is 5"), ({"seed": 3}, "seed was 0, is 3"), ({"units": (4,)}, "units was")],
)
def test_other_settings_are_refused(table, tmp_path, monkeypatch, change, message):
    """A run is gone on with only by what it began with; the difference is named, and nothing is changed."""
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            fit(table, tmp_path / "run")
    before = sorted((tmp_path / "run" / "checkpoints").iterdir())
    with pytest.raises(RunStateError, match=message):
        fit(table, tmp_path / "run", resume=True, **change)
    assert sorted((tmp_path / "run" / "checkpoints").iterdir()) == before


def test_other_data_are_refused(table, tmp_path, monkeypatch):
    """A row more is another data set."""
    with monkeypatch.context() as patch:
        kill_at(patch, 2)
        with pytest.raises(Killed):
            fit(table, tmp_path / "run")
    with table.open("a") as file:
        file.write("0.5,0.6,yes\n")
    with pytest.raises(RunStateError, match="fingerprint of the data differs"):
        fit(table, tmp_path / "run", resume=True)


def test_moved_run_goes_on_by_the_command(table, tmp_path, monkeypatch, capsys):
    """`finetune resume` needs nothing but the directory, which may have been moved."""
    whole = fit(table, tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            fit(table, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert run_command(cli, ["resume", str(tmp_path / "moved"), "--verbose", "0"]) == 0
    same_runs(whole, finetune.Run(tmp_path / "moved"))
    assert run_command(cli, ["resume", str(tmp_path / "moved")]) == 0
    assert "nothing is left to do" in capsys.readouterr().err


def test_without_a_run_it_begins(table, tmp_path):
    """With resume=True a script can be started again and again."""
    assert fit(table, tmp_path / "run", resume=True).metrics["task"] == "classification"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signal_is_heard_between_two_steps(table, tmp_path, monkeypatch, number, code):
    """A signal while it learns: the step is finished, the state is written, and the run can be gone on with."""
    whole = fit(table, tmp_path / "whole", checkpoint_seconds=3600)
    calls = []

    def snapshot(model, progress):
        calls.append(progress.epoch)
        return real(model, progress)

    real = keeper.snapshot
    monkeypatch.setattr(keeper, "snapshot", snapshot)
    sent = []

    def due(self):
        if not sent:
            sent.append(os.kill(os.getpid(), number))
        return False

    monkeypatch.setattr(Checkpoints, "due", due)
    with pytest.raises(code):
        fit(table, tmp_path / "run", checkpoint_seconds=3600)
    monkeypatch.undo()
    assert len(calls) == 1 and list((tmp_path / "run" / "checkpoints").iterdir())
    same_runs(whole, fit(table, tmp_path / "run", checkpoint_seconds=3600, resume=True))


def test_two_checkpoints_are_kept_and_a_damaged_one_is_passed_over(tmp_path):
    """The newest that is sound counts; older ones are removed."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for number in range(4):
        checkpoints.save({"part": "training", "phase": 0}, State({"a": np.full(3, number)}, {"epoch": number}))
    files = sorted((tmp_path / "checkpoints").iterdir())
    assert [file.name for file in files] == ["000003.safetensors", "000004.safetensors"]
    assert checkpoints.latest().state.numbers == {"epoch": 3}
    content = bytearray(files[1].read_bytes())
    content[-1] ^= 1
    files[1].write_bytes(content)
    assert checkpoints.latest().number == 3


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.1, 0.5, 1.5])
def test_process_that_is_killed_goes_on(table, tmp_path, after):
    """A real process, killed by SIGKILL some time after its first checkpoint, and resumed by the command."""
    code = "import sys; from finetune.cli import main; sys.argv[0] = 'finetune'; main()"
    options = ["--set", "epochs=40", "--set", "patience=40", "--set", "checkpoint_seconds=0", "--verbose", "0"]
    command = [sys.executable, "-c", code, "fit", str(table), *options, "--run-dir"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    with subprocess.Popen([*command, str(tmp_path / "run")], stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list((tmp_path / "run").glob("checkpoints/*")):
            pass
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            process.kill()
    assert process.returncode in (-signal.SIGKILL, 0)
    subprocess.run([sys.executable, "-c", code, "resume", str(tmp_path / "run")], check=True, capture_output=True)
    same_runs(finetune.Run(tmp_path / "whole"), finetune.Run(tmp_path / "run"))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["checkpoint_seconds"] == 0
