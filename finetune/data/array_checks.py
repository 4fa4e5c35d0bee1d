"""Whether an array of pictures holds what every model takes: values in [0, 255], finite, and more than two of them."""

import numpy as np

from finetune.data.findings import Finding

# Values are looked at in about so many pictures, spread over the array.
_LOOKED_AT = 1000


def array_findings(pictures: np.ndarray, *, few: bool = False) -> list[Finding]:
    """Return what is to be said of the values of pictures that came as an array.

    Args:
        pictures: (n, height, width) or (n, height, width, channels) of any kind of number.
        few: pictures that are only to be answered; all of them may be black, or of one colour.
    """
    if not pictures.size:
        return []
    some = np.asarray(pictures[:: max(1, len(pictures) // _LOOKED_AT)])
    if some.dtype.kind == "f" and not np.isfinite(some).all():
        message = "the pictures hold values that are not numbers (NaN or infinity); mend or remove those pictures."
        return [Finding("pixel values", "error", message)]
    low, high = float(some.min()), float(some.max())
    if few and low == high and (low == 0 or low > 1):
        return []
    said = _said(low, high, some.dtype.kind == "f")
    return (
        [Finding("pixel values", "error", f"the pictures' values lie in [{low:g}, {high:g}]: {said}")] if said else []
    )


def _said(low: float, high: float, is_float: bool) -> str:
    if low == high:
        return "all pictures are empty; look at how the array was made."
    if low < 0:
        scaled = (
            "scaled to [-1, 1]; give (x + 1) * 127.5" if low >= -1 and high <= 1 else "standardized; give raw pixels"
        )
        return f"already {scaled}. Every model here takes pixels in [0, 255] and scales them itself."
    if high <= 1:
        scaled = "already scaled to [0, 1]" if is_float else "scaled to 0 and 1, or masks"
        return f"{scaled}; give x * 255. Every model here takes pixels in [0, 255] and scales them itself."
    if high > 255:
        return "more than 8 bits; give x / 257 for 16 bits, or x * 255 / (largest possible value)."
    return ""
