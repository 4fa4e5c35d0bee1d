"""The report of a run as one HTML file that needs nothing else: no network, no scripts, pictures inside."""

from dataclasses import dataclass, fields
from functools import cache
from numbers import Real
from pathlib import Path

from jinja2 import Template

from finetune.data.column_words import column_rows
from finetune.report import class_words, number_words
from finetune.report.figures import number, percent, rounded
from finetune.report.frame import page_frame
from finetune.report.plots import drawable, lowest_epoch

MISTAKES_SHOWN = 24
ROWS_LISTED = 500  # of the files left out; the run's data.json has them all
ROWS_OPEN = 30  # a longer table is folded
SCORES = {
    "precision_macro": "precision, mean of classes",
    "recall_macro": "recall, mean of classes",
    "f1_macro": "F1, mean of classes",
    "ece": "calibration error (ECE)",
    "mae": "mean absolute error",
    "rmse": "root of mean squared error",
    "r2": "R²",
    "exact_match": "all labels right",
    "f1_micro": "F1 of all labels together",
}
PHASES = {"check": "Checking the data", "features": "Computing features", "train": "Training", "evaluate": "Evaluating"}


@dataclass(frozen=True)
class Report:
    """What the page shows, in the form in which a run directory keeps it.

    Attributes:
        config: the run's settings, flat.
        environment: machine and packages; nested tables are shown on one line.
        data: source, class names, "splits" (examples in each) and what was skipped, left out, warned of and noted.
        history: a row per epoch over all phases.
        metrics: scores under "train", "validation" and "test", of which "test" must be there; "accuracy_interval" is
            the 95 % interval; and "baseline", "most_confused", "seconds" (by phase), "peak_rss_bytes" where known.
        model: name, weights, class names, preprocessing and decisions with their reasons.
        mistakes: wrong predictions, worst first, each with "picture" as PNG bytes where there is one.
        plots: PNG bytes under "curves" and "confusion".
        command: what to type to repeat the run.
    """

    config: dict
    environment: dict
    data: dict
    history: list[dict]
    metrics: dict
    model: dict
    mistakes: list[dict]
    plots: dict[str, bytes]
    command: str


@dataclass(frozen=True)
class _Table:
    """Texts by row; the first of each row names it, the others are numbers."""

    label: str
    columns: tuple[str, ...]
    rows: list[list[str]]


def render(report: Report) -> str:
    """Return the report as one self-contained HTML page.

    Every text of the run is escaped, and characters that could hide or reorder others are spelled out.

    Args:
        report: the run; "splits" of the data and "test" of the metrics must be there, other blocks may be absent.

    Returns:
        The page, to be written as UTF-8.
    """
    test, names = report.metrics["test"], report.data.get("class_names", [])
    values = {field.name: getattr(report, field.name) for field in fields(report)}
    outputs = report.data.get("outputs", [])
    values |= {
        "headline": number_words.headline(report.metrics, outputs, rounded),
        "source_name": _source_name(report.data),
        "noun": _noun(report),
        "test": test,
        "tested": _tested(report),
        "remarks": class_words.remarks(report.metrics)
        if "accuracy" in test
        else number_words.remarks(report.metrics, rounded),
        "scores": _scores(report),
        "folds": _folds(report.metrics.get("folds", {})),
        "counts": _counts(report.data),
        "column_rows": column_rows(report.data),
        "epochs": _epochs(report.history),
        "classes": _classes(test.get("per_class", {}), names),
        "lowest_epoch": lowest_epoch(report.history),
        "best_epoch": report.metrics.get("best_epoch") or lowest_epoch(report.history),
        "numbered": not all(map(drawable, names)),
        "of_support": lambda pair: class_words.of_support(pair, report.metrics),
    }
    return _template().render(values)


@cache
def _template() -> Template:
    template = page_frame().get_template("page.html")
    template.globals |= {"phases": PHASES, "mistakes_shown": MISTAKES_SHOWN}
    template.globals |= {"rows_listed": ROWS_LISTED, "rows_open": ROWS_OPEN}
    return template


def _source_name(data: dict) -> str:
    source = data.get("source", "data")
    return Path(source).name or source


def _noun(report: Report) -> str:
    pictures = "pictures" if "image_size" in (report.model.get("preprocessing") or {}) else "examples"
    return {"table": "rows", "series": "windows"}.get(report.data.get("kind"), pictures)


def _tested(report: Report) -> dict | None:
    """Return how many test examples there were and how many were right, or None when the task has no accuracy."""
    test = report.metrics["test"]
    if "accuracy" not in test or "exact_match" in test:
        return None
    matrix = test.get("confusion_matrix")
    if not matrix:
        total = report.data["splits"]["test"]
        return {"total": total, "right": round(test["accuracy"] * total)}
    return {"total": sum(map(sum, matrix)), "right": sum(row[i] for i, row in enumerate(matrix))}


def _scores(report: Report) -> _Table:
    splits = {name: report.metrics[name] for name in ("train", "validation", "test") if report.metrics.get(name)}
    found = dict.fromkeys(key for scores in splits.values() for key, value in scores.items() if isinstance(value, Real))
    sizes = report.data["splits"]
    rows = [["examples", *(number(splits[name].get("num_examples", sizes.get(name))) for name in splits)]]
    found.pop("num_examples", None)  # the first row has the sizes
    for key in sorted(found, key=lambda name: name != "accuracy"):
        show = percent if key == "accuracy" else number
        rows.append([SCORES.get(key, key), *(show(scores.get(key)) for scores in splits.values())])
    return _Table("Scores of each split", ("", *splits), rows)


def _folds(folds: dict) -> _Table:
    names = list(folds.get("mean", {}))
    shows = [percent if name == "accuracy" else number for name in names]
    rows = [
        [str(row["fold"]), number(row["test"]), *(show(row[name]) for name, show in zip(names, shows, strict=True))]
        for row in folds.get("each", [])
    ]
    for key, label in (("mean", "mean"), ("std", "standard deviation")) if rows else ():
        rows.append([label, "", *(show(folds[key][name]) for name, show in zip(names, shows, strict=True))])
    return _Table("Scores of each fold", ("fold", "tested", *(SCORES.get(name, name) for name in names)), rows)


def _counts(data: dict) -> _Table:
    per_class = data.get("per_class", {})
    rows = [[name, *(number(counts.get(split, 0)) for split in data["splits"])] for name, counts in per_class.items()]
    return _Table("Examples of each class", ("class", *data["splits"]), rows)


def _epochs(history: list[dict]) -> _Table:
    columns = tuple(dict.fromkeys(key for row in history for key in row if key != "epoch" and "gradient" not in key))
    rows = [[str(i), *(_cell(row.get(column)) for column in columns)] for i, row in enumerate(history, start=1)]
    return _Table("Every epoch in numbers", ("epoch", *(column.replace("_", " ") for column in columns)), rows)


def _cell(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _classes(per_class: dict, names: list[str]) -> list[dict]:
    """Return the scores of each class with its number in the order of `names`, the worst F1 first."""
    numbers = {name: i for i, name in enumerate(names, start=1)}
    rows = [{"name": name, "number": numbers.get(name), **scores} for name, scores in per_class.items()]
    return sorted(rows, key=lambda row: (row["f1"], row["name"]))
