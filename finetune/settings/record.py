"""What all settings have in common: they are frozen, and no name is taken that is not known."""

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Settings(BaseModel):
    """Values by name, checked when they are given."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def listed(value: object) -> object:
    """Read "a, b" as two names, and a single value as a list of one; JSON's lists pass."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) else value


def parsed(value: object) -> object:
    """Read JSON where text was given for what is no text, as on the command line."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be a list as JSON writes it ({error})") from error


Names = Annotated[tuple[str, ...], BeforeValidator(listed)]
