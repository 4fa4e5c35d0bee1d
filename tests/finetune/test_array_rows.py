"""Rows as arrays, asked of a run on rows: as many numbers each as it learned from."""

import numpy as np
import pytest

import finetune
from zoo.errors import DataError

pytestmark = pytest.mark.keras
ROWS = np.random.default_rng(0).normal(size=(80, 4))
ROWS[:, 2] = 1.0
CLASSES = (ROWS[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on rows of four numbers, of which one is constant and so no input of the model."""
    return finetune.fit(ROWS, CLASSES, run_dir=tmp_path_factory.mktemp("rows") / "run", epochs=2, verbose=0)


def test_rows_of_the_same_width_are_answered(run, tmp_path):
    """All columns of training are given, those that the model does not take too."""
    np.savez(tmp_path / "x.npz", x=ROWS)
    expected = run.predict(ROWS[:5])
    assert [one.class_name for one in run.predict(ROWS[:5].tolist())] == [one.class_name for one in expected]
    assert len(run.predict(tmp_path / "x.npz")) == 80


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.hstack([ROWS, ROWS]), "rows of 8 numbers; this run learned from rows of 4"),
        (ROWS[:, :3], "rows of 3 numbers; this run learned from rows of 4"),
        (ROWS[0], r"rows of 1 number; this run learned from rows of 4.*a single row: give x\[None\]"),
        (np.zeros((8, 2, 2), "uint8"), r"shape \(8, 2, 2\)"),
    ],
)
def test_rows_of_another_width_are_refused(run, x, message, tmp_path):
    """More columns than in training are not cut off, nor are pictures taken for rows."""
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(len(x)))
    for ask in (lambda: run.predict(x), lambda: run.predict(tmp_path / "x.npz")):
        with pytest.raises(DataError, match=message):
            ask()
    with pytest.raises(DataError, match=message):
        run.evaluate((x, np.zeros(len(x), int)))
