"""What the command modules share: the lazy hop to heavy modules, and how results are printed."""

import importlib
import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from zoo.errors import ConfigError

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
VERBOSE = click.option(
    "--verbose", type=click.IntRange(0, 2), default=1, show_default=True, help="0 silent, 1 bars, 2 a line each epoch."
)
# What says how a run learns, in the order of the help.
_OF_A_RUN = (
    click.argument("data", required=False),
    click.option("--model", help="Name from `finetune models`, a run directory or a .keras file.  [default: auto]"),
    click.option("--weights", help="imagenet, a tag, or a file: .pth, .safetensors, .keras, .h5.  [default: imagenet]"),
    click.option("--method", help="auto, head, two_phase, gradual, full, reinit or scratch.  [default: auto]"),
    click.option("--epochs", help="Most passes over the training pictures.  [default: 60]"),
    click.option("--seed", help="Of the split, the head and the order.  [default: 0]"),
    click.option(
        "--config", "config_file", type=click.Path(path_type=Path), help="YAML, JSON or TOML file of settings."
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any setting of README's table; may be repeated."
    ),
    click.option("--strict", flag_value="true", default=None, help="Take warnings about the data for errors."),
)


def print_result(result: object) -> None:
    """Print a result to stdout: text as it is, anything else as one JSON object."""
    text = result if isinstance(result, str) else _json(result)
    click.echo(text)


@contextmanager
def json_list(head: Mapping[str, object], name: str) -> Iterator[Callable[[object], None]]:
    """Print one JSON object as it comes: `head`, and then a list of that name.

    Yields a function that prints an item of the list. What fails before the first item leaves nothing on stdout, and
    later what was printed is closed, so that stdout holds one valid object.
    """
    begun = False

    def begin() -> None:
        entries = "".join(f"  {_json(key)}: {_json(value)},\n" for key, value in head.items())
        click.echo(f"{{\n{entries}  {_json(name)}: [", nl=False)

    def write(item: object) -> None:
        nonlocal begun
        if not begun:
            begin()
        text = textwrap.indent(_json(item), "    ")
        click.echo(f"{',' if begun else ''}\n{text}", nl=False)
        begun = True

    try:
        yield write
        if not begun:
            begin()
            begun = True
    finally:
        if begun:
            click.echo("\n  ]\n}")


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def load(module: str) -> object:
    """The one hop to what takes time to import, made when it is needed; so help and plain faults answer at once."""
    # TensorFlow tells its build on stderr, in part before it reads this setting
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_held_back():
        return importlib.import_module(module)


@contextmanager
def stderr_held_back() -> Iterator[None]:
    """Keep what C++ libraries write to stderr while they are imported, unless the import fails."""
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


def parse_settings(settings: Iterable[str]) -> dict[str, str]:
    """Return what `--set NAME=VALUE` options say.

    Raises:
        ConfigError: one is not of that form, or a name is given twice.
    """
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE; received {setting!r}")
        if name in values:
            raise ConfigError(f"--set {name} is given twice: {values[name]!r} and {value!r}")
        values[name] = value
    return values


def of_a_run(command: Callable) -> Callable:
    """Give a command DATA and the options that say how a run learns; `config_of` makes a config of them."""
    for decorate in reversed(_OF_A_RUN):
        command = decorate(command)
    return command


def config_of(
    data: str | None,
    config_file: Path | None,
    settings: Iterable[str],
    flags: Mapping[str, str | None],
    *,
    command: str,
) -> object:
    """Return the config that a command's options make: a flag wins over --set, and --set over the file.

    Raises:
        ConfigError: a setting is impossible, or DATA is missing.
    """
    settings_of = load("finetune.config")
    values, places = load("finetune.config_file").read_config_file(config_file) if config_file else ({}, {})
    given = parse_settings(settings) | {
        name: value for name, value in ({"data": data} | flags).items() if value is not None
    }
    config = settings_of.make_config(
        values | given, places={name: at for name, at in places.items() if name not in given}
    )
    for name in sorted(values.keys() & given.keys()):
        click.echo(f"{name} = {given[name]} (the command line wins over {config_file})", err=True)
    if config.data is None:
        raise ConfigError(f"DATA is missing: finetune {command} FOLDER, or a line `data: FOLDER` in the config")
    return config
