"""What runs a network: asked for, timed, compared with Keras, remembered; OpenVINO is played by a function here."""

import json
import time
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from finetune.transfer import runtimes
from finetune.transfer.openvino_runner import NotConverted
from finetune.transfer.runtimes import AUTO, BFLOAT16, KERAS, OPENVINO, WORTH_TIMING, Choice, Work, choose

pytestmark = pytest.mark.keras
BATCH = 4


@pytest.fixture(scope="module")
def model():
    """Pictures of 8 pixels to their three mean colours."""
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(inputs))


@pytest.fixture
def work(model):
    """Enough pictures to be worth a choice, of two classes that differ in colour."""
    count = WORTH_TIMING * BATCH
    classes = np.arange(count) // 2 % 2
    pixels = np.random.default_rng(0).integers(1, 50, (count, 8, 8, 3)) + 100 * np.eye(3)[classes][:, None, None, :]

    def pictures(indices):
        rows = pixels[list(indices)].astype("uint8")
        return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]

    return Work(model, BATCH, count, pictures, classes)


@pytest.fixture
def openvino(monkeypatch):
    """Play OpenVINO, which changes Keras' features, takes seconds a batch, and is asked for precisions."""

    class Played:
        change, seconds, asked, broken = staticmethod(lambda features: features), 0.0, [], ""

    def build(graph, *, precision):
        Played.asked.append(precision)
        if Played.broken:
            raise NotConverted(Played.broken)

        def run(batches):
            for features in graph.run(batches, batch_size=BATCH):
                time.sleep(Played.seconds)
                yield Played.change(features)

        return run

    Played.asked = []
    monkeypatch.setattr(runtimes, "OpenVinoRunner", build)
    monkeypatch.setattr(runtimes, "hindrance", lambda runtime: "")
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

    monkeypatch.setattr(Work, "by_keras", slow)


def test_faster_one_is_taken_and_remembered(openvino, choosing, monkeypatch):
    """Where OpenVINO is faster it runs the network, and the next time nothing is timed."""
    slower_keras(monkeypatch)
    choice, run = choosing(AUTO)
    assert choice.runtime == OPENVINO and choice.rates[OPENVINO] > choice.rates[KERAS]
    monkeypatch.setattr(runtimes, "_timed", lambda *a: pytest.fail("timed again"))
    again, _ = choosing(AUTO)
    assert (again.runtime, again.rates) == (choice.runtime, choice.rates)
    assert json.loads(choosing.memory.read_text())["runtime"] == OPENVINO


def test_slower_one_is_not_taken(openvino, choosing):
    """Where Keras is faster it runs the network, and the next time OpenVINO is not even built."""
    openvino.seconds = 0.2
    assert choosing(AUTO)[0].runtime == KERAS
    openvino.asked.clear()
    choice, run = choosing(AUTO)
    assert choice.runtime == KERAS and "Keras" in choice.why and not openvino.asked


@pytest.mark.parametrize("wanted", [AUTO, OPENVINO])
def test_other_numbers_than_keras_fall_back(openvino, choosing, work, wanted, monkeypatch):
    """What differs from Keras on the first batch is not used, though it is faster; who asked for it is warned."""
    slower_keras(monkeypatch)
    openvino.change = lambda features: features * [1, 1.2, 0.9]
    choice, run = choosing(wanted)
    assert choice.runtime == KERAS and "0.9999 is needed" in choice.why
    assert bool(choosing.warnings) == (wanted == OPENVINO)
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
    few = Work(work.model, BATCH, 5, work.pictures, work.values)
    choice, _ = choose(few, AUTO, choosing.memory, choosing.warnings.append)
    assert choice.runtime == KERAS and "too few" in choice.why and not openvino.asked


def test_auto_never_takes_bfloat16(openvino, choosing):
    """Features that differ are taken by those who ask for them."""
    choosing(AUTO)
    assert "bfloat16" not in openvino.asked


