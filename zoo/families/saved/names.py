"""Names of arrays in foreign files for saved models: none, their layers have names of their own."""

from zoo.spec import Naming

NAMINGS: dict[str, Naming] = {}
