"""Names of arrays in foreign files for KerasHub's backbones: none, a preset brings its weights along."""

from zoo.spec import Naming

NAMINGS: dict[str, Naming] = {}
