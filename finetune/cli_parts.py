"""What the command modules share: the lazy hop to heavy modules, and how results are printed."""

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")


def print_result(result: object) -> None:
    """Print a result to stdout: text as it is, anything else as one JSON object."""
    text = result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    click.echo(text)


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
