"""A description of a model for people: as a table of text, and as a picture.

Only Matplotlib's objects are used, never pyplot or its settings, so that several threads may draw at once and the
caller's own figures stay as they are.
"""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke

from zoo.description import Description, LayerRow

INK, SOFT, LINE, BAND = "#1c2733", "#5b6876", "#d5dce3", "#f4f7f9"
PARAMETERS, MULTIPLY_ADDS, FIELD = "#0b6e99", "#77848f", "#c2571a"
DPI = 160
TABLE_WIDTH = 100
MAX_LINES = 40  # a model with more rows is drawn stage by stage
NAME_LENGTH = 30  # characters of a name beside the picture
# Inches: a line, what is above and below all lines, a panel, between columns, a character of the names.
ROW, TOP, BOTTOM, PANEL, GAP, CHARACTER = 0.22, 0.98, 0.32, 2.1, 0.22, 0.071


@dataclass(frozen=True)
class Line:
    """One line of the picture: a layer, or a stretch of layers.

    Attributes:
        label: name of the layer or the stretch.
        output: size of its last output, as "56×56×24".
        parameters: sum over its layers.
        multiply_adds: sum over its layers as far as they can be counted.
        uncounted: whether some of them cannot.
        field: receptive field of its last output along the longer axis, in input pixels; None where there is none.
        sees_all: whether its last output depends on the whole input.
    """

    label: str
    output: str
    parameters: int
    multiply_adds: int
    uncounted: bool
    field: int | None
    sees_all: bool


