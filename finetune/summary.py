"""What a person reads on the terminal when a command has done its work."""

import io
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from finetune.data.column_words import column_lines
from finetune.doctor import Diagnosis
from finetune.lr_find import RateTest
from finetune.run import Run
from finetune.run_dir import RunDir

# Rows of the table of rates.
_RATES_SHOWN = 16


def fit_summary(run: Run) -> str:
    """Return the closing table of a fit: scores of the three sides, seconds, confusions, and the report's path."""
    metrics = run.metrics
    scores = _number_table(metrics) if "mae" in metrics["test"] else _accuracy_table(metrics)
    folds = [_on_folds(metrics["folds"])] if "folds" in metrics else []
    seconds = ", ".join(f"{phase} {spent:.1f}" for phase, spent in metrics["seconds"].items())
    lines = [
        _text(scores),
        *folds,
        f"seconds: {seconds}",
        *_confusions(metrics),
        f"report: {RunDir(run.path).report_path}",
    ]
    return "\n".join(lines)


def _on_folds(folds: Mapping[str, object]) -> str:
    """Return what the folds say in a line; their examples together are the test side of the table above it."""
    name = "accuracy" if "accuracy" in folds["mean"] else "mae"
    each = ", ".join(f"{row[name]:.4g}" for row in folds["each"])
    return f"folds: {name} {folds['mean'][name]:.4g} ± {folds['std'][name]:.2g} ({each})"


def _accuracy_table(metrics: Mapping[str, object]) -> Table:
    accuracy = Table(title="accuracy", title_justify="left")
    for column in ("", "examples", "accuracy", "95 % interval", "loss"):
        accuracy.add_column(column, justify="left" if not column else "right")
    for side in ("train", "validation", "test"):
        accuracy.add_row(side, *_accuracy_cells(metrics[side]))
    baseline = metrics["baseline"]
    accuracy.add_row(f"baseline ({baseline['name']})", "", f"{baseline['accuracy']:.3f}", "", "", style="dim")
    return accuracy


def _number_table(metrics: Mapping[str, object]) -> Table:
    errors = Table(title="errors", title_justify="left")
    for column in ("", "examples", "mean absolute", "95 % interval", "root mean square", "R²"):
        errors.add_column(column, justify="left" if not column else "right")
    for side in ("train", "validation", "test"):
        scores = metrics[side]
        interval = "–".join(f"{end:.4g}" for end in scores.get("mae_interval") or ())
        r2 = "" if scores["r2"] is None else f"{scores['r2']:.3f}"
        errors.add_row(
            side, f"{scores['num_examples']:,}", f"{scores['mae']:.4g}", interval, f"{scores['rmse']:.4g}", r2
        )
    for rule in metrics["baselines"]:
        errors.add_row(
            f"baseline ({rule['name']})", "", f"{rule['mae']:.4g}", "", f"{rule['rmse']:.4g}", "", style="dim"
        )
    return errors


def evaluation_summary(metrics: Mapping[str, object]) -> str:
    """Return the text of `finetune evaluate`: overall accuracy and each class, or the errors of numbers."""
    if "mae" in metrics:
        r2 = "" if metrics["r2"] is None else f", R² {metrics['r2']:.3f}"
        interval = "–".join(f"{end:.4g}" for end in metrics["mae_interval"] or ())
        return (
            f"mean absolute error {metrics['mae']:.4g}{f' ({interval})' if interval else ''}, root mean square "
            f"{metrics['rmse']:.4g}{r2} on {metrics['num_examples']:,} examples: {metrics['examples']}"
        )
    table = Table(title="per class", title_justify="left")
    for column in ("class", "examples", "precision", "recall", "F1"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name, scores in metrics["per_class"].items():
        values = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(name, f"{scores['support']:,}", *values)
    interval = "-".join(f"{end:.3f}" for end in metrics.get("accuracy_interval") or ())
    exact = f", all labels right in {metrics['exact_match']:.3f}" if "exact_match" in metrics else ""
    head = f"accuracy {metrics['accuracy']:.3f}{f' ({interval})' if interval else ''}{exact}"
    head += f" on {metrics['num_examples']:,} examples"
    return "\n".join([f"{head}: {metrics['examples']}", _text(table), *_confusions(metrics)])


def _accuracy_cells(side: Mapping[str, object]) -> tuple[str, ...]:
    interval = "-".join(f"{end:.3f}" for end in side.get("accuracy_interval") or ())
    return f"{side['num_examples']:,}", f"{side['accuracy']:.3f}", interval, f"{side['loss']:.3f}"


def _confusions(metrics: Mapping[str, object]) -> list[str]:
    if "most_confused" not in metrics:
        return []
    pairs = [f"{p['label']} taken for {p['predicted']} ({p['count']})" for p in metrics["most_confused"]]
    return [f"most often confused: {'; '.join(pairs)}"] if pairs else ["no class was confused with another"]


def _text(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, highlight=False).print(table, markup=False)
    return stream.getvalue().rstrip()


def diagnosis_summary(diagnosis: Diagnosis) -> str:
    """Return the table of `finetune doctor`, and what follows from it."""
    data, lines = diagnosis.data, []
    if "splits" in data:
        sizes = ", ".join(f"{count:,} {side}" for side, count in data["splits"].items())
        classes = f" in {len(data['class_names'])} classes" if data.get("class_names") else ""
        lines.append(f"{data['num_examples']:,} examples{classes}: {sizes}")
    lines += column_lines(data)
    if diagnosis.findings:
        table = Table(show_lines=True)
        for column in ("", "check", "found"):
            table.add_column(column, overflow="fold")
        for finding in diagnosis.findings:
            table.add_row(finding.severity, finding.check, finding.message)
        lines.append(_text(table))
    counts = ", ".join(f"{n} {name}{'s' if n != 1 else ''}" for name, n in diagnosis.counts.items() if n)
    verdict = "ready to train" if diagnosis.healthy else "not ready to train"
    lines.append(f"{verdict}: {counts or 'nothing found'}")
    return "\n".join(lines)


def rate_summary(test: RateTest, plot: str) -> str:
    """Return the text of `finetune lr-find`: the suggestion and its reason, and the curve in a few rows."""
    found, curve = test.suggestion, test.curve
    table = Table()
    for column in ("learning rate", "loss"):
        table.add_column(column, justify="right")
    shown = sorted({round(share * (len(curve.rates) - 1) / _RATES_SHOWN) for share in range(_RATES_SHOWN + 1)})
    for place in shown:
        table.add_row(f"{curve.rates[place]:.1e}", f"{curve.smoothed[place]:.4g}")
    lines = [_text(table)]
    if found.rate is None:
        lines.append(f"phase {test.phase}: no suggestion (the rate is {test.now:g} as it is set)")
    else:
        flags = [f"--set {name}={value:g}" for name, value in test.settings.items() if name != "phases"]
        use = flags[0] if flags else f"`learning_rate: {found.rate:g}` of that phase in the config file"
        lines.append(f"phase {test.phase}: {found.rate:g} instead of {test.now:g}; take it by {use}")
    lines.append(f"  {found.reason}")
    if found.others:
        steep, minimum = found.others["steep"], found.others["minimum"]
        lines.append(
            f"  other rules: {steep:g}, where the loss falls fastest; {minimum:g}, a tenth of where it is lowest"
        )
    return "\n".join([*lines, f"picture: {plot}"])
