"""Data made ready to learn from: read, checked and dealt to their sides, and what was left open decided."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from finetune.config import FinetuneConfig, make_config
from finetune.data.findings import Finding
from finetune.data.given import Given, as_given
from finetune.data.split import Splits
from finetune.decide import Decision
from finetune.kinds.choose import Source, open_source
from finetune.progress import Reporter
from finetune.settings.data import OBJECTS


@dataclass(frozen=True)
class Opened:
    """Data that were read, but not checked.

    Attributes:
        kind: module for the kind of data.
        source: what it read of them.
        asked: the config as the user gave it, with what reading decided.
        config: with what could be decided by that.
        decisions: what was decided.
    """

    kind: ModuleType
    source: Source
    asked: FinetuneConfig
    config: FinetuneConfig
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class Prepared:
    """Checked data on their sides.

    Attributes:
        kind: module for the kind of data.
        config: with nothing left open but the run directory.
        data: checked examples.
        splits: who learns, who picks, who judges.
        findings: of all checks.
        described: data.json.
        decisions: what was decided.
    """

    kind: ModuleType
    config: FinetuneConfig
    data: object
    splits: Splits
    findings: tuple[Finding, ...]
    described: Mapping[str, object]
    decisions: tuple[Decision, ...]


def open_data(config: FinetuneConfig, given: Given | None = None) -> Opened:
    """Read data, and decide what that is enough for.

    Args:
        config: as the user gave it.
        given: objects of Python, where they are the data.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting does not go with them.
    """
    kind, source, decisions = open_source(config, given)
    asked = config.model_copy(update={decision.what: decision.value for decision in decisions})
    config, settled = kind.resolve(asked, source)
    return Opened(kind, source, asked, config, (*decisions, *settled))


def check_and_deal(opened: Opened, reporter: Reporter) -> Prepared:
    """Check all examples and deal them; findings that are errors are for the caller to refuse.

    Raises:
        DataError: too little can be used.
    """
    kind = opened.kind
    data = kind.check(opened.config, opened.source, reporter)
    config, settled = kind.settle(opened.config, data)
    splits = kind.deal(config, data)
    findings = tuple(kind.findings(config, data, splits))
    described = kind.describe_data(data, splits, findings)
    return Prepared(kind, config, data, splits, findings, described, (*opened.decisions, *settled))


def read_request(data: object, y: object, settings: Mapping[str, object]) -> tuple[FinetuneConfig, Given | None]:
    """Return the config that the arguments of `finetune.fit` make, and the data where they are objects of Python.

    Raises:
        ConfigError: unknown or impossible settings, all named at once.
        DataError: the objects are none that can be learned from.
    """
    if y is None and isinstance(data, str | Path | None):
        return make_config({"data": data} | settings), None
    config = make_config({"data": OBJECTS} | settings)
    return config, as_given(data, y, max_bytes=config.max_array_bytes)
