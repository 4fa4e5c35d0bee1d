"""The picture of a range test: the loss over the learning rates, with the suggested one marked."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext, LogLocator

from finetune.report.plots import BEST, DPI, INK, SOFT, TRAIN, VALIDATION, as_png, label_of, quiet_frame
from finetune.training.lr_finder import HIGHEST, LOWEST, Curve

# Kept in the file, so that a later picture may take the place of an earlier one, and of nothing else.
TITLE = "keras-graft learning rate test"


def rate_curve(curve: Curve, rate: float | None, *, now: float, phase: str) -> bytes:
    """Draw the loss of each update and their smoothed course over the rates, on a scale of powers of ten.

    Args:
        curve: what was measured, one point at least.
        rate: that is suggested, or None.
        now: the rate as it is set.
        phase: name of the phase.

    Returns:
        A PNG that says what it is (`TITLE`).
    """
    figure = Figure(figsize=(5.6, 3.4), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.plot(curve.rates, curve.losses, ".", color=TRAIN, markersize=3, alpha=0.6, label="batches")
    axes.plot(curve.rates, curve.smoothed, color=VALIDATION, linewidth=2, label="smoothed")
    if rate is not None:
        at = float(np.interp(np.log(rate), np.log(curve.rates), curve.smoothed))
        ring = {"marker": "o", "markersize": 10, "fillstyle": "none", "color": BEST, "markeredgewidth": 2, "zorder": 3}
        axes.plot(rate, at, linestyle="", label=f"suggested ({rate:g})", **ring)
        axes.axvline(rate, color=BEST, linewidth=1, linestyle=(0, (2, 2)), zorder=0)
    axes.axvline(now, color=SOFT, linewidth=1, linestyle=(0, (1, 3)), zorder=0, label=f"as set ({now:g})")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_ylim(*_heights(curve))
    axes.set_title("loss", loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_xlabel(f"learning rate, phase {label_of(phase)}", color=SOFT, parse_math=False)
    quiet_frame(axes)
    axes.xaxis.set_major_locator(LogLocator(numticks=9))
    axes.xaxis.set_major_formatter(LogFormatterMathtext())
    axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8, labelcolor=INK)
    return as_png(figure, Title=TITLE)


def _heights(curve: Curve) -> tuple[float, float]:
    """Return the ends of the axis of losses: where the test broke off the loss is of no interest."""
    smoothed, losses = np.array(curve.smoothed), np.array(curve.losses)
    still = losses[: max(1, len(losses) // 4)]
    low, high = min(losses.min(), smoothed.min()), max(still.max(), np.median(still) * 1.3)
    margin = 0.05 * (high - low) or 1
    return low - margin, high + margin
