"""How long one waits for the first answer: imports, help, the first line of progress, and faults in the settings.

    python benchmarks/start_up.py [--rounds 11] [--data data/fashion-mini]

Every command is a process of its own; in each round all of them run once, bare Python among them. The fit is stopped as
soon as its first line came. Of each fault the script says which large packages were imported: none may be.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from machine import in_turn, print_machine, seconds_of

ROOT = Path(__file__).parent.parent
FINETUNE = "from finetune.cli import main; main()"
TUNER = "from tuning.cli import main; main()"
LARGE = ("tensorflow", "keras", "numpy", "pandas", "sklearn", "matplotlib")
FAULTY = {
    "a faulty setting": ["fit", "DATA", "--set", "epochs=-1"],
    "a folder that is not there": ["fit", "no-such-folder"],
    "a model that is none": ["fit", "DATA", "--model", "resnet51"],
    "a column that is none": ["fit", "data/wine.csv", "--set", "target=clas"],
    "a run that is not there": ["predict", "runs/no-such-run", "a.jpg"],
}
BARE = "bare Python"


def python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs code in a new process."""
    return [sys.executable, "-c", code, *arguments]


def faulty(arguments: list[str], data: str) -> list[str]:
    """Return the command that runs `finetune` into a fault, and prints its exit code and what was imported for it."""
    code = f"""
import sys
from finetune.cli import cli, run_command
code = run_command(cli, sys.argv[1:])
print(code, [name for name in {LARGE} if name in sys.modules])
"""
    return python(code, *(data if argument == "DATA" else argument for argument in arguments))


def seconds_to_end(command: list[str]) -> float:
    """Return how long a command takes."""
    return seconds_of(lambda: subprocess.run(command, capture_output=True, cwd=ROOT, check=True))


def seconds_to_first_line(data: str, said: set[str]) -> float:
    """Return how long `finetune fit` takes to say its first line, and add that to `said`."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--run-dir", f"{folder}/run", "--set", f"cache_dir={folder}/cache"]
        started = time.perf_counter()
        process = subprocess.Popen(python(FINETUNE, "fit", data, *options), stderr=subprocess.PIPE, cwd=ROOT, text=True)
        try:
            said.add(process.stderr.readline().strip())
            return time.perf_counter() - started
        finally:
            process.kill()
            process.communicate()


def sides(data: str, said: set[str]) -> dict[str, Callable[[], float]]:
    """Return what is measured."""
    codes = {BARE: "pass"} | {f"import {name}": f"import {name}" for name in ("zoo", "finetune", "tuning")}
    commands = {name: python(code) for name, code in codes.items()}
    commands |= {"finetune --help": python(FINETUNE, "--help"), "tuner --help": python(TUNER, "--help")}
    commands |= {name: faulty(arguments, data) for name, arguments in FAULTY.items()}
    found = {name: lambda command=command: seconds_to_end(command) for name, command in commands.items()}
    return found | {"first line of finetune fit": lambda: seconds_to_first_line(data, said)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--data", default="data/fashion-mini")
    options = parser.parse_args()
    print_machine(("tensorflow", "click", "pydantic"))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    said: set[str] = set()
    measured = sides(options.data, said)
    in_turn(measured, 1)  # byte code is compiled, and the disk read
    found = in_turn(measured, options.rounds)
    print(f"\n| | median ms | lowest-highest | over {BARE} |\n|---|---|---|---|")
    for name, seconds in found.items():
        over = statistics.median(a - b for a, b in zip(seconds, found[BARE], strict=True))
        spread = f"{1000 * min(seconds):.0f}-{1000 * max(seconds):.0f}"
        print(f"| {name} | {1000 * statistics.median(seconds):.0f} | {spread} | {1000 * over:.0f} |")
    print(f"\nOf {', '.join(LARGE)} were imported for")
    for name, arguments in FAULTY.items():
        command = faulty(arguments, options.data)
        answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
        code, imported = answer.stdout.strip().split(" ", 1)
        print(f"{name}: {imported}; exit code {code}, {answer.stderr.strip()[:100]}")
    print(f"first line of finetune fit: {' / '.join(said)}")


if __name__ == "__main__":
    main()
