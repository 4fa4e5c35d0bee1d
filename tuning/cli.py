"""The command `tuner`."""

import sys

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="keras-graft", prog_name="tuner")
@click.pass_context
def cli(context: click.Context) -> None:
    """Search hyperparameters over many fine-tuning runs.

    The search comes next and is not in this version; a single run is `finetune fit`.
    """
    click.echo(context.get_help())


def main() -> None:
    """Entry point of the command `tuner`."""
    sys.exit(cli.main(standalone_mode=True))
