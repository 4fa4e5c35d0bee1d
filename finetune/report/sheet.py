"""A contact sheet: small pictures side by side, as one PNG."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

_GAP, _LARGEST = 4, 96


def contact_sheet(rows: Sequence[np.ndarray]) -> bytes:
    """Return rows of pictures as one PNG on white.

    Args:
        rows: each (pictures, height, width, 3) in [0, 255], all of one shape; large pictures are made smaller, and
            very small ones larger by whole pixels.

    Returns:
        A PNG.
    """
    height, width = rows[0].shape[1:3]
    scale = max(1, _LARGEST // max(height, width)) if max(height, width) <= _LARGEST else _LARGEST / max(height, width)
    size = (round(width * scale), round(height * scale))
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (size[0] + _GAP) - _GAP, len(rows) * (size[1] + _GAP) - _GAP), "white")
    for down, row in enumerate(rows):
        for across, picture in enumerate(row):
            pixels = Image.fromarray(np.clip(np.round(picture), 0, 255).astype("uint8"))
            resample = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.BICUBIC
            sheet.paste(pixels.resize(size, resample), (across * (size[0] + _GAP), down * (size[1] + _GAP)))
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()
