"""What a command refuses before TensorFlow is loaded: all that needs neither the data opened nor a network built."""

import os
from contextlib import suppress
from pathlib import Path

from finetune.config import FinetuneConfig
from finetune.data.folder import require_folder
from finetune.data.table_file import is_table_file, require_table_file, table_limits
from finetune.data.table_head import read_head, require_name
from finetune.decide import find_pretrained, require_suitable
from finetune.kinds.networks import CNN, SERIES
from finetune.run_dir import RunDir
from finetune.settings.data import KERAS, OBJECTS, TFDS
from zoo import registry
from zoo.errors import RunStateError, nearest
from zoo.families.hub.table import PREFIX
from zoo.families.saved.table import is_path


def refuse(config: FinetuneConfig) -> None:
    """Refuse data, a model or settings that no run can begin with.

    It is refused by the functions by which the run refuses it, and so in its words; what cannot be looked at is left to
    the run.

    Raises:
        DataError: there are no data of that name, or not such columns.
        ConfigError: there is no such model, or a setting does not go with it.
        ModelFileError: its weights are not at hand.
    """
    refuse_data(config)
    _require_model(config)


def refuse_data(config: FinetuneConfig) -> None:
    """Refuse data that are not there, or lack the columns that are named.

    Raises:
        DataError: so it is.
    """
    data = config.data
    if is_table_file(data) and not _is_named(data):
        require_table_file(data)
        _require_columns(config)
    elif not _is_named(data) and not (data.lower().endswith(".npz") and os.path.exists(data)):
        require_folder(data)


def refuse_run_dir(path: str | None, *, overwrite: bool, resume: bool) -> None:
    """Refuse a directory that a run may not take.

    Args:
        path: of the directory; None for one that will be made.
        overwrite: the run that is there will be replaced.
        resume: the run that is there will be gone on with.

    Raises:
        RunStateError: it holds something else.
    """
    # a process that writes there, and a directory that cannot be read, are met when the run asks for the lock
    with suppress(OSError):
        if path and not RunDir(path).seems_locked:
            RunDir(path).require_room(overwrite=overwrite, resume=resume)


def require_done(path: str | Path) -> None:
    """Refuse a path that holds no run, or one that did not come to its end.

    Raises:
        RunStateError: so it is.
    """
    run_dir = RunDir(path)
    if not run_dir.is_done:
        run_dir.read_json("config")
        raise RunStateError(
            f"{run_dir.path}: this run did not come to its end; go on with it: finetune resume {run_dir.path}"
        )


def _is_named(data: str) -> bool:
    return data.startswith((KERAS, OBJECTS, TFDS))


def _require_columns(config: FinetuneConfig) -> None:
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    names = [name for name in head.names if name]
    # of pictures several columns may be the target, and none is the time
    target = config.target if config.target and "," not in config.target else None
    for name in filter(None, (target, config.group, config.side, config.sample_weight)):
        require_name(config.data, names, name)


def _require_model(config: FinetuneConfig) -> None:
    is_folder, opened = os.path.isdir(config.data), config.model.startswith(PREFIX) or is_path(config.model)
    known = [*registry.list_models(), CNN, *(() if is_folder else SERIES)]
    # which networks take the rows of a table is known when it was read; a slip of the pen is one whatever they are
    if not opened and config.model not in ("auto", *known) and (is_folder or nearest(config.model, known)):
        raise registry.unknown(config.model, known)
    if is_folder and config.method != "scratch" and config.model != CNN:
        require_suitable(config)
        if not opened:
            find_pretrained(config)
