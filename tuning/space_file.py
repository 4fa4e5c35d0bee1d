"""Files that hold a space: YAML, JSON or TOML into plain values, with the line on which each stands.

Plain YAML texts are numbers where Python reads them as such (so 1e-3 is one), true, false and null; anything else stays
text, `no` and `on` too.
"""

import re
from pathlib import Path

import yaml

from finetune.config_file import compose_yaml, read_json, read_text, read_toml
from zoo.errors import ConfigError

# Not 012, which is a name, nor 1_000, which Python alone takes for a number.
_NUMBER = re.compile(r"[-+]?((0|[1-9]\d{0,30})(\.\d{0,30})?|\.\d{1,30})([eE][-+]?\d{1,4})?")
_WORDS = {"true": True, "false": False, "null": None, "none": None, "~": None, "": None}


def read_space_file(path: str | Path) -> tuple[object, dict[tuple, str]]:
    """Read a file without judging what it holds.

    Args:
        path: file ending in .yaml, .yml, .json or .toml.

    Returns:
        Its values, nested; and path of keys → where that stands ("space.yaml line 4"), for messages.

    Raises:
        ConfigError: the file is missing, too large, not of its format, or has a key twice.
    """
    path = Path(path)
    text = read_text(path, (".yaml", ".yml", ".json", ".toml"))
    if path.suffix.lower() in (".json", ".toml"):
        values = (read_json if path.suffix.lower() == ".json" else read_toml)(path.name, text)
        return values, {(name,): path.name for name in values}
    root = compose_yaml(path.name, text)
    places: dict[tuple, str] = {}
    return (None if root is None else _plain(root, (), path.name, places)), places


def _plain(node: yaml.Node, at: tuple, file: str, places: dict[tuple, str]) -> object:
    places[at] = f"{file} line {node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(part, (*at, index), file, places) for index, part in enumerate(node.value)]
    values: dict[str, object] = {}
    for key, part in node.value:
        line = f"{file} line {key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{line}: a name must stand before the colon")
        if key.value in values:
            raise ConfigError(f"{line}: {key.value} is set a second time; first on {places[(*at, key.value)]}")
        values[key.value] = _plain(part, (*at, key.value), file, places)
        places[(*at, key.value)] = line
    return values


def _scalar(node: yaml.ScalarNode) -> object:
    # in quotes it is text, whatever it looks like
    if node.style is not None:
        return node.value
    if node.value.lower() in _WORDS:
        return _WORDS[node.value.lower()]
    if not _NUMBER.fullmatch(node.value):
        return node.value
    return float(node.value) if set(node.value) & set(".eE") else int(node.value)
