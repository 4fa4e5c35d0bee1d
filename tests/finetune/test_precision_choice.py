"""Which precision a run learns in: as given, as it began, clear without a measurement, or measured."""

import json

import pytest
from small_pictures import make_pictures
from test_resume import Killed, kill_at, same_runs

import finetune
from finetune import precision_choice
from finetune.environment import cpu_flags
from finetune.precision_choice import PrecisionChoice, choice_of
from finetune.run_dir import RunDir
from finetune.training.step_rates import StepRates
from zoo.errors import RunStateError

pytestmark = pytest.mark.keras
BFLOAT16 = "mixed_bfloat16"


def fit(root, run_dir, **settings):
    """Train a small network on small pictures quietly."""
    settings = {"model": "cnn", "image_size": 16, "units": (4,), "epochs": 2, "batch_size": 8, "verbose": 0} | settings
    return finetune.fit(root / "pictures", run_dir=run_dir, cache_dir=root / "cache", **settings)


@pytest.fixture
def root(tmp_path):
    """A folder with pictures in it."""
    make_pictures(tmp_path / "pictures", per_class=6)
    return tmp_path


def begin(root, run_dir, **settings):
    """Begin such a run and stop before it learns; return what it says of its precision."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finetune.recipe.learn", stop)
        with pytest.raises(Killed):
            fit(root, run_dir, **settings)
    return choice_of(RunDir(run_dir))


def stop(*arguments, **options):
    """Stand for a kill."""
    raise Killed


def refuse_to_measure(*arguments, **options):
    """Stand for a measurement that must not be."""
    raise AssertionError("measured")


@pytest.fixture
def measuring(monkeypatch):
    """Every run is long enough to be measured, and whatever is measured is worth it."""
    monkeypatch.setattr(precision_choice, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(precision_choice, "_LAYER_SECONDS", 0)
    monkeypatch.setattr(precision_choice, "_MOST_SHARE", 1e9)
    monkeypatch.setattr(precision_choice, "WORTH", 0)


def decided(run):
    """Return what a run says of its precision."""
    return [one for one in RunDir(run.path).read_json("model")["decisions"] if one["what"] == "precision"]


def test_processor_without_bfloat16_is_not_measured(root, monkeypatch):
    """Half precision would be float32 with detours; the run says so, and stores what it took."""
    monkeypatch.setattr(precision_choice, "cpu_flags", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(precision_choice, "make_network", refuse_to_measure)
    choice = begin(root, root / "run")
    assert choice.value == "float32" and "no instructions" in choice.why and not choice.rates


def test_small_run_is_not_measured(root, monkeypatch):
    """A few seconds of training are not worth a measurement."""
    monkeypatch.setattr(precision_choice, "cpu_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr(precision_choice, "step_rates", refuse_to_measure)
    choice = begin(root, root / "run")
    assert choice.value == "float32" and "too little" in choice.why


def test_linear_head_is_not_measured(small_run):
    """A head on cached features is one small layer."""
    (decision,) = decided(small_run)
    assert decision["value"] == "float32"


@pytest.mark.parametrize(("rate", "value"), [(114, "float32"), (116, BFLOAT16)])
def test_another_precision_has_to_be_clearly_faster(rate, value):
    """It is taken from 1.15 times the speed of float32 on; both rates are said."""
    found = precision_choice._judged(StepRates({"float32": 100.0, BFLOAT16: float(rate)}, 8, 60.0, 2.0))
    assert found.value == value and found.rates == {"float32": 100, BFLOAT16: rate}
    assert "100 in float32" in found.why and f"{rate} in mixed_bfloat16 ({rate / 100:.2f} times)" in found.why


def test_measured_run_is_bit_equal_to_one_that_was_told(root, measuring):
    """Measuring leaves no trace in what is learned, augmentation and dropout included."""
    settings = {"augmentation": "light", "dropout": 0.3}
    measured = fit(root, root / "measured", **settings)
    assert measured.config.precision == BFLOAT16 and decided(measured)[0]["value"] == BFLOAT16
    rates = RunDir(measured.path).read_json("environment")["precision"]["rates"]
    assert set(rates) == {"float32", BFLOAT16} and min(rates.values()) > 0
    same_runs(measured, fit(root, root / "told", precision=BFLOAT16, **settings))


def test_phase_with_the_most_work_is_measured(root, measuring, monkeypatch):
    """Of two phases the one in which stages of the trunk learn, above its own cut."""
    seen = []

    def rates(model, material, config, phase, **options):
        seen.append((phase.name, len(model.input_shape), len(material.features)))
        return StepRates({"float32": 1.0, BFLOAT16: 2.0}, 8, 60.0, 2.0)

    monkeypatch.setattr(precision_choice, "step_rates", rates)
    settings = {"model": "efficientnet_lite0", "image_size": 32, "method": "two_phase", "unfreeze": 1, "units": None}
    assert begin(root, root / "run", **settings).value == BFLOAT16
    assert seen == [("upper", 4, 8)]


def test_resumed_run_goes_on_in_the_precision_that_it_began_in(root, measuring, monkeypatch):
    """It is not measured again, where another answer could come out, and ends as an unbroken run to the bit."""
    whole = fit(root, root / "whole", checkpoint_seconds=0, precision=BFLOAT16)
    with monkeypatch.context() as patch:
        patch.setattr(precision_choice, "step_rates", lambda *a, **o: StepRates({"float32": 1, BFLOAT16: 2}, 8, 9, 1))
        kill_at(patch, 1)
        with pytest.raises(Killed):
            fit(root, root / "broken", checkpoint_seconds=0)
    began = choice_of(RunDir(root / "broken"))
    monkeypatch.setattr(precision_choice, "step_rates", refuse_to_measure)
    resumed = fit(root, root / "broken", checkpoint_seconds=0, resume=True)
    same_runs(whole, resumed)
    assert decided(resumed)[0]["why"] == began.why and resumed.config.precision == BFLOAT16


def test_resume_in_another_precision_is_refused(root):
    """What was asked for by name is held against what the run began with."""
    begin(root, root / "run")
    with pytest.raises(RunStateError, match="precision was 'float32', is 'mixed_bfloat16'"):
        fit(root, root / "run", precision=BFLOAT16, resume=True)


def test_run_that_was_killed_early_still_knows_its_precision(tmp_path):
    """config.json alone is enough, and decisions.json, which is there before it, says why; else it is measured."""
    assert choice_of(RunDir(tmp_path)) is None
    (tmp_path / "config.json").write_text(json.dumps({"precision": BFLOAT16}))
    assert choice_of(RunDir(tmp_path)) == PrecisionChoice(BFLOAT16)
    (tmp_path / "decisions.json").write_text(json.dumps([{"what": "precision", "value": BFLOAT16, "why": "faster"}]))
    assert choice_of(RunDir(tmp_path)) == PrecisionChoice(BFLOAT16, "faster")
    stored = PrecisionChoice(BFLOAT16, "faster", {"float32": 1.0})
    (tmp_path / "environment.json").write_text(json.dumps({"precision": stored.as_json()}))
    assert choice_of(RunDir(tmp_path)) == stored
    (tmp_path / "config.json").write_text("{}")
    assert choice_of(RunDir(tmp_path)) is None


def test_float16_on_a_cpu_is_warned_of(root, capsys):
    """It is done, but it is slow; no decision of the run is claimed."""
    choice = begin(root, root / "run", precision="mixed_float16")
    assert "without a GPU" in capsys.readouterr().err
    assert choice.value == "mixed_float16" and not choice.decisions


def test_flags_of_the_processor_are_read(monkeypatch, tmp_path):
    """As Linux writes them on x86 and on ARM; elsewhere nothing is known."""
    monkeypatch.setattr("finetune.environment._CPU", tmp_path / "cpuinfo")
    assert cpu_flags() is None
    (tmp_path / "cpuinfo").write_text("model name\t: A\nflags\t\t: fpu amx_bf16\nbogomips: 1\nflags\t: fpu amx_bf16\n")
    assert cpu_flags() == {"fpu", "amx_bf16"}
    (tmp_path / "cpuinfo").write_text("Features\t: fp bf16\n")
    assert cpu_flags() == {"fp", "bf16"}
