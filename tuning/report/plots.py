"""Pictures of a study as PNG bytes: history, parallel coordinates, slices, cost against score."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from finetune.report.plots import BEST, DPI, INK, LINE, SOFT, VALIDATION, as_png
from tuning.objective import Objective
from tuning.report.importance import coded, is_wide, varying
from tuning.trial import Trial

# From bad to good, both readable on white.
_COLOURS = LinearSegmentedColormap.from_list("scores", ["#d5dce3", "#a9d2e4", "#0b6e99"])
_SLICES = 12
_LABEL = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
_NAMES = 14


def history(trials: Sequence[Trial], objective: Objective) -> bytes:
    """Draw the score of each trial and the best so far.

    Args:
        trials: with scores, in order.
        objective: of the study.
    """
    figure, axes = _figure(5.2, 3.0)
    numbers = np.array([trial.number for trial in trials])
    scores = np.array([trial.score for trial in trials])
    best = (np.minimum if objective.direction == "min" else np.maximum).accumulate(scores)
    axes.step(numbers, best, where="post", color=BEST, linewidth=1.6, label="best so far")
    axes.plot(numbers, scores, "o", color=VALIDATION, markersize=4, alpha=0.75, label="trial")
    _focus(axes, scores, objective)
    axes.set_xlabel("trial", color=SOFT)
    axes.set_ylabel(objective.name, color=SOFT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    return as_png(figure)


def parallel(trials: Sequence[Trial], objective: Objective) -> bytes:
    """Draw each trial as a line through its values, the good ones dark and on top.

    Args:
        trials: with scores.
        objective: of the study.
    """
    names = varying(trials)
    figure, axes = _figure(max(5.2, 1.1 * (len(names) + 1)), 3.6)
    ranks = _goodness(trials, objective)
    columns = [coded(trials, name) for name in names]
    heights = np.column_stack([*(_unit(column) for column, _ in columns), _unit(ranks)])
    for at in np.argsort(ranks):
        axes.plot(heights[at], color=_COLOURS(0.15 + 0.85 * ranks[at]), linewidth=0.8 + 1.2 * ranks[at], alpha=0.85)
    for place, (name, (column, words)) in enumerate(zip(names, columns, strict=True)):
        axes.axvline(place, color=LINE, linewidth=1, zorder=0)
        for height, text in _marks(trials, name, column, words):
            axes.text(place, height, text, fontsize=7, color=INK, va="center", ha="center", bbox=_LABEL)
    axes.axvline(len(names), color=LINE, linewidth=1, zorder=0)
    axes.set_xlim(-0.4, len(names) + 0.2)
    axes.set_xticks(range(len(names) + 1), [*map(_short, names), "rank"], rotation=20, ha="right")
    axes.set_yticks([])
    axes.grid(False)
    return as_png(figure)


def slices(trials: Sequence[Trial], objective: Objective) -> bytes:
    """Draw the score over each hyperparameter, later trials darker.

    Args:
        trials: with scores.
        objective: of the study.
    """
    names = varying(trials)[:_SLICES]
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(2.9 * columns, 2.3 * rows), dpi=DPI, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    scores = np.array([trial.score for trial in trials])
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        _slice(axes, trials, name, scores)
        _focus(axes, scores, objective)
    for axes in grid[:, 0]:
        axes.set_ylabel(objective.name, color=SOFT, fontsize=9)
    return as_png(figure)


def cost(trials: Sequence[Trial], front: Sequence[Trial], objective: Objective) -> bytes:
    """Draw the score over the seconds of each trial, and the trials that none beats in both.

    Args:
        trials: with scores and seconds.
        front: of them, by seconds.
        objective: of the study.
    """
    figure, axes = _figure(5.2, 3.0)
    seconds, scores = np.array([trial.seconds for trial in trials]), np.array([trial.score for trial in trials])
    axes.plot(seconds, scores, "o", color=VALIDATION, markersize=4, alpha=0.6)
    axes.step([one.seconds for one in front], [one.score for one in front], where="post", color=BEST, linewidth=1.4)
    axes.plot([one.seconds for one in front], [one.score for one in front], "o", color=BEST, markersize=5)
    if is_wide(seconds):
        axes.set_xscale("log")
    _focus(axes, scores, objective)
    axes.set_xlabel("seconds of a trial", color=SOFT)
    axes.set_ylabel(objective.name, color=SOFT)
    return as_png(figure)


def pareto(trials: Sequence[Trial], objective: Objective) -> list[Trial]:
    """Return the trials that no other beats in both seconds and score, the quickest first.

    Args:
        trials: with scores and seconds.
        objective: of the study.
    """
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda one: (one.seconds, objective.cost(one.score))):
        if not front or objective.better(trial.score, front[-1].score):
            front.append(trial)
    return front


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    axes = figure.subplots()
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(length=0, labelcolor=SOFT, labelsize=8)


def _slice(axes: Axes, trials: Sequence[Trial], name: str, scores: np.ndarray) -> None:
    _plain(axes)
    column, words = coded(trials, name)
    active = np.array([trial.proposal.values.get(name) is not None for trial in trials])
    shift = np.random.default_rng(0).uniform(-0.18, 0.18, len(trials)) if words else 0
    ages = np.linspace(0, 1, len(trials))[active]
    axes.scatter((column + shift)[active], scores[active], c=_COLOURS(0.3 + 0.7 * ages), s=14)
    axes.set_title(_short(name, 26), fontsize=9, color=INK)
    if words:
        axes.set_xticks(range(len(words)), [_short(word, 9) for word in words], rotation=25 if len(words) > 3 else 0)
        return
    numbers = [trial.proposal.values[name] for trial, there in zip(trials, active, strict=True) if there]
    if is_wide(numbers):
        smallest = math.log10(min(number for number in numbers if number > 0))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda power, _: "0" if power < smallest - 0.9 else f"1e{power:g}")
        )


def _focus(axes: Axes, scores: np.ndarray, objective: Objective) -> None:
    """Show what lies near the good scores: a few that went wrong by far would flatten the rest."""
    goods = np.sort(scores if objective.direction == "min" else -scores)
    if len(goods) < 8:
        return
    best, usual = goods[0], goods[int(0.8 * (len(goods) - 1))]
    room = 0.08 * (usual - best) or 1e-9
    if goods[-1] > usual + 3 * (usual - best):
        ends = (best - room, usual + 4 * room)
        axes.set_ylim(*(ends if objective.direction == "min" else (-ends[1], -ends[0])))


def _goodness(trials: Sequence[Trial], objective: Objective) -> np.ndarray:
    """Return the rank of each trial in [0, 1], 1 for the best."""
    costs = np.array([objective.cost(trial.score) for trial in trials])
    ranks = np.argsort(np.argsort(-costs, kind="stable"), kind="stable")
    return ranks / max(1, len(trials) - 1)


def _unit(column: np.ndarray) -> np.ndarray:
    low, high = column.min(), column.max()
    return (column - low) / (high - low) if high > low else np.full(len(column), 0.5)


def _marks(trials: Sequence[Trial], name: str, column: np.ndarray, words: list[str] | None) -> list[tuple[float, str]]:
    """Return what is written beside an axis: its names, or its ends."""
    unit = _unit(column)
    if words:
        return [(float(unit[column == place][0]), _short(word)) for place, word in enumerate(words)]
    values = [trial.proposal.values.get(name) for trial in trials]
    known = [(value, float(height)) for value, height in zip(values, unit, strict=True) if value is not None]
    return [(height, f"{value:.3g}") for value, height in (min(known), max(known))]


def _short(text: str, most: int = _NAMES) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
