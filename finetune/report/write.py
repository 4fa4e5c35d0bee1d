"""report.html of a run, made from the run directory alone; so it can be made again at any time."""

import shlex

import numpy as np

from finetune.report import number_plots, plots
from finetune.report.gradient_plot import gradient_norms
from finetune.report.page import Report, render
from finetune.run_dir import RunDir

# Training pictures as augmentation makes them; drawn while the run has them at hand.
SAMPLES_PLOT = "samples"


def write_report(run_dir: RunDir) -> None:
    """Write the plots and report.html from the other files of the run.

    Raises:
        RunStateError: the run is not finished or damaged.
        ResourceError: the directory cannot be written.
    """
    metrics, data = run_dir.read_json("metrics"), run_dir.read_json("data")
    history = run_dir.read_history()
    drawn = {"curves": plots.curves(history, metrics.get("best_epoch"))}
    if "confusion_matrix" in metrics["test"]:
        drawn["confusion"] = plots.confusion(metrics["test"]["confusion_matrix"], data["class_names"])
    if data.get("outputs"):
        drawn |= _number_plots(run_dir.read_predictions(), data)
    gradients = gradient_norms(history)
    drawn |= {"gradients": gradients} if gradients else {}
    for name, png in drawn.items():
        run_dir.write_plot(name, png)
    pictures = run_dir.read_plots()
    if SAMPLES_PLOT in pictures:
        drawn[SAMPLES_PLOT] = pictures[SAMPLES_PLOT]
    mistakes = [
        mistake | {"picture": pictures[mistake_plot(number)]}
        for number, mistake in enumerate(run_dir.read_json("mistakes"))
        if mistake_plot(number) in pictures
    ]
    config_path = shlex.quote(str(run_dir.path / "config.json"))
    report = Report(
        config=run_dir.read_json("config"),
        environment=run_dir.read_json("environment"),
        data=data,
        history=history,
        metrics=metrics,
        model=run_dir.read_json("model"),
        mistakes=mistakes,
        plots=drawn,
        command=f"finetune fit --config {config_path} --run-dir {shlex.quote(str(run_dir.path) + '-again')}",
    )
    run_dir.write_report(render(report))


def _number_plots(rows: list[dict[str, object]], data: dict) -> dict[str, bytes]:
    """Return the pictures of the first output, which for a forecast is one step ahead."""
    name = data["outputs"][0]
    values, predicted = (np.array([row[key] for row in rows], float) for key in (name, f"{name} predicted"))
    found = {"predicted": number_plots.predicted_against_true(values, predicted, name)}
    if data["kind"] == "series":
        steps = [str(row["example"]) for row in rows]
        found["forecast"] = number_plots.along_time(values, predicted, name, steps)
    return found


def mistake_plot(number: int) -> str:
    """Return the name of the picture of mistake `number`, counted from 0, among the run's plots."""
    return f"mistake-{number + 1:02}"
