"""Rows of saved models: none are listed. A name that is a path makes its row when it is asked for."""

from zoo.spec import Variant

SUFFIX = ".keras"

VARIANTS: tuple[Variant, ...] = ()


def is_path(name: str) -> bool:
    """Whether a model's name is the path of a run directory or of a .keras file: it holds a slash, or ends so.

    Example:
        >>> is_path("runs/mine"), is_path("model.keras"), is_path("resnet18")
        (True, True, False)
    """
    return "/" in name or name.endswith(SUFFIX)
