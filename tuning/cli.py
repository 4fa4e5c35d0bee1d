"""The command `tuner`: parse, one hop, print. Results go to stdout, everything else to stderr."""

import signal
import sys
from pathlib import Path

import click

from finetune.cli import run_command
from finetune.cli_parts import JSON, load, parse_settings, print_result

# Click leaves a paragraph as it is behind the character \b, which a raw docstring would not hold.
_HELP = """Search hyperparameters over many fine-tuning runs.

\b
  tuner search data.csv --model mlp --max-trials 30    begin a study, or go on with it
  tuner best studies/data-mlp-bayesian                 the best of it, by runs with fresh seeds
"""
_STUDY = click.argument("study", type=click.Path(path_type=Path))
_VERBOSE = click.option(
    "--verbose",
    type=click.IntRange(0, 2),
    default=1,
    show_default=True,
    help="0 silent, 1 a line a trial, 2 its values.",
)


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="keras-graft", prog_name="tuner")
def cli() -> None:
    """Search hyperparameters over many fine-tuning runs."""


@cli.command(short_help="Begin a study, or go on with it.")
@click.argument("data", required=False)
@click.option("--model", help="As for `finetune fit`.  [default: auto]")
@click.option("--algorithm", default="bayesian", show_default=True, help="random, grid, bayesian or hyperband.")
@click.option("--max-trials", type=int, help="Of the whole study.")
@click.option("--max-minutes", type=float, help="Of the whole study; no trial is begun after them.")
@click.option("--space", type=click.Path(path_type=Path), help="YAML, JSON or TOML file.  [default: that of the model]")
@click.option("--objective", help="NAME, NAME:min or NAME:max of the validation side.  [default: by the task]")
@click.option("--study", type=click.Path(path_type=Path), help="Directory.  [default: studies/DATA-MODEL-ALGORITHM]")
@click.option(
    "--workers",
    default="0",
    show_default=True,
    help="Processes that run trials; 0 runs them in this one, auto finds out.",
)
@click.option("--cluster", help="Address of a Ray cluster, or local.")
@click.option("--fresh-seeds", default=2, show_default=True, help="Runs of each of the best three before one is named.")
@click.option(
    "--stack/--no-stack",
    default=True,
    show_default=True,
    help="Heads that differ in numbers only learn as one: sooner, with the scores of `finetune fit` up to rounding.",
)
@click.option("--nested-folds", type=int, help="Judge the search itself: a whole one in each of so many outer folds.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings that all trials share.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One such setting; may be repeated.")
@_VERBOSE
@JSON
def search(
    data: str | None,
    model: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    space: Path | None,
    verbose: int,
    as_json: bool,
    **wishes: object,
) -> None:
    """Search the settings that are best for DATA on its validation side; the test side is never looked at.

    Called again, it goes on with the study that is there, and with a higher --max-trials or --max-minutes further.
    """
    if data is None and config_file is None:
        raise load("zoo.errors").ConfigError("DATA is missing: tuner search FOLDER, or a CSV file")
    if str(wishes["workers"]).isdecimal():
        wishes["workers"] = int(wishes["workers"])
    wished = load("tuning.wishes").Wishes(**wishes)
    values, places = load("finetune.config_file").read_config_file(config_file) if config_file else ({}, {})
    given = parse_settings(settings)
    given |= {name: value for name, value in (("data", data), ("model", model)) if value is not None}
    base = load("finetune.config").make_config(
        values | given, places={name: at for name, at in places.items() if name not in given}
    )
    # what a space says of model and method comes on top of the settings
    beforehand = load("finetune.beforehand")
    beforehand.refuse(base) if space is None else beforehand.refuse_data(base)
    reporter = load("finetune.progress").Reporter(verbose)
    search_recipe = load("tuning.searching").search_recipe
    _print_best(search_recipe(base, wished, space=space, reporter=reporter), as_json)


@cli.command(short_help="List the trials of a study.")
@_STUDY
@click.option("--csv", "as_csv", is_flag=True, help="As comma-separated values.")
@click.option(
    "--keras-tuner", "project", type=click.Path(path_type=Path), help="Write a project of keras-tuner's there."
)
@JSON
def trials(study: Path, as_csv: bool, project: Path | None, as_json: bool) -> None:
    """List the trials of STUDY: what was tried, and what became of it."""
    if as_csv + as_json + (project is not None) > 1:
        raise click.UsageError("--csv, --json and --keras-tuner exclude each other; give one of them")
    words = load("tuning.words")
    found = load("tuning.study").Study(study)
    if project is not None:
        layout = load("tuning.keras_project")
        path = layout.write_keras_project(found, project)
        click.echo(f"{path}\nread it: {layout.how_to_read(found, path)}")
    elif as_csv:
        click.echo(words.trials_csv(found), nl=False)
    else:
        print_result({"study": str(found.path), "trials": words.trials_json(found)} if as_json else words.table(found))


@cli.command(short_help="Name the best trial of a study.")
@_STUDY
@click.option("--config", "as_config", is_flag=True, help="As a file of settings for `finetune fit --config`.")
@JSON
def best(study: Path, as_config: bool, as_json: bool) -> None:
    """Name the best trial of STUDY: by the mean over fresh seeds, where the search ran the best three again."""
    if as_config and as_json:
        raise click.UsageError("--config and --json exclude each other; give one of them")
    found = load("tuning.study").Study(study)
    if as_config:
        click.echo(load("tuning.words").best_config(found), nl=False)
    else:
        _print_best(found, as_json)


@cli.command(short_help="Make the report page of a study.")
@_STUDY
def report(study: Path) -> None:
    """Make the report page of STUDY, and print its path."""
    found = load("tuning.study").Study(study)
    click.echo(load("tuning.report.page").write_report(found))


@cli.command(short_help="Average the best heads of a study.")
@_STUDY
@click.option("--members", default=10, show_default=True, help="Most trials to choose from.")
@_VERBOSE
@JSON
def ensemble(study: Path, members: int, verbose: int, as_json: bool) -> None:
    """Average the best heads of STUDY into one model, which is written as a run: STUDY/ensemble.

    They learn again without a fifth of the training side, and are chosen on that fifth, which the search did not score
    on. The average and the best alone are then judged on the test side.
    """
    found = load("tuning.study").Study(study)
    reporter = load("finetune.progress").Reporter(verbose)
    run = load("tuning.ensemble").make_ensemble(found, members=members, reporter=reporter)
    words = load("tuning.words")
    print_result({"run_dir": str(run.path)} | run.metrics if as_json else words.ensemble_text(run.path, run.metrics))


def _print_best(study: object, as_json: bool) -> None:
    words = load("tuning.words")
    print_result(words.best_json(study) if as_json else words.best_text(study))


def main() -> None:
    """Entry point of the command `tuner`."""
    # as an exception it runs the same clean-up as Ctrl-C
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(run_command(cli))
