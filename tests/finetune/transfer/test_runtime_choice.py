"""What runs a network: asked for, timed, compared with Keras, remembered; others than Keras are played by functions."""

import json
import time
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from finetune.transfer import openvino_runner, runtime_choice, runtimes
from finetune.transfer.runtime_choice import WORTH_TIMING, choose
from finetune.transfer.runtime_names import (
    AUTO,
    AUTO_FLOAT32,
    KERAS,
    KERAS_BF16,
    KERAS_FP16_XLA,
    KERAS_XLA,
    OPENVINO,
    OPENVINO_BF16,
    RUNTIMES,
    CannotRun,
)
from finetune.transfer.runtimes import Choice, Work

pytestmark = pytest.mark.keras
BATCH = 4


@pytest.fixture(scope="module")
def model():
    """Pictures of 8 pixels to their three mean colours."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(inputs))


def work_of(model, count, rows=None):
    """Return so many pictures of two classes that differ in colour, of which sixty-four are different."""
    pixels = np.random.default_rng(0).integers(1, 50, (64, 8, 8, 3))
    classes = np.arange(64) // 2 % 2
    pixels += 100 * np.eye(3, dtype=int)[classes][:, None, None, :]

    def pictures(indices):
        rows = pixels[np.array(indices) % 64].astype("uint8")
        return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]

    return Work(model, BATCH, count, rows or count, pictures, classes[np.arange(count) % 64])


@pytest.fixture
def work(model):
    """Just enough pictures to be worth a choice."""
    return work_of(model, WORTH_TIMING * BATCH)


@pytest.fixture
def openvino(monkeypatch):
    """Play OpenVINO, which changes Keras' features, takes seconds a batch, and is asked for precisions."""

    class Played:
        change, seconds, asked, broken = staticmethod(lambda features: features), 0.0, [], ""

    def build(graph, *, precision):
        Played.asked.append(precision)
        if Played.broken:
            raise CannotRun(Played.broken)

        def run(batches):
            for features in graph.run(batches, batch_size=BATCH):
                time.sleep(Played.seconds)
                yield Played.change(features)

        return run

    Played.asked = []
    monkeypatch.setattr(runtimes, "OpenVinoRunner", build)
    for name, answer in {"is_installed": True, "has_bfloat16": True, "version": "1.2"}.items():
        monkeypatch.setattr(openvino_runner, name, lambda answer=answer: answer)
    return Played


@pytest.fixture
def choosing(work, tmp_path):
    """Choose for the work, and say what was warned of."""
    warnings = []
    chosen = partial(choose, work, memory=tmp_path / "runtimes" / "choice.json", warn=warnings.append)
    chosen.warnings, chosen.memory = warnings, tmp_path / "runtimes" / "choice.json"
    return chosen


def slower_keras(monkeypatch, seconds=0.05):
    """Let Keras take its time."""

    def slow(work, batches):
        for batch in batches:
            time.sleep(seconds)
            yield np.asarray(work.model.predict_on_batch(batch))

    for name in ("by_keras", "by_keras_in_trial"):
        monkeypatch.setattr(Work, name, slow)


def test_faster_one_is_taken_and_remembered(openvino, choosing, monkeypatch):
    """Where OpenVINO is faster it runs the network, and the next time nothing is timed."""
    slower_keras(monkeypatch)
    choice, run = choosing(AUTO)
    assert choice.runtime == OPENVINO and choice.rates["openvino"] > choice.rates["keras"]
    monkeypatch.setattr(runtime_choice._Trial, "_timed", lambda *a: pytest.fail("timed again"))
    again, _ = choosing(AUTO)
    assert (again.runtime, again.rates) == (choice.runtime, choice.rates)
    assert json.loads(choosing.memory.read_text()) == {"rates": choice.rates}


def test_slower_one_is_not_taken(openvino, choosing):
    """Where Keras is faster it runs the network, and the next time OpenVINO is not even built."""
    openvino.seconds = 0.2
    assert choosing(AUTO)[0].runtime == KERAS
    openvino.asked.clear()
    choice, run = choosing(AUTO)
    assert choice.runtime == KERAS and "Keras" in choice.why and not openvino.asked


