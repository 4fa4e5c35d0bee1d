"""README says what is there: its commands run, and every command and setting is in it."""

import re
import shlex
from pathlib import Path

import click
import pytest

from finetune.cli import cli
from finetune.config import FIELDS
from tuning.cli import cli as tuner

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(
    r"^(?:\.venv/bin/)?finetune ((?:fit|resume|doctor|lr-find|predict|evaluate|report|models)\b.*?)(?:\s{2,}#.*)?$",
    README,
    re.M,
)


TUNER_COMMANDS = re.findall(r"^tuner (.*?)(?: &&.*)?(?:\s{2,}#.*)?$", README, re.M)


@pytest.mark.parametrize("line", TUNER_COMMANDS)
def test_commands_of_the_search_can_be_parsed(line):
    """Every `tuner` line of README is one that the command accepts."""
    name, *arguments = shlex.split(line.partition(" > ")[0])
    with tuner.commands[name].make_context(name, arguments) as context:
        assert context.command.name == name


def test_every_command_of_the_search_is_shown():
    """Each of its commands stands in README at least once."""
    assert {shlex.split(line)[0] for line in TUNER_COMMANDS} == set(tuner.commands)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_in_readme_can_be_parsed(line):
    """Every `finetune` line of README is one that the command accepts."""
    name, *arguments = shlex.split(line)
    with cli.commands[name].make_context(name, arguments) as context:
        assert context.command.name == name


def test_every_command_is_shown():
    """Each command stands in README at least once, in a line that can be copied."""
    assert {shlex.split(line)[0] for line in COMMANDS} == set(cli.commands)


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_is_explained(name):
    """Each setting has a row in README's table."""
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row for row in rows)


@pytest.mark.parametrize("name", [name for name, command in cli.commands.items() if isinstance(command, click.Command)])
def test_options_in_readme_exist(name):
    """No option is promised that the command lacks."""
    command = cli.commands[name]
    commands = [command, *getattr(command, "commands", {}).values()]
    known = {option for one in commands for parameter in one.params for option in parameter.opts}
    lines = [line for line in COMMANDS if line.split()[0] == name]
    assert {word for line in lines for word in shlex.split(line) if word.startswith("--")} <= known


def test_make_targets_in_readme_exist():
    """Each `make` target that README and CONTRIBUTING name is in the Makefile."""
    text = README + (ROOT / "CONTRIBUTING.md").read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"`make ([a-z]+)`", text)) | {"demo", "test"} <= set(targets)
