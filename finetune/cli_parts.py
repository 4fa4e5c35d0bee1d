"""What the command modules share: the lazy hop to heavy modules, and how results are printed."""

import importlib
import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


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
    with _stderr_held_back():
        return importlib.import_module(module)


@contextmanager
def _stderr_held_back() -> Iterator[None]:
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
