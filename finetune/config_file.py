"""Config files: YAML, JSON or TOML into plain text values, each with the line it stands on.

Values stay text until the config reads them by the type of their field, so that YAML's surprises (`no` is False, `1e-3`
is text, the last of two equal keys wins) cannot happen. Tags, anchors and nesting have no place in a flat config.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from zoo.errors import ConfigError

MAX_BYTES = 1_000_000
# Settings that are lists of records.
NESTED = ("phases",)
_MAX_DEPTH = 20


def read_config_file(path: str | Path) -> tuple[dict[str, object], dict[str, str]]:
    """Read a flat config file.

    Args:
        path: file ending in .yaml, .yml, .json or .toml.

    Returns:
        The values by name, and for messages the place of each ("fit.yaml line 3").

    Raises:
        ConfigError: the file is missing, too large, not of its format, has a key twice, or is not flat.
    """
    readers = {".yaml": _read_yaml, ".yml": _read_yaml, ".json": _read_json, ".toml": _read_toml}
    path = Path(path)
    text = read_text(path, readers)
    values, places = readers[path.suffix.lower()](path.name, text)
    for name, value in values.items():
        parts = [] if name in NESTED else value if isinstance(value, list) else [value]
        if any(isinstance(part, Mapping | list) for part in parts):
            raise ConfigError(
                f"{places.get(name, path.name)}: {name} must be a value or a list of values; received {value!r:.80}"
            )
    return values, places


def read_text(path: Path, endings: Iterable[str]) -> str:
    """Return the text of a config file.

    Raises:
        ConfigError: the file cannot be read, has another ending, is too large, or is not UTF-8.
    """
    if path.suffix.lower() not in endings:
        raise ConfigError(f"{path}: a config file ends in {', '.join(endings)}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: {path.stat().st_size:,} bytes are no config file; at most {MAX_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error


def compose_yaml(file: str, text: str) -> yaml.Node | None:
    """Return the root of a YAML document's nodes, None where it is empty.

    Raises:
        ConfigError: the text is not YAML, or has tags, anchors or aliases in it.
    """
    try:
        _refuse_yaml_beyond_values(file, text)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{file}{line}: not YAML ({getattr(error, 'problem', None) or error})") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply for a config") from error


def _read_yaml(file: str, text: str) -> tuple[dict[str, object], dict[str, str]]:
    document = compose_yaml(file, text)
    if document is None:
        return {}, {}
    if not isinstance(document, yaml.MappingNode):
        raise ConfigError(f"{file}: must hold lines of `name: value`")
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for key, value in document.value:
        line = f"{file} line {key.start_mark.line + 1}"
        if key.value in NESTED and key.value not in values and isinstance(value, yaml.SequenceNode):
            values[key.value], places[key.value] = _nested_yaml(file, value), line
            continue
        parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not all(isinstance(part, yaml.ScalarNode) for part in (key, *parts)):
            raise ConfigError(
                f"{line}: must be `name: value` with a value or a list of values; nested values have no meaning here"
            )
        if key.value in values:
            raise ConfigError(f"{line}: {key.value} is set a second time; first on {places[key.value]}")
        values[key.value] = [part.value for part in parts] if isinstance(value, yaml.SequenceNode) else value.value
        places[key.value] = line
    return values, places


def _nested_yaml(file: str, node: yaml.Node) -> object:
    """Return lists, names and values of a setting that has all of them, each value as text."""
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_nested_yaml(file, part) for part in node.value]
    found: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in found:
            fault = "is set a second time" if isinstance(key, yaml.ScalarNode) else "is no name"
            raise ConfigError(f"{file} line {key.start_mark.line + 1}: {str(key.value)[:80]} {fault}")
        found[key.value] = _nested_yaml(file, value)
    return found


def _refuse_yaml_beyond_values(file: str, text: str) -> None:
    """Refuse tags (they name code), aliases (they multiply) and depth on the stream of events, before all is read."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = f"{file} line {event.start_mark.line + 1}"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise ConfigError(f"{line}: nested more than {_MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError(f"{line}: anchors and aliases (&name, *name) are not accepted; write the value out")
        if getattr(event, "tag", None):
            raise ConfigError(f"{line}: the tag {event.tag} is not accepted; only plain values are")


def _read_json(file: str, text: str) -> tuple[dict[str, object], dict[str, str]]:
    values = read_json(file, text)
    return values, dict.fromkeys(values, file)


def read_json(file: str, text: str) -> dict[str, object]:
    """Return the object that a JSON text holds.

    Raises:
        ConfigError: the text is not JSON, holds no object, or a key twice.
    """

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, value in pairs:
            if name in values:
                raise ConfigError(f"{file}: {name} is set twice")
            values[name] = value
        return values

    try:
        values = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{file} line {error.lineno}: not JSON ({error.msg})") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply for a config") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold an object of settings")
    return values


def _read_toml(file: str, text: str) -> tuple[dict[str, object], dict[str, str]]:
    values = read_toml(file, text)
    return values, dict.fromkeys(values, file)


def read_toml(file: str, text: str) -> dict[str, object]:
    """Return the table that a TOML text holds.

    Raises:
        ConfigError: the text is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        hint = "TOML writes true and false in lower case, and text with backslashes in single quotes"
        raise ConfigError(f"{file}: not TOML ({error}); {hint}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: nested too deeply for a config") from error
