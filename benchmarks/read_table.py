"""How fast and how frugal reading a CSV table is, beside pandas; and how it stands damaged files.

    python benchmarks/read_table.py [--rows 1000000] [--digits 6] [--quoted]
    python benchmarks/read_table.py --fuzz 20000

The table has 45 columns of numbers and 5 of texts. Each reader runs in a process of its own; memory is what the process
grew by at most while reading, against the bytes of our arrays (Linux only, from /proc). Pandas reads with its defaults:
it guesses types, checks little, and rounds numbers less exactly unless told otherwise.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "finetune" / "data")]
from csv_files import attempt  # noqa: E402  the script runs from a checkout too

NUMBERS, TEXTS = 45, 5
_MEASURE = """
import json, sys, time
import {module}
def memory(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) * 1024
before, start = memory("VmRSS"), time.perf_counter()
table = {call}
print(json.dumps({{"seconds": time.perf_counter() - start, "grown": memory("VmHWM") - before, "bytes": {size}}}))
"""
READERS = {
    "keras-graft": (
        "finetune.data.table_reading",
        "finetune.data.table_reading.read_table(sys.argv[1])",
        "sum(column.values.nbytes for column in table.columns.values())",
    ),
    "pandas.read_csv": ("pandas", "pandas.read_csv(sys.argv[1])", "0"),
    "pandas, round_trip": ("pandas", "pandas.read_csv(sys.argv[1], float_precision='round_trip')", "0"),
    "pandas, as text": ("pandas", "pandas.read_csv(sys.argv[1], dtype=str, keep_default_na=False)", "0"),
}


def write_table(path: Path, rows: int, digits: int, quoted: bool) -> None:
    """Write random numbers of so many digits, and texts of 20 to 2,000 kinds; quotes around every text if wanted."""
    generator = np.random.default_rng(0)
    names = [f"number_{i}" for i in range(NUMBERS)] + [f"text_{i}" for i in range(TEXTS)]
    mark = '"' if quoted else ""
    kinds = [[f"{mark}kind {n}{mark}" for n in range(20 * 10 ** (i // 2))] for i in range(TEXTS)]
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, rows, 10_000):
            count = min(10_000, rows - start)
            columns = [np.char.mod(f"%.{digits}g", generator.normal(0, 100, count)).tolist() for _ in range(NUMBERS)]
            columns += [[texts[k] for k in generator.integers(0, len(texts), count)] for texts in kinds]
            file.writelines(",".join(row) + "\n" for row in zip(*columns, strict=True))


def measure(name: str, path: Path) -> dict[str, float]:
    """Read the table in a fresh process; give seconds, bytes grown at most, and bytes of the arrays."""
    module, call, size = READERS[name]
    code = _MEASURE.format(module=module, call=call, size=size)
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, cwd=ROOT, check=True)
    return json.loads(done.stdout)


def compare(rows: int, digits: int, quoted: bool) -> None:
    """Print a line for each reader."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, rows, digits, quoted)
        size = path.stat().st_size
        print(f"{rows:,} rows, {NUMBERS} numbers of {digits} digits and {TEXTS} texts, {size / 1e6:,.0f} MB\n")
        print("| reader | seconds | MB a second | peak growth, MB | of our arrays |\n|---|---|---|---|---|")
        arrays = 0.0
        for name in READERS:
            found = measure(name, path)
            arrays = arrays or found["bytes"]
            print(
                f"| {name} | {found['seconds']:.1f} | {size / 1e6 / found['seconds']:.0f} | "
                f"{found['grown'] / 1e6:,.0f} | {found['grown'] / arrays:.2f} × |",
                flush=True,
            )


def fuzz(count: int) -> None:
    """Read and check damaged tables; anything but a table or one of our messages ends the script."""
    outcomes: Counter[str] = Counter()
    slowest, slowest_seed = 0.0, 0
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            start = time.perf_counter()
            outcomes["refused" if attempt(Path(folder), seed) else "read"] += 1
            if (seconds := time.perf_counter() - start) > slowest:
                slowest, slowest_seed = seconds, seed
    print(f"{count:,} mutants: {dict(outcomes)}; slowest {slowest * 1000:.0f} ms (seed {slowest_seed})")


def main() -> None:
    """Compare, or damage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--digits", type=int, default=6)
    parser.add_argument("--quoted", action="store_true", help="quotes around the texts")
    parser.add_argument("--fuzz", type=int, metavar="COUNT", help="read so many damaged tables instead")
    options = parser.parse_args()
    if options.fuzz:
        fuzz(options.fuzz)
    else:
        compare(options.rows, options.digits, options.quoted)


if __name__ == "__main__":
    main()
