"""The encoder of tables: names that collide with nothing, and texts of any length."""

import tracemalloc

import keras
import numpy as np
import pytest

import zoo
from finetune.tasks import TASKS
from finetune.transfer.encoder import build_encoder, fit_columns, model_inputs
from finetune.transfer.network import make_network

pytestmark = pytest.mark.keras
OWN = "numbers features normalize fill_missing probabilities logits outputs encoder encode_numbers flatten"
OF_HEADS = "dense1 dense1_relu dense2 dense2_dropout dense1_norm"


@pytest.mark.parametrize("name", [*OWN.split(), *OF_HEADS.split(), "encode_a", "a"])
def test_no_name_of_a_column_collides_with_a_layer(name):
    """A text column may be called what a layer is called, beside columns that are called like its own layers."""
    texts = np.array(["x", "y"] * 5, object)
    values = {name: texts, "a.": texts, "encode_a": texts, "n": np.arange(10.0)}
    columns = fit_columns(values, np.arange(10), missing="mean")
    encoder = build_encoder(columns)
    head = zoo.mlp(
        encoder.model.output_shape[1:],
        units=(4, 4),
        num_classes=2,
        dropout=0.5,
        normalization="batch",
        output_activation=None,
    )
    model = make_network(encoder.model, head, staged=False).finished(TASKS["classification"], None)
    assert np.asarray(model.predict_on_batch(model_inputs(values, columns))).shape == (10, 2)
    assert len({layer.name for layer in model.layers}) == len(model.layers)


def test_names_stay_readable():
    """Where nothing collides, an input is called as its column."""
    texts = np.array(["x", "y"], object)
    columns = fit_columns({"colour": texts, "size of hat": texts, "é": texts}, np.arange(2))
    assert [column.input for column in columns] == ["colour", "size_of_hat", "column"]


def test_one_long_text_does_not_widen_the_others():
    """Memory follows the texts' own size: 20,000 rows with one cell of 50,000 characters take a few megabytes."""
    texts = np.array(["ok", "bad", "meh"], object)[np.arange(20_000) % 3]
    texts[7] = "x" * 50_000
    tracemalloc.start()
    columns = fit_columns({"note": texts}, np.arange(20_000))
    assert model_inputs({"note": texts}, columns)["note"].shape == (20_000, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert columns[0].categories[:3] == ("bad", "ok", "meh") or set(columns[0].categories[:3]) == {"ok", "bad", "meh"}
    assert peak < 20e6 and keras.ops.is_tensor(model_inputs({"note": texts[:3]}, columns)["note"])