@pytest.mark.parametrize("wanted", [AUTO, "openvino"])
def test_other_numbers_than_keras_fall_back(openvino, choosing, work, wanted, monkeypatch):
    """What differs from Keras on the first batch is not used, though it is faster; who asked for it is warned."""
    slower_keras(monkeypatch)
    openvino.change = lambda features: features * [1, 1.2, 0.9]
    choice, run = choosing(wanted)
    assert choice.runtime == KERAS and "0.9999 is needed" in choice.why
    assert bool(choosing.warnings) == (wanted == "openvino")
    batch = work.pictures([0])[0]
    np.testing.assert_allclose(next(iter(run([batch]))), work.model.predict_on_batch(batch))


def test_remembered_choice_is_compared_again(openvino, choosing, monkeypatch):
    """A choice is for a network; whether its numbers are right is asked for each data set."""
    slower_keras(monkeypatch)
    assert choosing(AUTO)[0].runtime == OPENVINO
    openvino.change = lambda features: features[:, ::-1]
    assert choosing(AUTO)[0].runtime == KERAS


def test_network_that_openvino_does_not_know_falls_back(openvino, choosing):
    """The reason is given, and Keras runs it."""
    openvino.broken = "no such operation"
    choice, _ = choosing(AUTO)
    assert choice.runtime == KERAS and "no such operation" in choice.why


def test_few_pictures_are_not_worth_timing(openvino, choosing, work):
    """Below sixteen batches nothing but Keras is built."""
    few = Work(work.model, BATCH, 5, 5, work.pictures, work.values)
    choice, _ = choose(few, AUTO, choosing.memory, choosing.warnings.append)
    assert choice.runtime == KERAS and "too few" in choice.why and not openvino.asked


def test_bfloat16_that_a_probe_bears_out_is_taken(openvino, choosing):
    """Asked for, and near enough: cosine and probe are in the reason."""
    generator = np.random.default_rng(0)
    openvino.change = lambda features: features * (1 + generator.normal(scale=0.01, size=features.shape))
    choice, _ = choosing("openvino_bf16")
    assert choice.runtime == OPENVINO_BF16 and "probe" in choice.why and not choosing.warnings


def test_bfloat16_that_differs_too_much_becomes_float32(openvino, choosing, monkeypatch):
    """Below the cosine of 0.999, OpenVINO in float32 takes over, and the user hears of it."""
    agreements = iter([0.998, 1.0])
    monkeypatch.setattr(runtimes, "agreement", lambda *a, **k: next(agreements))
    choice, _ = choosing("openvino_bf16")
    assert choice.runtime == OPENVINO and openvino.asked == ["bfloat16", "float32"]
    assert len(choosing.warnings) == 1 and "0.998000" in choosing.warnings[0]


def test_worse_probe_refuses_bfloat16(openvino, choosing, monkeypatch):
    """A cosine that passes is not enough where a probe learns less."""
    worse = np.arange(64) < 40, np.arange(64) < 64
    monkeypatch.setattr(runtimes, "probe_answers", lambda *a: worse)
    choice, _ = choosing("openvino_bf16")
    assert choice.runtime == OPENVINO and "right on 40 of 64, on Keras' 64" in choosing.warnings[0]


def test_keras_asked_for_builds_nothing_else(openvino, choosing):
    """runtime=keras is Keras."""
    assert choosing("keras")[0] == Choice(KERAS, "as asked") and not openvino.asked


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"rates": {"cuda": 1}}', '{"rates": {"openvino": 0}}', '{"rates": [1]}', "null"]
)
def test_memory_that_cannot_be_read_is_made_again(openvino, choosing, content):
    """A torn or foreign file is no choice."""
    choosing.memory.parent.mkdir()
    choosing.memory.write_text(content)
    choosing(AUTO)
    assert json.loads(choosing.memory.read_text())["rates"].keys() == {"openvino", "keras"}


def test_memory_that_cannot_be_written_stops_nothing(openvino, choosing):
    """The features say what is wrong with a cache; the choice goes on without it."""
    choosing.memory.parent.write_text("in the way")
    assert choosing(AUTO)[0].runtime in (OPENVINO, KERAS)


def test_every_runtime_has_features_of_its_own(monkeypatch, model):
    """Library, precision and compiler are part of the name of a cache entry."""
    monkeypatch.setattr(openvino_runner, "version", lambda: "1.2")
    names = {name: runtimes.identity(runtime, model) for name, runtime in RUNTIMES.items()}
    assert names["keras"] == [keras.backend.backend(), "one graph", keras.version(), "float32"]
    assert names["openvino"] == ["openvino", "1.2", "float32", "picture by picture", keras.version()]
    assert len({json.dumps(name) for name in names.values()}) == len(RUNTIMES)


