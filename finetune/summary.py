"""What a person reads on the terminal when a command has done its work."""

import io
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from finetune.run import Run
from finetune.run_dir import RunDir


def fit_summary(run: Run) -> str:
    """Return the closing table of a fit: accuracy of the three sides, seconds, confusions, and the report's path."""
    metrics = run.metrics
    accuracy = Table(title="accuracy", title_justify="left")
    for column in ("", "pictures", "accuracy", "95 % interval", "loss"):
        accuracy.add_column(column, justify="left" if not column else "right")
    for side in ("train", "validation", "test"):
        accuracy.add_row(side, *_accuracy_cells(metrics[side]))
    baseline = metrics["baseline"]
    accuracy.add_row(f"baseline ({baseline['name']})", "", f"{baseline['accuracy']:.3f}", "", "", style="dim")
    seconds = ", ".join(f"{phase} {spent:.1f}" for phase, spent in metrics["seconds"].items())
    lines = [_text(accuracy), f"seconds: {seconds}", *_confusions(metrics), f"report: {RunDir(run.path).report_path}"]
    return "\n".join(lines)


def evaluation_summary(metrics: Mapping[str, object]) -> str:
    """Return the table of `finetune evaluate`: overall accuracy, then each class."""
    low, high = metrics["accuracy_interval"]
    table = Table(title="per class", title_justify="left")
    for column in ("class", "pictures", "precision", "recall", "F1"):
        table.add_column(column, justify="left" if column == "class" else "right")
    for name, scores in metrics["per_class"].items():
        values = (f"{scores[key]:.3f}" for key in ("precision", "recall", "f1"))
        table.add_row(name, f"{scores['support']:,}", *values)
    head = f"accuracy {metrics['accuracy']:.3f} ({low:.3f}-{high:.3f}) on {metrics['num_examples']:,} pictures"
    return "\n".join([f"{head}: {metrics['examples']}", _text(table), *_confusions(metrics)])


def _accuracy_cells(side: Mapping[str, object]) -> tuple[str, ...]:
    low, high = side["accuracy_interval"]
    return f"{side['num_examples']:,}", f"{side['accuracy']:.3f}", f"{low:.3f}-{high:.3f}", f"{side['loss']:.3f}"


def _confusions(metrics: Mapping[str, object]) -> list[str]:
    pairs = [f"{p['label']} taken for {p['predicted']} ({p['count']})" for p in metrics["most_confused"]]
    return [f"most often confused: {'; '.join(pairs)}"] if pairs else ["no picture was confused with another class"]


def _text(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100, highlight=False).print(table, markup=False)
    return stream.getvalue().rstrip()
