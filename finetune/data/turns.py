"""How a photo is turned upright, and where its parts are then."""

from PIL import Image

_T = Image.Transpose
# Exif 2.32, table 6: what must be done to the stored picture, by the value of tag 274.
TURNS = {
    2: _T.FLIP_LEFT_RIGHT,
    3: _T.ROTATE_180,
    4: _T.FLIP_TOP_BOTTOM,
    5: _T.TRANSPOSE,
    6: _T.ROTATE_270,
    7: _T.TRANSVERSE,
    8: _T.ROTATE_90,
}
_ON_THE_SIDE = (_T.TRANSPOSE, _T.ROTATE_270, _T.TRANSVERSE, _T.ROTATE_90)
# After which left and right have changed ends, and after which top and bottom have.
_ACROSS = (_T.FLIP_LEFT_RIGHT, _T.ROTATE_180, _T.ROTATE_270, _T.TRANSVERSE)
_DOWN = (_T.FLIP_TOP_BOTTOM, _T.ROTATE_180, _T.ROTATE_90, _T.TRANSVERSE)

Area = tuple[float, float, float, float]


def turned_size(size: tuple[float, float], turn: Image.Transpose | None) -> tuple[float, float]:
    """Return width and height after a turn."""
    return size[::-1] if turn in _ON_THE_SIDE else size


def turned_area(filled: tuple[float, float], size: tuple[int, int], turn: Image.Transpose | None) -> Area:
    """Return where something lies that began at the top left: left, top, right and bottom.

    Args:
        filled: its width and height before the turn.
        size: of the whole, after the turn.
        turn: what was done; None for nothing.
    """
    width, height = turned_size(filled, turn)
    left = size[0] - width if turn in _ACROSS else 0
    top = size[1] - height if turn in _DOWN else 0
    return left, top, left + width, top + height