def test_missing_extra_is_said_with_the_command(monkeypatch):
    """Without the package Keras runs everything, and how to get it is in the reason."""
    monkeypatch.setattr(openvino_runner, "is_installed", lambda: False)
    assert "pip install 'keras-graft[fast]'" in runtimes.hindrance(OPENVINO)
    assert runtimes.hindrance(KERAS) == ""


def test_large_network_is_no_constant_of_a_graph(model, monkeypatch):
    """TensorFlow would hold a dozen copies of its weights: it runs as Keras runs it, under another name."""
    small = runtimes.identity(KERAS, model)
    monkeypatch.setattr(runtimes, "_MOST_CONSTANTS", -1)
    monkeypatch.setattr(runtimes, "FrozenGraph", lambda model: pytest.fail("made a graph"))
    work = Work(model, BATCH, 4, 4, lambda indices: [], np.zeros(4))
    batch = np.ones((4, 8, 8, 3), "uint8")
    np.testing.assert_array_equal(next(work.by_keras([batch])), model.predict_on_batch(batch))
    assert runtimes.identity(KERAS, model) != small


@pytest.mark.parametrize("most", [runtimes._MOST_CONSTANTS, -1])
def test_keras_gives_in_a_trial_what_it_gives_in_a_run(model, monkeypatch, most):
    """Whether its graph is tried by a few pictures at a time or not: each picture once, in order, and none beside."""
    monkeypatch.setattr(runtimes, "_MOST_CONSTANTS", most)
    monkeypatch.setattr(runtimes, "_AT_A_TIME", 3 * 8 * 8)
    work = work_of(model, BATCH + 2)
    batches = work.pictures(range(BATCH + 2))
    tried, ran = (np.concatenate(list(run(batches))) for run in (work.by_keras_in_trial, work.by_keras))
    np.testing.assert_allclose(tried, ran, rtol=1e-6)


def test_keras_is_timed_as_it_is_tried(openvino, choosing, monkeypatch):
    """By a few pictures at a time: its first large batches take as long to get ready as to compute."""
    monkeypatch.setattr(Work, "by_keras", lambda work, batches: pytest.fail("ran whole batches"))
    choice, _ = choosing(AUTO)
    assert choice.rates["keras"] > 0


class Machine:
    """One on which each runtime has a rate; what is built and compared is written down, and some features differ."""

    def __init__(self, monkeypatch, *, gpu=False, amx=False, differs=(), **rates):
        self.rates, self.built, self.compared = rates, [], []

        def run(trial, runtime):
            if runtime not in self.built:
                self.built.append(runtime)
            if runtime.name not in rates:
                raise CannotRun("no kernel")
            return runtime.name

        def compared(work, runtime, run):
            self.compared.append(runtime)
            if runtime.name in differs:
                raise CannotRun("cosine 0.9, 0.999 is needed")
            return "near enough"

        def rate(trial, runtime):
            if runtime in trial.rates:
                return trial.rates[runtime]
            try:
                trial.rates[runtime] = self.rates[trial.run(runtime)]
            except CannotRun as error:
                trial.refuse(runtime, error)
                return 0.0
            trial._timed_now.add(runtime)
            return trial.rates[runtime]

        monkeypatch.setattr(runtime_choice, "has_gpu", lambda: gpu)
        monkeypatch.setattr(runtime_choice, "cpu_flags", lambda: frozenset(["amx_bf16"] * amx))
        monkeypatch.setattr(runtime_choice, "compared", compared)
        monkeypatch.setattr(runtime_choice, "hindrance", lambda runtime: "")
        monkeypatch.setattr(runtime_choice._Trial, "run", run)
        monkeypatch.setattr(runtime_choice._Trial, "rate", rate)

    def choice(self, model, path, *, seconds, wanted=AUTO, by=KERAS, views=0):
        """Return what is chosen where pictures take some seconds by a runtime, and each of their versions as long."""
        count = int(seconds * self.rates[by.name])
        work = work_of(model, count, count * (1 + views))
        return choose(work, wanted, path / "rates.json", pytest.fail)[0]


