"""A series: rows in the order of time, cut into windows to look back on and steps to look ahead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from finetune.data.columns import Column
from finetune.data.split import Splits
from zoo.errors import ConfigError, DataError


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
            f"--set ignore={','.join(texts[:5])}; or take rows one by one with --set task=regression"
        )
