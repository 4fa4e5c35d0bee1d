"""Runs on whatever runs the network: what is recorded, taken from the cache, and judged."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import keras
import numpy as np
import pytest

import finetune
from finetune.config import make_config
from finetune.data.folder import scan_folder
from finetune.data.load import check_examples
from finetune.progress import Reporter
from finetune.transfer import openvino_runner, runtime_choice, runtimes
from finetune.transfer.trunk import Trunk
from finetune.transfer.trunk_features import trunk_features
from zoo.errors import ConfigError, RunStateError
from zoo.spec import Preprocessing

pytestmark = pytest.mark.keras
needs_openvino = pytest.mark.skipif(not openvino_runner.is_installed(), reason="the extra `fast` is not installed")


def runtime_of(run):
    """Return the runtime of config.json and the reason of model.json."""
    config = json.loads((run.path / "config.json").read_text())
    decisions = json.loads((run.path / "model.json").read_text())["decisions"]
    return config["runtime"], next(found["why"] for found in decisions if found["what"] == "runtime")


@pytest.fixture(scope="module")
def settings_of_small_run(small_run, tmp_path_factory):
    """Settings that repeat the small run with a cache of this module, for others count what is in its own."""
    config = json.loads((small_run.path / "config.json").read_text())
    return config | {"cache_dir": tmp_path_factory.mktemp("cache")}


@pytest.fixture
def features_of(pictures, tmp_path, monkeypatch):
    """Give features of thirty pictures by a small network, where OpenVINO is played by Keras."""
    config = make_config({"data": str(pictures), "batch_size": 8, "cache_dir": str(tmp_path / "cache")})
    inspection = check_examples(config, scan_folder(config.data), Reporter(0))
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    trunk = Trunk(model, Preprocessing(8, (0, 0, 0), (1, 1, 1)), "0" * 64)
    played = lambda graph, precision: partial(graph.run, batch_size=8)  # noqa: E731
    monkeypatch.setattr(runtimes, "OpenVinoRunner", played)
    for name, answer in {"is_installed": True, "has_bfloat16": True, "version": "1.2"}.items():
        monkeypatch.setattr(openvino_runner, name, lambda answer=answer: answer)

    def features(runtime, rows=None, cut="features", **settings):
        wanted = config.model_copy(update={"runtime": runtime, "image_size": 8} | settings)
        return trunk_features(trunk, model, cut, inspection, wanted, Reporter(0), rows=rows)

    return features


def test_features_in_the_cache_decide_for_auto(features_of, monkeypatch):
    """Whatever float32 runtime left all features, auto takes them and builds nothing."""
    first = features_of("openvino")
    monkeypatch.setattr(runtime_choice, "choose", lambda *a, **k: pytest.fail("a runtime was chosen"))
    second = features_of("auto")
    assert (second.runtime.value, second.reused_rows, second.path) == ("openvino", 30, first.path)


def test_two_runs_at_once_share_the_work(features_of, monkeypatch):
    """The second waits until the first has chosen and computed, and takes what is there."""
    asked, choose = [], runtime_choice.choose

    def slow(*arguments):
        asked.append(arguments)
        time.sleep(0.3)
        return choose(*arguments)

    monkeypatch.setattr(runtime_choice, "choose", slow)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(features_of, ["auto", "auto"]))
    assert len(asked) == 1 and sorted(features.reused_rows for features in found) == [0, 30]


def test_features_of_another_precision_are_not_taken(features_of):
    """Float32 never reads what half precision left, nor the other way round; auto prefers float32."""
    paths = {features_of(runtime).path for runtime in ("openvino_bf16", "keras_bf16", "keras_fp16", "auto_float32")}
    assert len(paths) == 4
    assert features_of("auto").runtime.value == "keras"


@pytest.mark.parametrize("asked", [{"folds": 3}, {"rows": np.arange(4)}])
def test_features_that_judge_are_float32(features_of, asked):
    """What folds or the test side are judged by is not taken from half precision, though auto finds it in the cache."""
    assert features_of("openvino_bf16").runtime.value == features_of("auto").runtime.value == "openvino_bf16"
    names = [features_of(one, **asked).runtime.value for one in ("auto", "openvino_bf16", "keras_fp16", "keras_xla")]
    assert names == ["keras", "openvino", "keras", "keras_xla"]


def test_overflow_in_half_precision_ends_in_float32(features_of, monkeypatch, capsys):
    """A picture that no comparison met may overflow; all are run in float32 then, and the next run takes those."""
    calls = []

    def overflowing(graph, precision):
        def run(batches):
            calls.append(precision)
            for features in graph.run(batches, batch_size=8):
                yield features * np.inf if precision == "bfloat16" and len(calls) > 1 else features

        return run

    monkeypatch.setattr(runtimes, "OpenVinoRunner", overflowing)
    found = features_of("openvino_bf16")
    assert found.runtime.value == "openvino" and np.isfinite(found.array[:]).all()
    assert "run in float32 instead" in capsys.readouterr().err
    assert features_of("auto").runtime.value == "openvino"


def test_each_cut_has_rates_of_its_own(features_of, monkeypatch):
    """A part of a network is faster than the whole, so their rates do not compare."""
    memories, choose = [], runtime_choice.choose
    monkeypatch.setattr(runtime_choice, "choose", lambda *a: (memories.append(a[2]), choose(*a))[1])
    for cut in ("features", "stage2", "features"):
        features_of("auto", cut=cut, rows=np.arange(len(memories) + 3))
    assert memories[0] == memories[2] != memories[1]


def test_damaged_half_precision_is_noticed(settings_of_small_run, tmp_path):
    """Cached features that are not those of the pictures stop the run, with what to do."""
    settings = settings_of_small_run | {"runtime": "keras_bf16", "cache_dir": tmp_path / "cache", "verbose": 0}
    finetune.fit(**settings | {"run_dir": tmp_path / "one"})
    for path in (tmp_path / "cache" / "features").glob("*/features.f32"):
        if '"examples"' not in (path.parent / "manifest.json").read_text():
            rows = np.fromfile(path, "<f4").reshape(-1, 1280)
            rows[::-1].tofile(path)
    with pytest.raises(RunStateError, match="the cached features are damaged. Delete the folder"):
        finetune.fit(**settings | {"run_dir": tmp_path / "two"})


def test_some_rows_are_those_of_all(features_of):
    """Features of some examples, in their order, are theirs among all; the next time they are in the cache."""
    rows, everything = np.array([20, 3, 4, 29, 0, 1, 2, 7, 8]), features_of("keras")
    some = features_of("keras_bf16", rows=rows)
    np.testing.assert_array_equal(some.array[:], everything.array[:][rows])
    assert features_of("keras_bf16", rows=rows).reused_rows == 9
    assert features_of("keras_bf16", rows=rows[::-1]).reused_rows == 0


def test_what_ran_is_in_config_and_decisions(small_run):
    """A run that is left to itself says what it took, so that its config repeats it."""
    runtime, why = runtime_of(small_run)
    assert runtime == "keras" and ("too few" in why or "not installed" in why)


@needs_openvino
def test_model_of_openvino_features_is_that_of_keras(small_run, settings_of_small_run, tmp_path):
    """Both runtimes lead to the same model within float tolerance."""
    run = finetune.fit(**settings_of_small_run | {"runtime": "openvino", "run_dir": tmp_path / "run"}, verbose=0)
    assert runtime_of(run)[0] == "openvino" and "cosine to Keras' features 0.99999" in runtime_of(run)[1]
    picture = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")
    ours, theirs = (one.model.predict(picture, verbose=0) for one in (run, small_run))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize(
    ("runtime", "settings"),
    [
        ("openvino_bf16", {}),
        ("keras_bf16", {}),
        ("keras_fp16", {}),
        ("keras_bf16", {"method": "two_phase", "unfreeze": 1, "head_epochs": 1, "fine_tune_epochs": 1}),
        ("keras_bf16", {"augmentation": "light", "cached_views": 2}),
    ],
    ids=["openvino_bf16", "keras_bf16", "keras_fp16", "two_phase", "cached_views"],
)
def test_rounded_features_are_judged_by_the_finished_model(
    settings_of_small_run, tmp_path, monkeypatch, runtime, settings
):
    """In half precision, test metrics are those of the float32 model that is kept, as evaluate finds them."""
    if runtime == "openvino_bf16" and not (openvino_runner.is_installed() and openvino_runner.has_bfloat16()):
        pytest.skip("this CPU does not compute in bfloat16")
    monkeypatch.setattr(runtimes, "BFLOAT16_COSINE", 0.9)
    changed = {"runtime": runtime, "run_dir": tmp_path / "run"} | settings
    run = finetune.fit(**settings_of_small_run | changed, verbose=0)
    assert runtime_of(run)[0] == runtime
    assert run.metrics["test"]["loss"] == pytest.approx(run.evaluate()["loss"], abs=1e-6)


def test_missing_openvino_is_named_before_anything_runs(pictures, tmp_path, monkeypatch):
    """Asked for by name without the package: one line with the command, and no run directory."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(ConfigError, match=r"pip install 'keras-graft\[fast\]'"):
        finetune.fit(pictures, runtime="openvino", run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("runtime", ["openvino_bf16", "keras_fp16_xla"])
def test_rounded_features_and_folds_are_refused(pictures, monkeypatch, runtime):
    """Folds are judged on features alone, which would not be those of the model."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(ConfigError, match=f"runtime={runtime} does not go with folds"):
        finetune.fit(pictures, runtime=runtime, folds=3)
