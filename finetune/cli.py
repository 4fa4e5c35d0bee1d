"""The command `finetune`: parse, build a config, one hop, print. Results go to stdout, everything else to stderr."""

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

import click

from finetune.data.examples import printable
from finetune.data.listing import list_tree
from zoo import registry
from zoo.errors import ConfigError, DataError, GraftError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="keras-graft", prog_name="finetune")
def cli() -> None:
    r"""Graft a new head on a pretrained model, train it on your pictures, and learn how good it is.

    \b
      finetune fit my_photos/                    train on a folder of class folders
      finetune predict runs/my_photos-1 a.jpg    ask the model that came out of it
    """


_RUN = click.argument("run", type=click.Path(path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_VERBOSE = click.option(
    "--verbose", type=click.IntRange(0, 2), default=1, show_default=True, help="0 silent, 1 bars, 2 a line each epoch."
)


@cli.command(short_help="Fine-tune a model on a folder of pictures.")
@click.argument("data", required=False)
@click.option("--model", help="Name from `finetune models`.  [default: auto]")
@click.option("--method", help="How to train: auto or head.  [default: auto]")
@click.option("--epochs", help="Most passes over the training pictures.  [default: 60]")
@click.option("--seed", help="Of the split, the head and the order.  [default: 0]")
@click.option("--run-dir", help="Directory to write.  [default: the next free runs/DATA-N]")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="YAML, JSON or TOML file of settings.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of README's table; may be repeated."
)
@click.option("--overwrite", is_flag=True, help="Replace the run that is in the run directory.")
@_VERBOSE
@_JSON
def fit(
    data: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    overwrite: bool,
    verbose: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Fine-tune a model on DATA, a folder with one folder of pictures for each class.

    DATA may also hold train, validation and test folders with class folders in them. Everything that is not said is
    decided by the run, which prints what it chose and why. A flag wins over --set, and --set over --config.
    """
    settings_of = _load("finetune.config")
    values, places = _load("finetune.config_file").read_config_file(config_file) if config_file else ({}, {})
    given = _parse_settings(settings) | {
        name: value for name, value in ({"data": data} | flags).items() if value is not None
    }
    config = settings_of.make_config(
        values | given, places={name: at for name, at in places.items() if name not in given}
    )
    for name in sorted(values.keys() & given.keys()):
        click.echo(f"{name} = {given[name]} (the command line wins over {config_file})", err=True)
    if config.data is None:
        raise ConfigError("DATA is missing: finetune fit FOLDER, or a line `data: FOLDER` in the config")
    recipe, progress = _load("finetune.recipe"), _load("finetune.progress")
    run = recipe.run_recipe(config, overwrite=overwrite, reporter=progress.Reporter(verbose))
    text = _load("finetune.summary").fit_summary(run)
    _print({"run_dir": str(run.path)} | run.metrics if as_json else text)


@cli.command(short_help="Say what pictures show.")
@_RUN
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@_JSON
def predict(run: Path, paths: tuple[str, ...], as_json: bool) -> None:
    """Say what each picture PATH shows, by the model of RUN; a folder stands for all pictures in it.

    A file that cannot be read is reported and the others are answered; the exit code is then 3.
    """
    failed = 0
    predictions = []
    files = _files(paths)
    for prediction in _load("finetune.run").Run(run).iterate(files):
        failed += prediction.error is not None
        if as_json:
            predictions.append(prediction.as_json())
        elif prediction.error:
            click.echo(f"{prediction.file}: {prediction.error}", err=True)
        else:
            click.echo(f"{prediction.file}\t{prediction.class_name}\t{prediction.probability:.4f}")
    if as_json:
        _print({"run_dir": str(run), "predictions": predictions})
    if failed:
        raise DataError(f"{failed} of {len(files)} files could not be read")


@cli.command(short_help="Measure a model on a folder of pictures.")
@_RUN
@click.argument("data", required=False)
@_VERBOSE
@_JSON
def evaluate(run: Path, data: str | None, verbose: int, as_json: bool) -> None:
    """Measure the model of RUN on DATA, a folder of class folders; without DATA on its own test pictures."""
    metrics = _load("finetune.run").Run(run).evaluate(data, verbose=verbose)
    _print(metrics if as_json else _load("finetune.summary").evaluation_summary(metrics))


@cli.command(short_help="Make the report page of a run again.")
@_RUN
def report(run: Path) -> None:
    """Make the report page of RUN again, and print its path."""
    click.echo(_load("finetune.run").Run(run).write_report())


@cli.command(short_help="List the models and their weights.")
@click.argument("pattern", default="*")
@_JSON
def models(pattern: str, as_json: bool) -> None:
    """List the models whose name matches PATTERN, such as 'efficientnet*'."""
    names = registry.list_models(pattern)
    if not names:
        raise ConfigError(f"no model matches {pattern!r}; all: {', '.join(registry.list_models())}")
    rows = [_model_row(name) for name in names]
    if as_json:
        _print({"models": rows})
        return
    click.echo(f"{'name':<22}{'parameters':>12}{'image':>7}{'top-1 %':>9}  weights")
    for row in rows:
        weights = "at hand" if row["weights_at_hand"] else row["remedy"] or "none here"
        top1 = row["reported_top1"]
        click.echo(f"{row['name']:<22}{row['parameters']:>12,}{row['image_size']:>7}{top1:>9}  {weights}")


def _model_row(name: str) -> dict[str, object]:
    variant, sources = registry.find(name), _load("zoo.weights.sources")
    cache_dir = Path(sources.DEFAULT_CACHE_DIR).expanduser()
    at_hand = [row.tag for row in variant.weights if sources.at_hand(row, cache_dir)]
    remedy = sources.remedy(variant.weights[0]) if variant.weights and not at_hand else None
    return {
        "name": name,
        "family": variant.family,
        "parameters": variant.parameters,
        "image_size": variant.preprocessing.image_size,
        "reported_top1": variant.reported_top1,
        "weights": [row.tag for row in variant.weights],
        "weights_at_hand": at_hand,
        "remedy": remedy,
    }


def _files(paths: Iterable[str]) -> list[str]:
    """Return the paths with each folder replaced by the pictures in it."""
    files = []
    for path in paths:
        inside = (
            [os.path.join(path, name) for name in list_tree(Path(path), "").pictures] if os.path.isdir(path) else [path]
        )
        if not inside:
            raise DataError(f"{printable(path)}: no pictures in this folder")
        files += inside
    return files


def _parse_settings(settings: Iterable[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE; received {setting!r}")
        if name in values:
            raise ConfigError(f"--set {name} is given twice: {values[name]!r} and {value!r}")
        values[name] = value
    return values


def _print(result: object) -> None:
    text = result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo(text)


def _load(module: str) -> object:
    """The one hop to what takes time to import, made when it is needed; so help and plain faults answer at once."""
    # TensorFlow tells its build on stderr, in part before it reads this setting
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _stderr_held_back():
        return importlib.import_module(module)


@contextmanager
def _stderr_held_back() -> Iterable[None]:
    """Keep what C++ libraries write to stderr while they are imported, unless the import fails."""
    import tempfile

    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        original = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


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
    sys.exit(run_command(cli))
