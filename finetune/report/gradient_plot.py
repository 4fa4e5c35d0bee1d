"""The picture of gradients: how large they were in each part of a network, epoch by epoch."""

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from finetune.report.plots import DPI, INK, SOFT, as_png, label_of, quiet_frame
from finetune.training.gradients import NORM


def gradient_norms(history: list[dict]) -> bytes | None:
    """Draw the mean norm of the gradients of each part over the epochs of all phases, on a logarithmic scale.

    Args:
        history: a row per epoch, with the columns of `finetune.training.gradients.take_norms`.

    Returns:
        A PNG; None where nothing was measured. The deepest part, next to the inputs, is darkest.
    """
    names = list(dict.fromkeys(name for row in history for name in row if name.startswith(NORM)))
    if not names:
        return None
    figure = Figure(figsize=(5.2, 2.8), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    epochs = np.arange(1, len(history) + 1)
    colours = colormaps["viridis"](np.linspace(0, 0.85, len(names)))
    for index, (name, colour) in enumerate(zip(names, colours, strict=True)):
        # what is 0 has no place on a logarithmic scale
        norms = [row.get(name) or math.nan for row in history]
        label = label_of(name.removeprefix(NORM), index)
        axes.plot(epochs, norms, color=colour, label=label, linewidth=2, marker="o" if len(history) <= 15 else "")
    axes.set_yscale("log")
    axes.minorticks_off()
    axes.set_title("norm of the gradients", loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_xlabel("epoch", color=SOFT)
    axes.set_xlim(0.5, len(history) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    quiet_frame(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=8, labelcolor=INK)
    return as_png(figure)
