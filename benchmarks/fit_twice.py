"""What the first fit costs, and what the second one costs when the features are there.

    python benchmarks/fit_twice.py

Runs `finetune fit data/fashion-mini` in a new process with an empty cache, then again with the cache it left, then once
more with one picture changed; prints the seconds of each phase as the runs report them, and of the whole process.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DATA = Path(__file__).parent.parent / "data" / "fashion-mini"


def fit(data: Path, base: Path, name: str) -> tuple[dict[str, float], float, float]:
    """Run one fit; return seconds a phase, seconds of the process, and test accuracy."""
    command = [sys.executable, "-c", "from finetune.cli import main; main()", "fit", str(data), "--json"]
    options = ["--run-dir", str(base / name), "--set", f"cache_dir={base / 'cache'}", "--verbose", "0"]
    started = time.perf_counter()
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    metrics = json.loads(done.stdout)
    return metrics["seconds"], time.perf_counter() - started, metrics["test"]["accuracy"]


def main() -> None:
    """Print the table."""
    print(f"{platform.platform()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        shutil.copytree(DATA, base / "pictures")
        rows = [(name, *fit(base / "pictures", base, name)) for name in ("first", "second")]
        changed = next((base / "pictures" / "Bag").iterdir())
        shutil.copy(next((base / "pictures" / "Coat").iterdir()), changed)
        rows.append(("one-changed", *fit(base / "pictures", base, "one-changed")))
    phases = list(rows[0][1])
    print("| fit | " + " | ".join(phases) + " | process | test accuracy |")
    print("|---|" + "---|" * (len(phases) + 2))
    for name, seconds, whole, accuracy in rows:
        cells = " | ".join(f"{seconds[phase]:.2f} s" for phase in phases)
        print(f"| {name} | {cells} | {whole:.1f} s | {accuracy:.3f} |")


if __name__ == "__main__":
    main()
