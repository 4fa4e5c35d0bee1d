"""A description as a table and as a picture: what they show, and that no model can break them."""

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import matplotlib
import numpy as np
import pytest
from keras import layers
from matplotlib import pyplot
from PIL import Image, ImageColor

from zoo import description_plot
from zoo.description import Description, LayerRow, Totals, describe
from zoo.description_plot import lines_of, plot, short_number, table

pytestmark = pytest.mark.keras
HOSTILE = ["\x1b[31m", "$\\frac{$", "猫", "a\nb", "\ud800", "\u202e", "<b>", "n" * 300]
ROW = LayerRow("conv", "Conv2D", "", (8, 8, 4), (3, 3), (1, 1), False, 100, 100, 1000, 1024)
FLAT = replace(ROW, name="dense", kind="Dense", output_shape=(10,), receptive_field=None, stride=None, sees_all=True)


def described(rows: list[LayerRow], name: str = "model") -> Description:
    """Return rows with their totals."""
    sums = [sum(getattr(row, key) or 0 for row in rows) for key in ("parameters", "trainable_parameters")]
    costs = [sum(getattr(row, key) or 0 for row in rows) for key in ("multiply_adds", "output_bytes")]
    uncounted = tuple(row.name for row in rows if row.multiply_adds is None)
    return Description(name, tuple(rows), Totals(*sums, *costs, 4 * sums[0], uncounted))


def pixels(png: bytes) -> np.ndarray:
    """Return a PNG as `(height, width, 3) uint8`."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def places(png: bytes, colour: str) -> np.ndarray:
    """Return where a colour stands, as `(count, 2)` rows and columns."""
    return np.argwhere((pixels(png) == ImageColor.getrgb(colour)).all(axis=-1))


def bar_lengths(png: bytes, colour: str, count: int) -> list[int]:
    """Return the pixels of each bar's middle, from the top of `count` lines down."""
    picture = (pixels(png) == ImageColor.getrgb(colour)).all(axis=-1)
    bottom = picture.shape[0] - description_plot.BOTTOM * description_plot.DPI
    height = description_plot.ROW * description_plot.DPI
    return [int(picture[round(bottom - (count - i - 0.5) * height)].sum()) for i in range(count)]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (4_652_008, "4.65M"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (15_470_264_320, "15.5G"),
        (10**24, "1.00e+06E"),
    ],
)
def test_numbers_have_three_digits_and_a_unit(number, text):
    """Rounding never leaves a thousand of a unit, but for the last unit."""
    assert short_number(number) == text


def test_table_shows_every_layer_and_the_totals():
    """A small network, to the letter."""
    parts = [
        layers.Conv2D(8, 3, strides=(2, 1), name="conv"),
        layers.Flatten(name="flat"),
        layers.Dense(10, name="out"),
    ]
    text = table(describe(keras.Sequential([keras.Input((28, 28, 1), name="image"), *parts])))
    assert text.splitlines() == [
        "layer kind        output field stride params mult-adds bytes",
        "image InputLayer 28×28×1     1      1      0         0 3.14k",
        "conv  Conv2D     13×26×8     3    2×1     80     24.3k 10.8k",
        "flat  Flatten       2704     -      -      0         0 10.8k",
        "out   Dense           10   all      -  27.1k     27.0k    40",
        "27,130 parameters, 27,130 of them trainable",
        "51,376 multiply-adds for one example",
        "as float32: 109kB of weights, 24.8kB of outputs for one example",
    ]


def test_table_says_what_is_not_known():
    """Open sizes and layers without a rule are question marks, and the totals say that they are lower bounds."""
    unknown = replace(ROW, multiply_adds=None, output_bytes=None, output_shape=(None, None, 4))
    lines = table(described([ROW, unknown])).splitlines()
    assert lines[2].split() == ["conv", "Conv2D", "?×?×4", "3", "1", "100", "?", "?"]
    assert lines[4] == "1,000 multiply-adds for one example, not counted (?): 1 of 2 layers"
    assert lines[5].endswith("at least 1.02kB of outputs for one example")


def test_table_tells_local_fields_apart():
    """A field beside a path that sees all has a plus, and the plus is explained."""
    lines = table(described([ROW, replace(ROW, sees_all=True)])).splitlines()
    assert [line.split()[3] for line in lines[1:3]] == ["3", "3+"]
    assert lines[-1].startswith("+ field of the local path")
    assert "+" not in table(described([ROW]))