@pytest.mark.parametrize(
    ("amx", "half", "seconds", "expected"),
    [
        (True, 480, 12, OPENVINO_BF16),
        (True, 480, 7, OPENVINO),  # too short to build another
        (True, 240, 12, OPENVINO),  # hardly faster, with the test side run twice
        (False, 320, 12, OPENVINO),
        (False, 320, 60, OPENVINO_BF16),
    ],
)
def test_half_precision_has_to_pay(model, tmp_path, monkeypatch, amx, half, seconds, expected):
    """On a CPU bfloat16 is taken where it saves a fifth of a time that is worth saving."""
    machine = Machine(monkeypatch, amx=amx, keras=80, openvino=160, openvino_bf16=half)
    choice = machine.choice(model, tmp_path, seconds=seconds, by=OPENVINO)
    assert choice.runtime == expected and "OpenVINO 160" in choice.why
    tried = seconds > (8 if amx else 30)
    assert (OPENVINO_BF16 in machine.built) == tried == ("bfloat16 " in choice.why)
    assert "near enough" in choice.why


def test_float32_is_left_to_who_asks_for_it(model, tmp_path, monkeypatch):
    """auto_float32 takes the faster of those that give what Keras gives, and builds no other."""
    machine = Machine(monkeypatch, amx=True, keras=80, openvino=160, openvino_bf16=480)
    choice = machine.choice(model, tmp_path, seconds=60, wanted=AUTO_FLOAT32)
    assert choice.runtime == OPENVINO and OPENVINO_BF16 not in machine.built


def test_half_precision_that_differs_too_much_is_not_taken(model, tmp_path, monkeypatch):
    """What is exact runs then, and the reason says why the other does not."""
    machine = Machine(monkeypatch, amx=True, keras=80, openvino=160, openvino_bf16=480, differs=["openvino_bf16"])
    choice = machine.choice(model, tmp_path, seconds=60)
    assert choice.runtime == OPENVINO and "not OpenVINO in bfloat16: cosine 0.9" in choice.why


GPU = {"keras": 1000, "keras_bf16": 2000, "keras_fp16": 2500}


@pytest.mark.parametrize(
    ("rates", "seconds", "wanted", "expected", "built"),
    [
        (GPU, 0.01, AUTO, KERAS, set()),
        (GPU, 20, AUTO, KERAS, {"keras"}),
        (GPU, 60, AUTO, RUNTIMES["keras_fp16"], set(GPU)),
        (GPU | {"keras_bf16": 2600}, 60, AUTO, KERAS_BF16, set(GPU)),
        (GPU | {"keras_bf16": 1100, "keras_fp16": 1200}, 60, AUTO, KERAS, set(GPU)),
        (GPU | {"keras_fp16_xla": 3000}, 500, AUTO, KERAS_FP16_XLA, {*GPU, "keras_fp16_xla"}),
        (GPU | {"keras_fp16_xla": 2400}, 500, AUTO, RUNTIMES["keras_fp16"], {*GPU, "keras_fp16_xla"}),
        (GPU | {"keras_xla": 1500}, 500, AUTO_FLOAT32, KERAS_XLA, {"keras", "keras_xla"}),
        ({"keras": 1000, "keras_bf16": 2000}, 60, AUTO, KERAS_BF16, set(GPU)),  # no float16 here
        ({"keras": 1000}, 500, AUTO, KERAS, {*GPU, "keras_xla"}),
    ],
)
def test_gpu_tries_more_the_longer_it_takes(model, tmp_path, monkeypatch, rates, seconds, wanted, expected, built):
    """Keras as it is, then half precision, then XLA on the better of them: each where the time is worth building it."""
    machine = Machine(monkeypatch, gpu=True, **rates)
    choice = machine.choice(model, tmp_path, seconds=seconds, wanted=wanted)
    assert choice.runtime == expected
    assert {runtime.name for runtime in machine.built} == built


def test_gpu_falls_back_by_steps(model, tmp_path, monkeypatch):
    """Where float16 overflows bfloat16 is taken, and where XLA gives something else, the same without it."""
    rates = GPU | {"keras_bf16_xla": 9000}
    machine = Machine(monkeypatch, gpu=True, differs=["keras_fp16", "keras_bf16_xla"], **rates)
    choice = machine.choice(model, tmp_path, seconds=900)
    assert choice.runtime == KERAS_BF16
    assert "not Keras in float16: cosine" in choice.why and "not Keras in bfloat16 with XLA: cosine" in choice.why


