"""Numbers and settings of a report as text."""

import json
import math
from numbers import Integral


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in [0, 1] as a percentage; only a whole one reads 100 %."""
    if share is None or not math.isfinite(share):
        return "–"
    shown = round(100 * share, digits)
    if shown >= 100 and share < 1:
        shown = 100 - 10**-digits
    return f"{shown:.{digits}f}\u00a0%"


def number(value: float | None, digits: int = 3) -> str:
    """Return a count with thousands separated, or a real number with `digits` decimals."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.{digits}f}"


def rounded(value: float) -> str:
    """Return a number in units of the user's with three or four digits that count."""
    return f"{value:,.4g}" if 1e-4 <= abs(value) < 1e6 or not value else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a time in the two units a reader needs."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}\u00a0min {rest}\u00a0s"
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def memory(count: int) -> str:
    """Return a number of bytes in decimal MB or GB."""
    return f"{count / 1e9:.2f}\u00a0GB" if count >= 1e9 else f"{count / 1e6:.0f}\u00a0MB"


def setting(value: object) -> str:
    """Return a setting as a config file would spell it, a text without quotes, a table as `name value` pairs."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{key} {setting(item)}" for key, item in value.items())
    return json.dumps(value, ensure_ascii=False, default=str)
