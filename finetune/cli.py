"""The command `finetune`: parse, build a config, one hop, print. Results go to stdout, everything else to stderr."""

import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import click

from finetune.cli_lr_find import lr_find
from finetune.cli_models import models
from finetune.cli_parts import JSON, VERBOSE, config_of, json_list, load, of_a_run, parse_settings, print_result
from zoo.errors import DataError, GraftError, RunStateError

# Click leaves a paragraph as it is behind the character \b, which a raw docstring would not hold.
_HELP = """Graft a new head on a pretrained model, train it on your data, and learn how good it is.

\b
  finetune fit my_photos/                    train on a folder of class folders, or on a CSV file
  finetune doctor my_photos/                 what is wrong with the data?
  finetune predict runs/my_photos-1 a.jpg    ask the model that came out of it
"""


@click.group(help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="keras-graft", prog_name="finetune")
def cli() -> None:
    """Graft a new head on a pretrained model, train it on your data, and learn how good it is."""


_RUN = click.argument("run", type=click.Path(path_type=Path))


@cli.command(short_help="Fine-tune a model on a folder of pictures.")
@of_a_run
@click.option("--precision", help="auto, float32, mixed_bfloat16 or mixed_float16.  [default: auto]")
@click.option("--run-dir", help="Directory to write.  [default: the next free runs/DATA-N]")
@click.option("--overwrite", is_flag=True, help="Replace the run that is in the run directory.")
@click.option("--resume", is_flag=True, help="Go on with the run that is there, where it was stopped.")
@VERBOSE
@JSON
def fit(
    data: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    overwrite: bool,
    resume: bool,
    verbose: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Fine-tune a model on DATA, a folder with one folder of pictures for each class.

    DATA may also hold train, validation and test folders with class folders in them. Everything that is not said is
    decided by the run, which prints what it chose and why. A flag wins over --set, and --set over --config.
    """
    config = config_of(data, config_file, settings, flags, command="fit")
    _run(config, verbose, as_json, overwrite=overwrite, resume=resume)


def _run(config: object, verbose: int, as_json: bool, **how: bool) -> None:
    beforehand = load("finetune.beforehand")
    beforehand.refuse(config)
    beforehand.refuse_run_dir(config.run_dir, **how)
    if verbose:
        # said before the seconds that the import takes
        click.echo(f"{config.data}: the settings are sound; loading TensorFlow", err=True)
    reporter = load("finetune.progress").Reporter(verbose)
    run = load("finetune.recipe").run_recipe(config, reporter=reporter, **how)
    text = load("finetune.summary").fit_summary(run)
    print_result({"run_dir": str(run.path)} | run.metrics if as_json else text)


@cli.command(short_help="Go on with a run that was stopped.")
@_RUN
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A lower rate, where the loss was not finite."
)
@VERBOSE
@JSON
def resume(run: Path, settings: tuple[str, ...], verbose: int, as_json: bool) -> None:
    """Go on with RUN where it was stopped, by Ctrl-C, a crash or a power cut, with the settings that it began with.

    It ends as if it had not been stopped, to the last bit. What was learned since its last checkpoint, a minute at
    most, is learned again.

    A run that ended because its loss was not finite any more goes on from its best epoch, and needs another setting
    for that, such as --set learning_rate=0.0001.
    """
    if not (run / "config.json").is_file():
        raise RunStateError(f"{run}: holds no run (no config.json) that could be gone on with")
    values, places = load("finetune.config_file").read_config_file(run / "config.json")
    config = load("finetune.config").make_config(
        values | parse_settings(settings) | {"run_dir": str(run)}, places=places
    )
    _run(config, verbose, as_json, overwrite=False, resume=True)


@cli.command(short_help="Check data before a minute is spent on training.")
@click.argument("data")
@click.option("--model", help="Model that the data are meant for.  [default: auto]")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of README's table; may be repeated."
)
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@VERBOSE
@JSON
def doctor(data: str, model: str | None, settings: tuple[str, ...], strict: bool, verbose: int, as_json: bool) -> None:
    """Check DATA as `finetune fit` would, and list all that is wrong or odd.

    Nothing is trained, and nothing is written but the cache. The exit code is 3 where training would be wrong.
    """
    values = parse_settings(settings) | {"data": data}
    values |= {"model": model} if model else {}
    values |= {"strict": "true"} if strict else {}
    config = load("finetune.config").make_config(values)
    reporter = load("finetune.progress").Reporter(verbose)
    diagnosis = load("finetune.doctor").diagnose(config, reporter)
    print_result(diagnosis.data if as_json else load("finetune.summary").diagnosis_summary(diagnosis))
    if not diagnosis.healthy:
        raise DataError("training on these data would be wrong; see the table above")


@cli.command(short_help="Say what pictures show.")
@_RUN
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@VERBOSE
@JSON
def predict(run: Path, paths: tuple[str, ...], verbose: int, as_json: bool) -> None:
    """Say what each picture PATH shows, by the model of RUN.

    A folder stands for all pictures in it, a CSV file for those that it lists, a .npz file for those that it holds; of
    a run on a table or a series PATH is a CSV file.

    A file that cannot be read is reported and the others are answered; the exit code is then 3.
    """
    failed = 0
    load("finetune.beforehand").require_done(run)
    count, answers = load("finetune.run").Run(run).ask(paths)
    printed = json_list({"run_dir": str(run)}, "predictions") if as_json else nullcontext(_print_answer)
    # answers that scroll by on the terminal are progress enough; a bar would run through them
    quiet = count == 1 or (sys.stdout.isatty() and not as_json)
    reporter = load("finetune.progress").Reporter(0 if quiet else verbose)
    with printed as write, reporter.track("predicting", count) as advance:
        for prediction in answers:
            advance(1)
            failed += prediction.error is not None
            write(prediction.as_json() if as_json else prediction)
    if failed:
        raise DataError(f"{failed} of {count} files could not be read")


@cli.command(short_help="Measure a model on a folder of pictures.")
@_RUN
@click.argument("data", required=False)
@VERBOSE
@JSON
def evaluate(run: Path, data: str | None, verbose: int, as_json: bool) -> None:
    """Measure the model of RUN on DATA, a folder of class folders; without DATA on its own test pictures."""
    load("finetune.beforehand").require_done(run)
    metrics = load("finetune.run").Run(run).evaluate(data, verbose=verbose)
    print_result(metrics if as_json else load("finetune.summary").evaluation_summary(metrics))


@cli.command(short_help="Make the report page of a run again.")
@_RUN
def report(run: Path) -> None:
    """Make the report page of RUN again, and print its path."""
    load("finetune.beforehand").require_done(run)
    click.echo(load("finetune.run").Run(run).write_report())


cli.add_command(models)
cli.add_command(lr_find)


def _print_answer(prediction: object) -> None:
    if prediction.error:
        place = f"{prediction.file} {prediction.row}" if prediction.row else prediction.file
        click.echo(f"{place}: {prediction.error}", err=True)
    else:
        click.echo(prediction.as_text())


def run_command(command: Callable, arguments: list[str] | None = None) -> int:
    """Run a click command and return its exit code; a user's fault is one message on stderr, never a traceback."""
    try:
        command.main(args=arguments, standalone_mode=False)
    except GraftError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.UsageError as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return 0


def main() -> None:
    """Entry point of the command `finetune`."""
    # as an exception it runs the same clean-up as Ctrl-C
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(run_command(cli))