def test_more_pictures_of_a_network_reopen_the_choice(model, tmp_path, monkeypatch):
    """What is remembered are rates: a large set of pictures is worth what a small one was not."""
    machine = Machine(monkeypatch, gpu=True, **GPU)
    (tmp_path / "rates.json").write_text('{"rates": {"keras": 1000}}')
    assert machine.choice(model, tmp_path, seconds=10).runtime == KERAS and machine.built == [KERAS]
    assert machine.choice(model, tmp_path, seconds=100).runtime == RUNTIMES["keras_fp16"]


def test_rates_of_another_day_are_not_compared(model, tmp_path, monkeypatch):
    """Where one is timed anew, so is what it is compared with: the machine may have been busy then."""
    (tmp_path / "rates.json").write_text('{"rates": {"keras": 100}}')
    machine = Machine(monkeypatch, gpu=True, keras=1000, keras_bf16=1100, keras_fp16=1100)
    choice = machine.choice(model, tmp_path, seconds=60)
    assert choice.runtime == KERAS and choice.rates["keras"] == 1000


def test_changed_versions_count(model, tmp_path, monkeypatch):
    """Nine rows for each picture take nine times as long, and the test side is run once all the same."""
    machine = Machine(monkeypatch, keras=80, openvino=160, openvino_bf16=230)
    assert machine.choice(model, tmp_path, seconds=20, by=OPENVINO).runtime == OPENVINO
    assert machine.choice(model, tmp_path, seconds=20, by=OPENVINO, views=8).runtime == OPENVINO_BF16


def test_decoding_bounds_what_is_won(model, tmp_path, monkeypatch):
    """A GPU that waits for pictures is not made faster by half precision."""
    machine = Machine(monkeypatch, gpu=True, **GPU)
    monkeypatch.setattr(runtime_choice._Trial, "_decoding", 1 / 900)
    assert machine.choice(model, tmp_path, seconds=60).runtime == KERAS


def test_keras_on_a_gpu_takes_no_xla_of_itself(work, monkeypatch):
    """Keras would compile by XLA wherever there is a GPU; what is called so here does."""
    monkeypatch.setattr(runtimes, "has_gpu", lambda: True)
    monkeypatch.setattr(runtimes, "forward", lambda *a, **k: pytest.fail("left to Keras"))
    batch = work.pictures([0])[0]
    np.testing.assert_allclose(next(iter(work.by_keras([batch]))), work.model.predict_on_batch(batch), rtol=1e-5)


def test_other_devices_are_other_machines(tmp_path, monkeypatch):
    """Rates are remembered for a GPU by its name."""
    found = set()
    for names in ([], ["H100", "2.21"], ["T4", "2.21"]):
        monkeypatch.setattr(runtime_choice, "gpu_names", lambda names=names: names)
        found.add(runtime_choice.memory_file(tmp_path, {}))
    assert len(found) == 3


@pytest.mark.parametrize("wanted", ["keras_bf16", "keras_fp16_xla"])
def test_keras_in_half_precision_runs_where_asked(choosing, work, wanted):
    """On any machine, after it was held against Keras in float32."""
    choice, run = choosing(wanted)
    assert choice.runtime == RUNTIMES[wanted] and "probe" in choice.why and not choosing.warnings
    batch = work.pictures([0])[0]
    np.testing.assert_allclose(next(iter(run([batch]))), work.model.predict_on_batch(batch), rtol=0.02)


def test_what_cannot_be_compiled_is_run_by_keras(choosing, monkeypatch):
    """Who asked for it hears why."""

    def refuse(*a, **k):
        raise CannotRun("out of memory")

    monkeypatch.setattr(runtimes, "KerasRunner", refuse)
    choice, _ = choosing("keras_xla")
    assert choice.runtime == KERAS and choosing.warnings == ["runtime=keras_xla: not Keras with XLA: out of memory"]


def test_what_cannot_run_is_built_once(work, tmp_path, monkeypatch):
    """Asked again, it has no rate, is not built again, and its reason is given once."""
    tried = []

    def refuse(work, runtime):
        tried.append(runtime)
        raise CannotRun("no kernel")

    monkeypatch.setattr(runtime_choice, "built", refuse)
    trial = runtime_choice._Trial(work, tmp_path / "rates.json")
    assert [trial.rate(KERAS_BF16) for _ in range(3)] == [0, 0, 0]
    assert tried == [KERAS_BF16] and list(trial.refused.values()) == ["not Keras in bfloat16: no kernel"]