def test_bfloat16_that_a_probe_bears_out_is_taken(openvino, choosing):
    """Asked for, and near enough: cosine and probe are in the reason."""
    generator = np.random.default_rng(0)
    openvino.change = lambda features: features * (1 + generator.normal(scale=0.01, size=features.shape))
    choice, _ = choosing(BFLOAT16)
    assert choice.runtime == BFLOAT16 and "probe" in choice.why and not choosing.warnings


def test_bfloat16_that_differs_too_much_becomes_float32(openvino, choosing, monkeypatch):
    """Below the cosine of 0.999, OpenVINO in float32 takes over, and the user hears of it."""
    agreements = iter([0.998, 1.0])
    monkeypatch.setattr(runtimes, "agreement", lambda *a, **k: next(agreements))
    choice, _ = choosing(BFLOAT16)
    assert choice.runtime == OPENVINO and openvino.asked == ["bfloat16", "float32"]
    assert len(choosing.warnings) == 1 and "0.998000" in choosing.warnings[0]


def test_worse_probe_refuses_bfloat16(openvino, choosing, monkeypatch):
    """A cosine that passes is not enough where a probe learns less."""
    monkeypatch.setattr(runtimes, "probe_scores", lambda *a: (20, 32, 32))
    choice, _ = choosing(BFLOAT16)
    assert choice.runtime == OPENVINO and "right on 20 of 32, on Keras' 32" in choosing.warnings[0]


def test_keras_asked_for_builds_nothing_else(openvino, choosing):
    """runtime=keras is Keras."""
    assert choosing(KERAS)[0] == Choice(KERAS, "as asked") and not openvino.asked


@pytest.mark.parametrize("content", ["", "{", "[]", '{"runtime": "cuda", "why": "", "rates": {}}', "null"])
def test_memory_that_cannot_be_read_is_made_again(openvino, choosing, content):
    """A torn or foreign file is no choice."""
    choosing.memory.parent.mkdir()
    choosing.memory.write_text(content)
    choosing(AUTO)
    assert json.loads(choosing.memory.read_text())["runtime"] in (OPENVINO, KERAS)


def test_memory_that_cannot_be_written_stops_nothing(openvino, choosing):
    """The features say what is wrong with a cache; the choice goes on without it."""
    choosing.memory.parent.write_text("in the way")
    assert choosing(AUTO)[0].runtime in (OPENVINO, KERAS)


def test_every_runtime_has_features_of_its_own(monkeypatch, model):
    """Library and precision are part of the name of a cache entry."""
    monkeypatch.setattr(runtimes.openvino_runner, "version", lambda: "1.2")
    names = [runtimes.identity(runtime, model) for runtime in (KERAS, OPENVINO, BFLOAT16)]
    assert names[0] == [keras.backend.backend(), "one graph", keras.version(), "float32"]
    precisions = (["float32"], ["bfloat16", "large maps in float32"])
    assert names[1:] == [["openvino", "1.2", *p, "picture by picture", keras.version()] for p in precisions]


def test_missing_extra_is_said_with_the_command(monkeypatch):
    """Without the package Keras runs everything, and how to get it is in the reason."""
    monkeypatch.setattr(runtimes.openvino_runner, "is_installed", lambda: False)
    assert "pip install 'keras-graft[fast]'" in runtimes.hindrance(OPENVINO)
    assert runtimes.hindrance(KERAS) == ""


def test_large_network_is_no_constant_of_a_graph(model, monkeypatch):
    """TensorFlow would hold a dozen copies of its weights: it runs as Keras runs it, under another name."""
    small = runtimes.identity(KERAS, model)
    monkeypatch.setattr(runtimes, "_MOST_CONSTANTS", -1)
    monkeypatch.setattr(runtimes, "FrozenGraph", lambda model: pytest.fail("made a graph"))
    work = Work(model, BATCH, 4, lambda indices: [], np.zeros(4))
    batch = np.ones((4, 8, 8, 3), "uint8")
    np.testing.assert_array_equal(next(work.by_keras([batch])), model.predict_on_batch(batch))
    assert runtimes.identity(KERAS, model) != small
