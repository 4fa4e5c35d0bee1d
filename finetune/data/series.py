"""A series: rows in the order of time, cut into windows to look back on and steps to look ahead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from finetune.data.columns import Column
from finetune.data.findings import Finding
from finetune.data.split import Splits
from zoo.errors import ConfigError, DataError

# Names of columns that say when.
TIME_NAMES = ("time", "date", "datetime", "timestamp", "year", "month", "day", "hour", "ds", "t")
# A step may be so much longer or shorter than the usual one: months, leap years, clocks put forward.
_EVEN = 0.2


@dataclass(frozen=True)
class Windows:
    """How a series is cut.

    Attributes:
        window: steps that are looked back on.
        horizon: steps that are looked ahead; 0 where a window's last step itself is named.
        stride: steps from one window to the next.
    """

    window: int
    horizon: int
    stride: int = 1

    def first_targets(self, num_steps: int) -> np.ndarray:
        """Return the first step that each window of a series is about."""
        starts = np.arange(0, num_steps - self.window - self.horizon + 1, self.stride)
        return starts + self.window - (self.horizon == 0)

    def inputs(self, series: np.ndarray) -> np.ndarray:
        """Return what is looked back on, (windows, window, features), as a view of a series (steps, features)."""
        view = np.lib.stride_tricks.sliding_window_view(series, self.window, axis=0)
        return view[: len(series) - self.window - self.horizon + 1 : self.stride].transpose(0, 2, 1)

    def targets(self, values: np.ndarray) -> np.ndarray:
        """Return what each window is about, (windows, horizon or 1), for values (steps,)."""
        return values[self.first_targets(len(values))[:, None] + np.arange(max(self.horizon, 1))]


def time_of(column: Column) -> np.ndarray | None:
    """Return when each row is, as numbers that grow with time, or None where a column does not say.

    Numbers stand for themselves; texts are read as ISO 8601 dates and times, in seconds.
    """
    if column.kind == "numeric":
        return None if np.isnan(column.values).any() else column.values
    try:
        moments = np.array([np.datetime64(text.strip().removesuffix("Z")) for text in column.categories])
    except ValueError:
        return None
    if (column.values < 0).any():
        return None
    return moments.astype("datetime64[s]").astype("float64")[column.values]


def steps_evenly(times: np.ndarray) -> bool:
    """Return whether times go up, nearly always in steps of one length."""
    steps = np.diff(times)
    if len(steps) < 10 or not (steps > 0).all():
        return False
    usual = np.median(steps)
    return bool((np.abs(steps - usual) <= _EVEN * usual).mean() >= 0.9)


def check_times(times: np.ndarray, column: str, lines: np.ndarray) -> list[Finding]:
    """Return what is odd about when the rows are.

    Args:
        times: in the order of the file.
        column: that says when.
        lines: of the file.

    Raises:
        DataError: a row is earlier than the one before, or at the same moment.
    """
    steps = np.diff(times)
    back = np.flatnonzero(steps <= 0)
    if len(back):
        what = "the same moment as" if steps[back[0]] == 0 else "earlier than"
        raise DataError(
            f"line {lines[back[0] + 1]}: the time in {column!r} is {what} that of line {lines[back[0]]}. "
            f"A series needs one row for each moment, in the order of time: sort the file, or merge the rows."
        )
    usual = np.median(steps)
    gaps = np.flatnonzero(steps > (1 + 2 * _EVEN) * usual)
    if not len(gaps):
        return []
    places = tuple(f"line {lines[at]} to {lines[at + 1]}" for at in gaps[:10])
    missing = int(np.sum(np.round(steps[gaps] / usual) - 1))
    message = (
        f"{len(gaps):,} gaps in {column!r}, some {missing:,} steps that are missing ({', '.join(places)}): windows are "
        f"cut as if nothing were. Fill the gaps in, or leave the part before them out."
    )
    return [Finding("gaps", "warning", message, places, len(gaps))]


def split_by_time(windows: Windows, num_steps: int, *, validation_fraction: float, test_fraction: float) -> Splits:
    """Deal windows to sides by when what they look ahead on is: first training, then validation, then test.

    What a window looks back on may lie on the side before, as it does when the model is used. What it looks ahead on
    lies on its own side alone: windows across a border are on no side.

    Args:
        windows: how the series is cut.
        num_steps: of the series.
        validation_fraction: share of the steps.
        test_fraction: share of the steps.

    Raises:
        DataError: a side would be empty.
    """
    first = windows.first_targets(num_steps)
    last = first + max(windows.horizon, 1) - 1
    test_from = round(num_steps * (1 - test_fraction))
    validation_from = round(num_steps * (1 - test_fraction - validation_fraction))
    sides = {
        "train": last < validation_from,
        "validation": (first >= validation_from) & (last < test_from),
        "test": first >= test_from,
    }
    empty = [name for name, chosen in sides.items() if not chosen.any()]
    if empty:
        raise DataError(
            f"{num_steps:,} steps are too few for windows of {windows.window} and a horizon of {windows.horizon}: "
            f"nothing is left for {' and '.join(empty)}. Choose a shorter window, or bring more steps."
        )
    return Splits(**{name: tuple(np.flatnonzero(chosen).tolist()) for name, chosen in sides.items()})


def period_of(values: np.ndarray) -> int | None:
    """Return the number of steps after which values repeat most, by their autocorrelation; None for no clear period.

    Args:
        values: (steps,) of the training part.
    """
    centred = np.asarray(values, "float64") - np.mean(values)
    most = len(centred) // 3
    if most < 4 or not centred.any():
        return None
    spectrum = np.abs(np.fft.rfft(centred, 2 * len(centred))) ** 2
    correlation = np.fft.irfft(spectrum)[: most + 1]
    # divided by the number of pairs, or long periods would look weak
    correlation = correlation / (len(centred) - np.arange(most + 1))
    correlation = correlation / correlation[0]
    inner = correlation[1:-1]
    peaks = np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:])) + 1
    peaks = peaks[(peaks > 1) & (correlation[peaks] > 0.3)]
    # multiples of a period repeat as well as the period itself
    strong = peaks[correlation[peaks] >= 0.9 * correlation[peaks].max()] if len(peaks) else peaks
    return int(strong[0]) if len(strong) else None


def guesses(values: np.ndarray, windows: Windows, period: int | None) -> Mapping[str, np.ndarray]:
    """Return forecasts that need no model, each (windows, horizon).

    Args:
        values: (steps,) in the order of time.
        windows: how the series is cut.
        period: steps after which values repeat.
    """
    starts = windows.first_targets(len(values))
    ahead = np.arange(windows.horizon)
    found = {"last value": np.repeat(values[starts - 1][:, None], windows.horizon, axis=1)}
    if period:
        # the latest value of the same phase that was known then
        back = period * (1 + ahead // period)
        at = starts[:, None] + ahead - back
        found[f"value one period of {period} before"] = values[np.maximum(at, 0)]
    return found


def choose_window(num_steps: int, period: int | None) -> tuple[int, str]:
    """Return how far to look back, and why."""
    most = max(1, num_steps // 8)
    wish, why = (2 * period, f"two periods of {period} steps") if period else (24, "no clear period")
    return (wish, why) if wish <= most else (most, f"an eighth of {num_steps:,} steps; wished was {wish}, {why}")


def require_numbers(columns: Mapping[str, Column]) -> None:
    """Refuse columns that cannot stand in a series.

    Raises:
        ConfigError: a column holds texts.
    """
    texts = [name for name, column in columns.items() if column.kind != "numeric"]
    if texts:
        raise ConfigError(
            f"a series takes numbers; {', '.join(map(repr, texts[:5]))} hold texts. Leave them out: "
            f"--set ignore={','.join(texts[:5])}"
        )
