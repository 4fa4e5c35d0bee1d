"""What a command refuses before TensorFlow is loaded: all that needs neither the data opened nor a network built."""

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
from zoo.errors import RunStateError
from zoo.families.hub.table import PREFIX
from zoo.families.saved.table import is_path


def refuse(config: FinetuneConfig, *, overwrite: bool = False, resume: bool = False) -> None:
    """Refuse a run that cannot begin; what is found here is found again where the run does it, in the same words.

    Args:
        config: as the user gave it.
        overwrite: the run that is in the run directory will be replaced.
        resume: the run that is there will be gone on with.

    Raises:
        DataError: there are no data of that name.
        ConfigError: there is no such model, or a setting does not go with it.
        ModelFileError: its weights are not at hand.
        RunStateError: the run directory holds something else.
    """
    require_data(config.data)
    if is_table_file(config.data):
        _require_columns(config)
    _require_model(config)
    # of a process that is writing there, or was, the run itself learns when it asks for the lock
    if config.run_dir and not RunDir(config.run_dir).seems_locked:
        RunDir(config.run_dir).require_room(overwrite=overwrite, resume=resume)


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


def require_data(data: str) -> None:
    """Refuse the path of a file or folder that is not there, or is of a kind that nothing is learned from.

    Raises:
        DataError: so it is.
    """
    if is_table_file(data):
        require_table_file(data)
    elif not data.startswith((KERAS, OBJECTS, TFDS)) and not (data.lower().endswith(".npz") and Path(data).exists()):
        require_folder(data)


def _require_columns(config: FinetuneConfig) -> None:
    head = read_head(config.data, separator=config.separator, limits=table_limits(config))
    names = [name for name in head.names if name]
    # of pictures several columns may be the target
    target = config.target if config.target and "," not in config.target else None
    for name in filter(None, (target, config.group, config.side, config.time, config.sample_weight)):
        require_name(config.data, names, name)


def _require_model(config: FinetuneConfig) -> None:
    is_folder, opened = Path(config.data).is_dir(), config.model.startswith(PREFIX) or is_path(config.model)
    networks = (CNN,) if is_folder else (CNN, *SERIES)
    known = [*registry.list_models(), *networks]
    if config.model not in ("auto", *known) and not opened:
        raise registry.unknown(config.model, known)
    if is_folder and config.method != "scratch" and config.model != CNN:
        require_suitable(config)
        if not opened:
            find_pretrained(config)
