"""The log for TensorBoard holds the history, and asks for its extra where that is missing."""

import numpy as np
import pytest

import finetune
from finetune.run_dir import RunDir
from finetune.training import event_log
from finetune.training.event_log import EventLog
from zoo.errors import ConfigError

pytestmark = pytest.mark.keras


def test_log_holds_the_history(tmp_path):
    """Loss and accuracy of every epoch are there for both sides; a run that is overwritten leaves none behind."""
    x = np.random.default_rng(0).normal(size=(80, 3))
    options = {"run_dir": tmp_path / "run", "epochs": 2, "tensorboard": True, "verbose": 0}
    for _ in range(2):
        run = finetune.fit(x, (x[:, 0] > 0).astype(int), overwrite=True, **options)
    files = sorted(path.name for path in (tmp_path / "run" / "tensorboard" / "training").iterdir())
    assert len(files) == 2
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    for side, prefix in (("training", ""), ("validation", "val_")):
        found = {}
        for path in sorted((tmp_path / "run" / "tensorboard" / side).iterdir()):
            for event in loader.EventFileLoader(str(path)).Load():
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append(value.tensor.float_val[0])
        for name in ("loss", "accuracy"):
            expected = [row[prefix + name] for row in RunDir(run.path).read_history()]
            np.testing.assert_allclose(found[name], expected, rtol=1e-6)


def test_missing_extra_is_named(tmp_path, monkeypatch):
    """Without TensorBoard the setting is refused with what to install."""

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(event_log.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'keras-graft\[tensorboard\]'"):
        EventLog(tmp_path)
