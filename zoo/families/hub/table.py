"""Rows of KerasHub's backbones: none are listed. A name that begins with "hub:" makes its row when it is asked for."""

from zoo.spec import Variant

PREFIX = "hub:"

VARIANTS: tuple[Variant, ...] = ()
