"""The command `finetune lr-find`."""

from pathlib import Path

import click

from finetune.cli_parts import JSON, VERBOSE, config_of, load, of_a_run, print_result


@click.command("lr-find", short_help="Find a learning rate for fit.")
@of_a_run
@click.option("--phase", default="1", show_default=True, help="Name or number of a phase; those before it are trained.")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="PNG to draw.  [default: DATA-lr.png, here]"
)
@VERBOSE
@JSON
def lr_find(
    data: str | None,
    config_file: Path | None,
    settings: tuple[str, ...],
    phase: str,
    plot: Path | None,
    verbose: int,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Find a learning rate for `finetune fit DATA` with the same options.

    The rate grows from 1e-7 to 10 over 100 to 200 updates of the weights. Up to some rate nothing is learned, then the
    loss falls, and in the end it explodes; the middle of the fall is suggested. No run is made, and nothing that was
    learned is kept. An earlier picture of lr-find is replaced, and no other file.
    """
    config = config_of(data, config_file, settings, flags, command="lr-find")
    load("finetune.beforehand").refuse(config)
    finder = load("finetune.lr_find")
    plot = plot or finder.default_plot(config.data)
    finder.require_free(plot)
    test = finder.run_rate_test(config, load("finetune.progress").Reporter(verbose), phase=phase)
    test.write_plot(plot)
    print_result(
        test.as_json() | {"plot": str(plot)} if as_json else load("finetune.summary").rate_summary(test, str(plot))
    )
