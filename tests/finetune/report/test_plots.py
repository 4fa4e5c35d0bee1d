"""The pictures of a run: what they show, and that no class name can break them."""

import io
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageColor

from finetune.report import plots
from tests.finetune.report.sample_run import CLASS_NAMES, MATRIX, history

TWO = [[8, 2], [1, 9]]
HOSTILE_NAMES = [
    "",
    " ",
    "猫",
    "حصان",
    "नमस्ते",
    "👩‍👩‍👧 family",
    "$\\frac{$",
    "a\nb\tc\0d\x1b[31m",
    "\u202eevil\u2066",
    "\ud800",
    "caf\udce9",
    "e\u0301\u0302\u0303" * 30,
    "<script>alert(1)</script>",
    "\U0010ffff\ufeff\ufe0f\u00ad",
    "long " * 100,
]


def pixels(png: bytes) -> np.ndarray:
    """Return a PNG as `(height, width, 3) uint8`."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def places(png: bytes, colour: str) -> np.ndarray:
    """Return where a colour stands below the legend, as `(count, 2)` shares of height and width."""
    picture = pixels(png)
    found = np.argwhere((picture == ImageColor.getrgb(colour)).all(axis=-1)) / picture.shape[:2]
    return found[found[:, 0] > 0.12]


def diagonal(classes: int) -> list[list[int]]:
    """Return the matrix of a model that is right once in every class."""
    return np.eye(classes, dtype=int).tolist()


def names(classes: int) -> list[str]:
    """Return as many names as there are classes."""
    return [f"class {i}" for i in range(classes)]


def test_best_epoch_has_the_lowest_validation_loss():
    """The first of equal epochs is the best; what is not a number never is."""
    rows = [{"val_loss": loss} for loss in (0.9, math.nan, 0.4, 0.4, math.inf)]
    assert plots.lowest_epoch(rows) == 3


@pytest.mark.parametrize(
    "rows", [[], [{"loss": 1.0}], [{"val_loss": math.nan}, {"val_loss": None}, {"val_loss": math.inf}]]
)
def test_best_epoch_needs_a_validation_loss(rows):
    """Without any finite validation loss there is no best epoch."""
    assert plots.lowest_epoch(rows) is None


@pytest.mark.parametrize(("best", "share"), [(2, 0.14), (18, 0.87)])
def test_curves_mark_the_best_epoch_where_it_is(best, share):
    """The line through the best epoch of 20 stands at its share of the width."""
    rows = [row | {"val_loss": abs(row["epoch"] - best) + 1.0} for row in history(20)]
    across = places(plots.curves(rows), plots.BEST)[:, 1]
    assert across.mean() == pytest.approx(share, abs=0.06)
    assert np.ptp(across) < 0.06


def test_curves_show_training_and_validation():
    """Both lines are drawn in their colours, in the upper panel and in the lower one."""
    png = plots.curves(history())
    for colour in (plots.TRAIN, plots.VALIDATION):
        heights = places(png, colour)[:, 0]
        assert (heights < 0.5).any() and (heights > 0.55).any()


def test_one_epoch_is_drawn_as_points_in_the_middle():
    """A single epoch has no line to draw, and shows as points all the same."""
    png = plots.curves(history(1, ("head",)))
    for colour in (plots.TRAIN, plots.VALIDATION, plots.BEST):
        across = places(png, colour)[:, 1]
        assert 0.45 < across.min() and across.max() < 0.65


def test_best_epoch_is_ringed_on_the_validation_curve():
    """The rings of both panels surround the points of the validation."""
    png = plots.curves(history(1, ("head",)))
    ring, point = places(png, plots.BEST), places(png, plots.VALIDATION)
    assert ring.mean(axis=0) == pytest.approx(point.mean(axis=0), abs=0.01)
    assert ring[:, 0].std() == pytest.approx(point[:, 0].std(), abs=0.01)


def test_value_between_gaps_stays_visible():
    """The only finite loss of many epochs is drawn as a point."""
    rows = [{"loss": math.nan} for _ in range(30)]
    rows[12] = {"loss": 0.5}
    assert len(places(plots.curves(rows), plots.TRAIN)) > 0


def test_curves_without_accuracy_have_one_panel():
    """A task without accuracy gets half the picture."""
    rows = [{"loss": 1.0 / i, "val_loss": 1.2 / i} for i in (1, 2, 3)]
    assert pixels(plots.curves(rows)).shape[0] == pixels(plots.curves(history())).shape[0] // 2


def test_curves_of_no_epoch_say_so():
    """A run without any epoch has a small picture with words on it."""
    picture = pixels(plots.curves([]))
    assert picture.shape[0] < 300 and (picture < 128).any()


def test_curves_name_the_phases():
    """Two runs that differ in nothing but the name of a phase look different; one phase needs no name."""
    assert plots.curves(history(phases=("head", "full"))) != plots.curves(history(phases=("head", "last stages")))
    assert plots.curves(history(phases=("head",))) == plots.curves(history(phases=("full",)))


def test_confusion_writes_counts_up_to_twenty_classes():
    """Twice the counts in the same shares change the picture of 20 classes, not of 21."""
    for classes, same in ((20, False), (21, True)):
        once, twice = diagonal(classes), (2 * np.eye(classes, dtype=int)).tolist()
        assert (plots.confusion(once, names(classes)) == plots.confusion(twice, names(classes))) is same


def test_confusion_colours_by_the_share_of_the_row():
    """A rare class that is always right is as dark as a frequent one."""
    equal, unequal = diagonal(21), np.diag(range(1, 22)).tolist()
    assert plots.confusion(equal, names(21)) == plots.confusion(unequal, names(21))


def test_rows_are_true_classes_and_columns_predictions():
    """Where everything is taken for the first class, the left column is dark and the zeros stand to the right."""
    png = plots.confusion([[3, 0], [3, 0]], ["a", "b"])
    dark, zeros = places(png, "#073f5c"), places(png, "#a9b4bf")
    assert np.ptp(dark[:, 0]) > 1.5 * np.ptp(dark[:, 1])
    assert zeros[:, 1].min() > dark[:, 1].max()


def test_class_without_examples_is_an_empty_row():
    """A true class that never occurs neither warns nor divides by zero."""
    assert plots.confusion([[0, 0], [0, 3]], ["a", "b"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("classes", [64, 65])
def test_many_classes_are_named_only_where_there_is_room(classes):
    """All of 64 names are written, of 65 every second one."""
    renamed = names(classes)
    renamed[1] = "other"
    changed = plots.confusion(diagonal(classes), names(classes)) != plots.confusion(diagonal(classes), renamed)
    assert changed is (classes == 64)


def test_any_name_can_be_drawn():
    """No text is too odd for the picture; a warning about a missing letter would fail this test."""
    assert plots.confusion(diagonal(len(HOSTILE_NAMES)), HOSTILE_NAMES).startswith(b"\x89PNG")
    assert plots.curves(history(len(HOSTILE_NAMES), tuple(HOSTILE_NAMES))).startswith(b"\x89PNG")


@pytest.mark.parametrize("plane", range(3))
def test_letters_of_every_script_can_be_drawn(plane):
    """Names made of every 173rd character of 65,536 neither raise nor warn."""
    letters = [chr(code) for code in range(plane << 16, (plane + 1) << 16, 173)]
    rows = ["".join(letters[i::20]) for i in range(20)]
    assert plots.confusion(diagonal(20), rows).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("猫", "#1"),
        ("猫 cat", "#1 … cat"),
        ("a\u200db\ufe0f", "ab"),
        ("a\u00a0b\u3000c", "a b c"),
        ("e\u0301" * 20, "é" * 20),
        ("n02085782-Japanese_spaniel", "n02085782-Ja…spaniel"),
    ],
)
def test_name_is_written_as_the_font_and_the_room_allow(name, shown):
    """A name looks exactly like the text that stands for it."""
    assert plots.confusion(TWO, [name, "dog"]) == plots.confusion(TWO, [shown, "dog"])


def test_drawable_tells_which_names_the_font_has():
    """Latin, Greek, Arabic and joiners can be written, Chinese and control characters cannot."""
    assert all(map(plots.drawable, ["T-shirt/top", "été", "αβγ", "حصان", "a\u200db", ""]))
    assert not any(map(plots.drawable, ["猫", "a\nb", "a\u2028b", "\ud800"]))


def test_threads_draw_the_same_pictures():
    """Pictures drawn side by side equal those drawn one after the other."""
    alone = plots.curves(history()), plots.confusion(MATRIX, CLASS_NAMES)
    with ThreadPoolExecutor(4) as pool:
        lines = [pool.submit(plots.curves, history()) for _ in range(2)]
        matrices = [pool.submit(plots.confusion, MATRIX, CLASS_NAMES) for _ in range(2)]
    assert {task.result() for task in lines} == {alone[0]}
    assert {task.result() for task in matrices} == {alone[1]}


def test_drawing_leaves_no_trace_in_matplotlib():
    """Neither pyplot nor any setting of Matplotlib is touched."""
    script = """if True:
        import sys, matplotlib
        before = matplotlib.rcParams.copy()
        from finetune.report import plots
        plots.curves([{"loss": 1.0, "val_loss": 1.0}])
        plots.confusion([[1]], ["a"])
        print("matplotlib.pyplot" in sys.modules)
        print(matplotlib.rcParams.copy() == before)  # comparing may itself import pyplot, to choose a backend
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
