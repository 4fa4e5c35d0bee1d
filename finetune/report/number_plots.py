"""Pictures of predicted numbers as PNG bytes: against the true ones, and along time."""

import numpy as np
from matplotlib.figure import Figure

from finetune.report.plots import DPI, INK, SOFT, TRAIN, VALIDATION, as_png, label_of, quiet_frame

# More points than a picture can show apart are drawn as every n-th.
_MOST_POINTS = 5000


def predicted_against_true(values: np.ndarray, predicted: np.ndarray, name: str) -> bytes:
    """Draw predictions over true values; on the diagonal they are right.

    Args:
        values: (n,) true numbers.
        predicted: (n,) answers.
        name: of what is predicted.

    Returns:
        A PNG.
    """
    step = max(1, len(values) // _MOST_POINTS)
    values, predicted = np.asarray(values, float)[::step], np.asarray(predicted, float)[::step]
    figure = Figure(figsize=(4.6, 4.2), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    low, high = (function(np.concatenate([values, predicted])) for function in (np.min, np.max))
    margin = 0.04 * (high - low) or 1
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=SOFT, linewidth=1.2, linestyle=(0, (4, 3)), label="right", zorder=1)
    crowd = min(1.0, max(0.15, 60 / len(values)))
    axes.scatter(values, predicted, s=18, color=VALIDATION, alpha=max(crowd, 0.35), linewidths=0, label="test examples")
    axes.set(xlim=ends, ylim=ends)
    axes.set_xlabel(f"true {label_of(name)}", color=SOFT, parse_math=False)
    axes.set_ylabel(f"predicted {label_of(name)}", color=SOFT, parse_math=False)
    axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=INK)
    quiet_frame(axes)
    return as_png(figure)


def along_time(values: np.ndarray, predicted: np.ndarray, name: str, steps: list[str]) -> bytes:
    """Draw what was forecast one step ahead over what came.

    Args:
        values: (n,) true numbers in the order of time.
        predicted: (n,) forecasts of the same moments.
        name: of what is forecast.
        steps: (n,) when, as the user wrote it.

    Returns:
        A PNG.
    """
    figure = Figure(figsize=(9.4, 3.2), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    at = np.arange(len(values))
    marker = "o" if len(values) <= 80 else ""
    axes.plot(at, values, color=TRAIN, linewidth=2, label="true", marker=marker, markersize=4)
    axes.plot(at, predicted, color=VALIDATION, linewidth=2, label="forecast", marker=marker, markersize=4)
    places = np.unique(np.linspace(0, len(values) - 1, min(8, len(values))).round().astype(int))
    axes.set_xticks(places, [label_of(steps[place]) for place in places], parse_math=False)
    axes.set_ylabel(label_of(name), color=SOFT, parse_math=False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    quiet_frame(axes)
    return as_png(figure)
