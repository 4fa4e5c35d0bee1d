"""Make data/wine.csv, data/diabetes.csv and data/sunspots.csv from the packages that carry them.

    python benchmarks/make_sample_tables.py [--target data] [--only NAME]

Wine and diabetes come from scikit-learn, which the project needs anyway; the sunspots from statsmodels, which it does
not: install that where you like for this script alone. Nothing is downloaded, the output is the same every time.
"""

import argparse
import csv
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from sklearn.datasets import load_diabetes, load_wine

Rows = Iterable[list[str]]

# scikit-learn numbers the classes; which number is which follows from the numbers of wines: Forina, Armanino, Castino,
# Ubigli, Vitis 25 (1986) 189-201, had 59 Barolo, 71 Grignolino, 48 Barbera.
CULTIVARS = ("Barolo", "Grignolino", "Barbera")
WINE_COLUMNS = (
    *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
    *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280_od315", "proline", "class"),
)
DIABETES_COLUMNS = (
    *("age", "sex", "bmi", "blood_pressure", "total_cholesterol", "ldl", "hdl", "cholesterol_hdl_ratio"),
    *("log_triglycerides", "glucose", "progression"),
)


def wine() -> Rows:
    """Give the wines, with the cultivar's name."""
    found = load_wine()
    rows = zip(found.data.tolist(), found.target.tolist(), strict=True)
    return [list(WINE_COLUMNS), *([*map(_short, row), CULTIVARS[label]] for row, label in rows)]


def diabetes() -> Rows:
    """Give the patients in the units they were measured in."""
    found = load_diabetes(scaled=False)
    rows = zip(found.data.tolist(), found.target.tolist(), strict=True)
    return [list(DIABETES_COLUMNS), *([_short(cell) for cell in (*row, target)] for row, target in rows)]


def sunspots() -> Rows:
    """Give the yearly numbers of sunspots."""
    with open(_package("statsmodels") / "datasets" / "sunspots" / "sunspots.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [["year", "sunspots"], *([year, _short(float(number))] for year, number in rows)]


TABLES: dict[str, Callable[[], Rows]] = {"wine": wine, "diabetes": diabetes, "sunspots": sunspots}


def _short(number: float) -> str:
    """Spell a number as its source does, without a point where it is whole."""
    return f"{number:.12g}"


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None:
        raise SystemExit(f"{name} is not installed here: pip install {name}, or leave its table out with --only")
    return Path(found.origin).parent


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", type=Path, default=Path(__file__).parent.parent / "data")
    parser.add_argument("--only", choices=TABLES, action="append", help="may be given several times")
    arguments = parser.parse_args()
    for name in arguments.only or TABLES:
        rows = TABLES[name]()
        with open(arguments.target / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        print(f"{arguments.target / name}.csv: {len(rows) - 1} rows")


if __name__ == "__main__":
    main()