def table(description: Description) -> str:
    """Return a table at most 100 columns wide, a line for each layer, the totals below.

    Sizes are for one example. "field" is the receptive field and "stride" the distance between neighbouring outputs,
    in input pixels, as height×width where they differ. "?" stands for what cannot be known.
    """
    heads = ("layer", "kind", "output", "field", "stride", "params", "mult-adds", "bytes")
    rows = [heads, *(_cells(row) for row in description.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[1] = min(widths[1], 18)
    widths[0] = min(widths[0], TABLE_WIDTH - sum(widths[1:]) - len(widths) + 1)
    totals = description.totals
    unknown = (
        f", not counted (?): {len(totals.uncounted)} of {len(description.rows)} layers" if totals.uncounted else ""
    )
    least = "at least " if any(row.output_bytes is None for row in description.rows) else ""
    lines = [_aligned(cells, widths) for cells in rows] + [
        f"{totals.parameters:,} parameters, {totals.trainable_parameters:,} of them trainable",
        f"{totals.multiply_adds:,} multiply-adds for one example{unknown}",
        f"as float32: {short_number(totals.weight_bytes)}B of weights, "
        f"{least}{short_number(totals.activation_bytes)}B of outputs for one example",
    ]
    if any(row.receptive_field and row.sees_all for row in description.rows):
        lines.append("+ field of the local path; another path sees the whole input")
    return "\n".join(lines)


def plot(description: Description) -> bytes:
    """Draw parameters, multiply-adds and receptive field along the depth of a model, with the outputs' sizes.

    Returns:
        A PNG of the lines that `lines_of` gives; without the receptive field where no layer has one.
    """
    lines = lines_of(description)
    names, outputs = [_plain(line.label, NAME_LENGTH) for line in lines], [line.output for line in lines]
    panels = 2 + any(line.field for line in lines)
    edges = [GAP / 2]
    head = "layer" if len(lines) == len(description.rows) else "layers"
    for column in ([head, *names], ["output", *outputs]):
        edges.append(edges[-1] + CHARACTER * max(map(len, column)) + GAP)
    edges += [edges[-1] + i * (PANEL + GAP) for i in range(1, panels + 1)]
    figure = Figure(figsize=(edges[-1], TOP + ROW * len(lines) + BOTTOM), dpi=DPI, facecolor="white")
    _bands(figure, len(lines))
    _text(figure, edges[0], head, names, INK)
    _text(figure, edges[1], "output", outputs, SOFT)
    bars = [("parameters", PARAMETERS, [(line.parameters, "") for line in lines])]
    bars.append(("multiply-adds", MULTIPLY_ADDS, [(line.multiply_adds, "?" * line.uncounted) for line in lines]))
    for edge, (title, colour, values) in zip(edges[2:], bars, strict=False):
        _bars(_panel(figure, edge, title, len(lines)), values, colour)
    if panels == 3:
        # The input that the fields are measured on: the first that has places at all.
        places = next(row.output_shape[:-1] for row in description.rows if row.receptive_field)
        title = f"receptive field (input {'steps' if len(places) == 1 else 'pixels'})"
        _fields(_panel(figure, edges[4], title, len(lines)), lines, max(side or 0 for side in places))
    _heading(figure, description)
    return _png(figure)


def lines_of(description: Description) -> list[Line]:
    """Return the lines of the picture from the input down.

    Up to 40 layers have a line each. The layers of a longer model share lines: those of one stage where names tell the
    stages, else those of one stride, else equal stretches in the order of the computation.
    """
    rows = description.rows
    if len(rows) <= MAX_LINES:
        return [_line(row.name, [row]) for row in rows]
    for labels in (_stages(rows), _strides(rows)):
        if 3 <= len(set(labels)) <= MAX_LINES:
            groups: dict[str, list[LayerRow]] = {}
            for label, row in zip(labels, rows, strict=True):
                groups.setdefault(label, []).append(row)
            return [_line(label, group) for label, group in groups.items()]
    size = math.ceil(len(rows) / MAX_LINES)
    return [_line(f"{rows[i].name} …", rows[i : i + size]) for i in range(0, len(rows), size)]


def short_number(number: int | None) -> str:
    """Return a number in three digits, as "4.65M"; "?" for None."""
    if number is None or number < 1000:
        return "?" if number is None else str(number)
    power = min(math.floor(math.log10(float(f"{number:.3g}"))) // 3, 6)
    return f"{number / 1000**power:#.3g}".rstrip(".") + "kMGTPE"[power - 1]


def _cells(row: LayerRow) -> tuple[str, ...]:
    field = _sides(row.receptive_field) + "+" * row.sees_all if row.receptive_field else "all" if row.sees_all else "-"
    numbers = map(short_number, (row.parameters, row.multiply_adds, row.output_bytes))
    return row.name, row.kind, _size(row.output_shape), field, _sides(row.stride or ("-",)), *numbers


def _aligned(cells: Sequence[str], widths: list[int]) -> str:
    left = [_plain(cell, width).ljust(width) for cell, width in zip(cells[:2], widths, strict=False)]
    return " ".join(left + [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)])


def _size(shape: Iterable[int | None]) -> str:
    return "×".join("?" if side is None else str(side) for side in shape) or "1"


def _sides(sides: tuple) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else _size(sides)


def _plain(name: str, length: int) -> str:
    """Return a name that any font and terminal can write, shortened in the middle: names differ at their ends."""
    name = "".join(c if c.isascii() and c.isprintable() or c == "…" else "?" for c in name)
    head = (length - 1) * 2 // 5
    return name if len(name) <= length else f"{name[:head]}…{name[head + 1 - length :]}"


def _line(label: str, rows: Sequence[LayerRow]) -> Line:
    return Line(
        label=label,
        output=_size(rows[-1].output_shape),
        parameters=sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds or 0 for row in rows),
        uncounted=any(row.multiply_adds is None for row in rows),
        field=next((max(row.receptive_field) for row in reversed(rows) if row.receptive_field), None),
        sees_all=rows[-1].sees_all,
    )


def _stages(rows: Sequence[LayerRow]) -> list[str]:
    """Return the stage of each row: what stands before the first is the input, what stands after the last the head."""
    staged = [i for i, row in enumerate(rows) if row.stage]
    labels, current = [], "input"
    for i, row in enumerate(rows):
        current = row.stage or (current if not staged or i < staged[-1] else "head")
        labels.append(current)
    return labels


def _strides(rows: Sequence[LayerRow]) -> list[str]:
    """Return the stride of each row in words: of rows without one that of the row before, at the end "head"."""
    known = [i for i, row in enumerate(rows) if row.stride]
    labels, current = [], "input"
    for i, row in enumerate(rows):
        if row.stride:
            current = f"stride {_sides(row.stride)}"
        labels.append(current if known and i <= known[-1] else "head")
    return labels


def _bands(figure: Figure, count: int) -> None:
    """Shade every second line over the whole width, so that the eye keeps to it from panel to panel."""
    axes = _axes(figure, 0, figure.get_figwidth(), count)
    axes.set_axis_off()
    axes.barh(range(0, count, 2), 1, height=1, color=BAND)
    axes.set_xlim(0, 1)


def _axes(figure: Figure, left: float, width: float, count: int) -> Axes:
    total, height = figure.get_size_inches()
    axes = figure.add_axes((left / total, BOTTOM / height, width / total, ROW * count / height), facecolor="none")
    axes.set_ylim(count - 0.5, -0.5)
    return axes


def _text(figure: Figure, left: float, title: str, words: list[str], colour: str) -> None:
    axes = _axes(figure, left, 1, len(words))
    axes.set_axis_off()
    axes.text(0, -0.85, title, font=_font(8.5, bold=True), color=INK)
    for i, word in enumerate(words):
        axes.text(0, i, word, font=_font(8), color=colour, va="center_baseline", parse_math=False)


def _panel(figure: Figure, left: float, title: str, count: int) -> Axes:
    axes = _axes(figure, left, PANEL, count)
    axes.text(0, -0.85, title, font=_font(8.5, bold=True), color=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(LINE)
    axes.set_yticks([])
    axes.set_xticks([])
    return axes


def _bars(axes: Axes, values: list[tuple[int, str]], colour: str) -> None:
    largest = max([value for value, _ in values] + [1])
    axes.barh(range(len(values)), [value for value, _ in values], height=0.62, color=colour)
    axes.set_xlim(0, 1.28 * largest)  # room for the number behind the longest bar
    for i, (value, mark) in enumerate(values):
        if value or mark:
            text = f"{short_number(value)} + {mark}" if value and mark else mark or short_number(value)
            axes.text(value + 0.02 * largest, i, text, font=_font(7.5), color=INK, va="center_baseline")


def _fields(axes: Axes, lines: list[Line], side: int) -> None:
    known = [(line.field, i) for i, line in enumerate(lines) if line.field]
    largest, halo = max(field for field, _ in known), [withStroke(linewidth=2, foreground="white")]
    right = max(largest, min(side, 3 * largest))
    axes.set_xlim(0, 1.22 * right)
    if 0 < side <= right:
        axes.axvline(side, color=SOFT, linewidth=1, linestyle=(0, (2, 2)))
        label = {"ha": "center", "va": "top", "color": SOFT, "font": _font(7.5)}
        axes.annotate(f"input {side}", (side, 0), (0, -3), ("data", "axes fraction"), "offset points", **label)
    axes.plot(*zip(*known, strict=True), color=FIELD, linewidth=1.6, marker="o", markersize=3.5)
    for (field, i), (before, _) in zip(known, [(None, 0), *known], strict=False):
        if field != before:
            style = {"va": "bottom", "color": INK, "font": _font(7.5), "path_effects": halo}
            axes.annotate(str(field), (field, i), xytext=(4, -1), textcoords="offset points", **style)
    for i, line in enumerate(lines):
        if line.sees_all and not line.field:
            axes.text(0.02 * right, i, "all", font=_font(7.5), color=SOFT, va="center_baseline", path_effects=halo)


def _heading(figure: Figure, description: Description) -> None:
    width, height = figure.get_size_inches()
    totals = description.totals
    count = f"{short_number(totals.multiply_adds)} multiply-adds" + " + ?" * bool(totals.uncounted)
    inputs = [_size(row.output_shape) for row in description.rows if row.kind == "InputLayer"]
    sizes = f"{f'input {inputs[0]}' if len(inputs) == 1 else f'{len(inputs)} inputs'} · {len(description.rows)} layers"
    words = f"{short_number(totals.parameters)} parameters · {count} for one example · {sizes}"
    place = {"x": GAP / 2 / width, "parse_math": False, "va": "top"}
    figure.text(y=1 - 0.14 / height, s=_plain(description.name, 40), font=_font(12, bold=True), color=INK, **place)
    figure.text(y=1 - 0.4 / height, s=words, font=_font(8.5), color=SOFT, **place)


def _font(size: float, *, bold: bool = False) -> FontProperties:
    # The font that comes with Matplotlib itself: the same letters on every machine.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(fname=str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size=size)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Without the version of Matplotlib in the file, equal pictures are equal bytes.
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()