@pytest.mark.parametrize("name", HOSTILE)
def test_table_is_at_most_100_columns_of_plain_text(name):
    """However long a name is, and whatever is in it, a line is a line and no escape reaches the terminal."""
    kind = "GlobalAveragePooling2D" + name
    shape, field, number = (1024, 1024, 2048), (1311, 1299), 10**9
    row = LayerRow(name, kind, "", shape, field, (32, 16), True, number, number, number, number)
    lines = table(described([ROW, row])).splitlines()
    assert len(lines) == 7
    assert max(map(len, lines[:3])) <= 100
    assert all(c.isascii() or c in "×…" for c in "".join(lines)) and "".join(lines).isprintable()


def test_long_names_keep_both_ends():
    """Names are shortened in the middle, for they differ at their ends."""
    line = table(described([replace(ROW, name="first" + "x" * 200 + "last")])).splitlines()[1]
    assert line.startswith("first") and "…" in line and line.split()[0].endswith("last")


def test_few_layers_have_a_line_each():
    """Up to 40 layers are drawn one by one."""
    rows = [replace(ROW, name=f"conv{i}", stage=f"stage{i % 4}") for i in range(40)]
    assert [line.label for line in lines_of(described(rows))] == [row.name for row in rows]


def test_many_layers_share_lines_by_stage():
    """Stages are added up; what comes before the first is the input, what comes after the last the head."""
    stages = ["", *["stem"] * 3, *["stage1"] * 20, "", *["stage2"] * 20, "", ""]
    rows = [replace(ROW, stage=stage, receptive_field=(i + 1, 1)) for i, stage in enumerate(stages)]
    lines = lines_of(described([*rows, FLAT]))
    assert [(line.label, line.parameters) for line in lines] == [
        *[("input", 100), ("stem", 300), ("stage1", 2100), ("stage2", 2000), ("head", 300)]
    ]
    assert [line.field for line in lines] == [1, 4, 25, 45, 47]
    assert [line.sees_all for line in lines] == [False, False, False, False, True]
    assert lines[-1].output == "10"


