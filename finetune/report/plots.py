"""Pictures of a run as PNG bytes: the learning curves and the confusion matrix.

Only Matplotlib's objects are used, never pyplot or its settings, so that several threads may draw at once and the
caller's own figures stay as they are.
"""

import io
import math
import re
import unicodedata
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

INK, SOFT, LINE = "#1c2733", "#5b6876", "#d5dce3"
TRAIN, VALIDATION, BEST = "#77848f", "#0b6e99", "#c2571a"
DPI = 200
NAME_LENGTH = 20  # characters of a class name beside the matrix
COUNTED_CLASSES = 20  # up to here every cell has room for its count
NAMED_CLASSES = 64  # as many names as fit along an axis at 8 points without touching


def curves(history: list[dict], best: int | None = None) -> bytes:
    """Draw loss and accuracy, or mean absolute error, for training and validation over the epochs of all phases.

    Args:
        history: a row per epoch in order, with "loss", "accuracy" or "mae", these with "val_", and "phase". Absent or
            non-finite values leave a gap; a quantity that no row has gets no panel.
        best: number of the epoch whose weights are kept; None for that with the lowest validation loss.

    Returns:
        A PNG, one panel above the other, with the best epoch marked.
    """
    panels = [
        name for name in ("loss", "accuracy", "mae") if any(name in row or f"val_{name}" in row for row in history)
    ]
    figure = Figure(figsize=(5.2, max(2.4 * len(panels), 1.2)), dpi=DPI, layout="constrained", facecolor="white")
    if not panels:
        figure.text(0.5, 0.5, "No epoch was trained.", ha="center", va="center", color=SOFT)
        return as_png(figure)
    stack = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(stack, panels, strict=True):
        _curve(axes, history, name, best or lowest_epoch(history))
    _mark_phases(stack, history)
    stack[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=8, labelcolor=INK)
    stack[-1].set_xlabel("epoch", color=SOFT)
    stack[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    stack[-1].set_xlim(0.5, len(history) + 0.5)
    return as_png(figure)


def lowest_epoch(history: list[dict]) -> int | None:
    """Return the number (from 1, over all phases) of the first epoch with the lowest validation loss.

    Returns None when no epoch has a finite validation loss.
    """
    losses = _series(history, "val_loss")
    return None if np.isnan(losses).all() else int(np.nanargmin(losses)) + 1


def confusion(matrix: list[list[int]], class_names: list[str]) -> bytes:
    """Draw a confusion matrix, coloured by each cell's share of its row.

    Up to 20 classes every cell shows its count; above that colours stand alone, and above 64 only every n-th class
    is named. Names are shortened in the middle; where the font lacks letters of a name, `#7` stands for the seventh.

    Args:
        matrix: `(classes, classes)` counts; rows are true classes, columns predicted ones.
        class_names: a name per row, any text.

    Returns:
        A PNG.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    classes = len(class_names)
    side = min(max(0.35 * classes, 2.2), 8)
    width = side + (1.9 if classes <= COUNTED_CLASSES else 2.9)
    figure = Figure(figsize=(width, side + 1.7), dpi=DPI, layout="compressed", facecolor="white")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("shares", ["#f4f7f9", "#7fb6cf", VALIDATION, "#073f5c"])
    # A few per cent of a row is what one looks for; on a linear scale it could not be told from nothing.
    image = axes.imshow(shares, cmap=colours, norm=PowerNorm(0.6, vmin=0, vmax=1))
    if classes <= COUNTED_CLASSES:
        _write_counts(axes, counts, shares)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.6, label="share of the true class", ticks=[0, 0.1, 0.25, 0.5, 1])
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
        bar.outline.set_visible(False)
    _name_classes(axes, class_names, 72 * side / max(classes, 1))
    return as_png(figure)


def drawable(name: str) -> bool:
    """Tell whether the font of the pictures has every character of `name`."""
    return all(c in _glyphs() for c in _visible(name))


def _curve(axes: Axes, history: list[dict], name: str, best: int | None) -> None:
    epochs = np.arange(1, len(history) + 1)
    for key, colour, label in ((name, TRAIN, "training"), (f"val_{name}", VALIDATION, "validation")):
        values = _series(history, key)
        # A value between two gaps would vanish without a marker.
        marker = "o" if len(history) <= 15 else "." if _has_lonely(values) else ""
        axes.plot(epochs, values, color=colour, label=label, linewidth=2, marker=marker, markersize=5)
    if best is not None:
        at_best = _series(history, f"val_{name}")[best - 1]
        ring = {"marker": "o", "markersize": 10, "fillstyle": "none", "color": BEST, "markeredgewidth": 2, "zorder": 3}
        axes.plot(best, at_best, label=f"best epoch ({best})", linestyle="", **ring)
        if len(history) > 1:
            axes.axvline(best, color=BEST, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
    axes.set_title(
        {"mae": "mean absolute error"}.get(name, name), loc="left", fontsize=11, fontweight="bold", color=INK
    )
    if name == "accuracy":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    quiet_frame(axes)


def quiet_frame(axes: Axes) -> None:
    """Leave of the frame what helps to read: lines across, and the bottom."""
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(length=0, labelcolor=SOFT, labelsize=9)


def _has_lonely(values: np.ndarray) -> bool:
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    return bool((finite[1:-1] & ~finite[:-2] & ~finite[2:]).any())


def _mark_phases(stack: np.ndarray, history: list[dict]) -> None:
    phases = [str(row.get("phase", "")) for row in history]
    starts = [i for i, phase in enumerate(phases) if i == 0 or phase != phases[i - 1]]
    if len(starts) < 2:
        return
    edges = [start + 0.5 for start in starts]
    for axes in stack:
        axes.vlines(edges, 0, 1, transform=axes.get_xaxis_transform(), color=LINE, linewidth=1)
    bottom, top = stack[0].get_ylim()
    stack[0].set_ylim(bottom, top + 0.12 * (top - bottom))  # room for the names above the curves
    style = {"xytext": (3, -2), "textcoords": "offset points", "va": "top", "color": SOFT, "parse_math": False}
    for i, edge in enumerate(edges):
        name = label_of(phases[starts[i]], i)
        stack[0].annotate(name, (edge, 1), xycoords=("data", "axes fraction"), font=_font(8), **style)


def _series(history: list[dict], key: str) -> np.ndarray:
    values = np.array([math.nan if row.get(key) is None else row[key] for row in history], dtype=float)
    return np.where(np.isfinite(values), values, math.nan)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    digits = len(str(counts.max(initial=0)))
    size = min(9.0, 33 / digits)  # a cell is about 24 points wide, a digit 0.64 of its size
    style = {"ha": "center", "va": "center", "fontsize": size, "in_layout": False}
    for (row, column), count in np.ndenumerate(counts):
        colour = "#a9b4bf" if count == 0 else "white" if shares[row, column] > 0.35 else INK
        axes.text(column, row, str(count), color=colour, **style)


def _name_classes(axes: Axes, class_names: list[str], cell_points: float) -> None:
    classes = len(class_names)
    every = math.ceil(classes / NAMED_CLASSES)
    positions = range(0, classes, every)
    labels = [label_of(class_names[i], i) for i in positions]
    size = 9 if classes <= COUNTED_CLASSES else 8
    font = _font(size)
    fits = max((len(label) for label in labels), default=0) * 0.65 * size < cell_points
    axes.set_xticks(positions, labels, rotation=0 if fits else 90, font=font, color=INK, parse_math=False)
    axes.set_yticks(positions, labels, font=font, color=INK, parse_math=False)
    axes.set_xlabel("predicted class", color=SOFT)
    axes.set_ylabel("true class", color=SOFT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if classes <= COUNTED_CLASSES:
        # White gaps between the cells keep the counts apart.
        axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="minor", length=0)


def label_of(name: str, index: int = 0) -> str:
    """Return `name` as text that the font can write, short enough for an axis."""
    text = _visible(name)
    if not drawable(name):
        text = "".join(c if c in _glyphs() else "\0" for c in text)
        text = f"#{index + 1} " + re.sub("\0+", "…", text) if text.strip("\0 ") else f"#{index + 1}"
    if len(text) <= NAME_LENGTH:
        return text
    # Both ends are kept, for names often differ only in their last letters.
    head = NAME_LENGTH * 3 // 5
    return f"{text[:head].rstrip()}…{text[head + 1 - NAME_LENGTH :].lstrip()}"


def _visible(name: str) -> str:
    # Joiners, direction marks and variation selectors have no shape of their own; a space of any width is a space.
    kinds = ((c, unicodedata.category(c)) for c in unicodedata.normalize("NFC", name))
    shown = ((c, kind) for c, kind in kinds if kind != "Cf" and not "\ufe00" <= c <= "\ufe0f")
    return "".join(" " if kind == "Zs" else c for c, kind in shown)


@cache
def _glyphs() -> frozenset[str]:
    return frozenset(c for c in map(chr, get_font(_font_file()).get_charmap()) if c.isprintable())


def _font(size: float) -> FontProperties:
    return FontProperties(fname=_font_file(), size=size)


def _font_file() -> str:
    # The one font that comes with Matplotlib itself: the same letters on every machine.
    return str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


def as_png(figure: Figure, **texts: str) -> bytes:
    """Return a figure as PNG, the same bytes for the same figure.

    Args:
        figure: what is drawn.
        **texts: that are kept in the file, such as Title="…".
    """
    file = io.BytesIO()
    # Without the version of Matplotlib in the file, equal runs give equal bytes.
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None} | texts)
    return file.getvalue()