def test_many_layers_without_stages_share_lines_by_stride():
    """Layers of one distance between outputs share a line; flat ones stay where they are, or are the head."""
    strides = [1, 2, 2, None, 2, 4, *[4] * 40]
    rows = [replace(FLAT if s is None else ROW, stride=s and (s, s)) for s in strides]
    lines = lines_of(described([*rows, FLAT, FLAT]))
    counts = [(line.label, line.parameters // 100) for line in lines]
    assert counts == [("stride 1", 1), ("stride 2", 4), ("stride 4", 41), ("head", 2)]


def test_many_layers_without_either_share_lines_in_stretches():
    """A long chain of flat layers is cut into at most 40 lines that miss nothing."""
    rows = [replace(FLAT, name=f"dense{i}", multiply_adds=None if i == 299 else 7) for i in range(300)]
    lines = lines_of(described(rows))
    assert len(lines) <= 40
    assert sum(line.multiply_adds for line in lines) == 299 * 7
    assert [line.uncounted for line in lines] == [False] * (len(lines) - 1) + [True]
    assert lines[1].label == "dense8 …"


def test_too_many_stages_do_not_make_too_many_lines():
    """A model with more than 40 stages is cut into stretches as well."""
    rows = [replace(ROW, stage=f"stage{i}") for i in range(60)]
    assert len(lines_of(described(rows))) == 30


@pytest.mark.parametrize(("key", "colour"), [("parameters", "PARAMETERS"), ("multiply_adds", "MULTIPLY_ADDS")])
def test_bars_are_as_long_as_their_values(key, colour):
    """Each bar is in proportion to the longest, nothing has none, and top is first."""
    rows = [replace(ROW, **{key: value}) for value in (200, 0, 800, 400, None)]
    rows[-1] = replace(rows[-1], parameters=0)
    lengths = bar_lengths(plot(described(rows)), getattr(description_plot, colour), 5)
    assert lengths[1] == lengths[4] == 0
    assert [length / lengths[2] for length in lengths] == pytest.approx([0.25, 0, 1, 0.5, 0], abs=0.02)


def test_receptive_field_grows_downwards():
    """The line goes from the first layer's field at the upper left to the last one's at the lower right."""
    fields = (1, 20, 40, 60, 80)
    rows = [replace(ROW, receptive_field=(field, 1), output_shape=(60, 10, 3)) for field in fields]
    found = places(plot(described(rows)), description_plot.FIELD)
    height, width = found[:, 0], found[:, 1]
    assert np.corrcoef(height, width)[0, 1] > 0.98
    assert np.ptp(height) == pytest.approx(
        4 * description_plot.ROW * description_plot.DPI, abs=12
    )  # and a point's size


def test_model_without_places_has_no_panel_for_fields():
    """Two panels are enough for a model of dense layers, and nothing is drawn in the field's colour."""
    flat, spatial = plot(described([FLAT] * 3)), plot(described([ROW] * 3))
    wider = pixels(spatial).shape[1] - pixels(flat).shape[1]
    assert wider == pytest.approx((description_plot.PANEL + description_plot.GAP) * description_plot.DPI, abs=40)
    assert len(places(flat, description_plot.FIELD)) == 0 < len(places(spatial, description_plot.FIELD))


def test_picture_grows_by_a_line_for_each_layer():
    """Lines keep their height, so that five layers are as legible as forty."""
    heights = [pixels(plot(described([ROW] * count))).shape[0] for count in (5, 40)]
    assert heights[1] - heights[0] == pytest.approx(35 * description_plot.ROW * description_plot.DPI, abs=1)


@pytest.mark.parametrize(
    ("field", "changed"),
    [("name", "other"), ("output_shape", (8, 8, 5)), ("receptive_field", (4, 4)), ("parameters", 99)],
)
def test_picture_shows(field, changed):
    """Name, size, field and parameters of a layer are all to be seen."""
    assert plot(described([ROW, ROW])) != plot(described([ROW, replace(ROW, **{field: changed})]))


def test_input_is_marked_when_the_field_comes_near():
    """The picture's side is a line among the fields, unless it is far beyond them."""
    near, far = ([replace(ROW, output_shape=(side, side, 3))] * 3 for side in (8, 100))
    panel = slice(-round(description_plot.PANEL * description_plot.DPI), None)
    marked = [
        (pixels(plot(described(rows)))[:, panel] == ImageColor.getrgb(description_plot.SOFT)).all(axis=-1).sum()
        for rows in (near, far)
    ]
    assert marked[0] > 0 == marked[1]


def test_field_that_stays_is_written_once():
    """Layers that keep the field of the one before have a point and no number."""
    top, left = (
        round(description_plot.TOP * description_plot.DPI),
        -round(description_plot.PANEL * description_plot.DPI),
    )
    ink = []
    for fields in ((5, 5, 5), (5, 5, 6)):
        picture = pixels(plot(described([replace(ROW, receptive_field=(field, 1)) for field in fields])))
        ink.append((picture[top:, left:] == ImageColor.getrgb(description_plot.INK)).all(axis=-1).sum())
    assert 1.5 * ink[0] < ink[1]


def test_any_name_can_be_drawn():
    """No name is too odd for the picture; a warning about a missing letter would fail this test."""
    rows = [replace(ROW, name=name) for name in HOSTILE]
    assert plot(described(rows, name="\x1b$猫" * 50)).startswith(b"\x89PNG")


def test_open_sizes_can_be_drawn():
    """A model for pictures of any size, with several inputs, has a picture as well."""
    first = replace(FLAT, kind="InputLayer")
    rows = [first, replace(ROW, kind="InputLayer", output_shape=(None, None, 3), multiply_adds=None)]
    assert plot(described(rows)).startswith(b"\x89PNG")


def test_threads_draw_the_same_pictures():
    """Pictures drawn side by side equal those drawn one after the other."""
    rows = described([ROW, replace(ROW, parameters=30), FLAT])
    alone = plot(rows)
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(plot, [rows] * 3)) == {alone}


def test_drawing_leaves_no_trace_in_matplotlib():
    """No figure stays open, and no setting of Matplotlib is touched."""
    before = matplotlib.rcParams.copy()
    plot(described([ROW]))
    assert pyplot.get_fignums() == []
    assert matplotlib.rcParams.copy() == before
