"""Groups of variables that an optimizer moves at rates of their own, and how their gradients are cut."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class Group:
    """Variables that share a learning rate.

    Attributes:
        name: as `read_norms` calls it.
        variables: of the model.
        multiplier: of the learning rate.
        parts: names of what is measured apart in it, and the variables of each; none for the group as a whole.
    """

    name: str
    variables: tuple[keras.Variable, ...]
    multiplier: float = 1.0
    parts: tuple[tuple[str, tuple[keras.Variable, ...]], ...] = ()

    @property
    def measured(self) -> tuple[tuple[str, tuple[keras.Variable, ...]], ...]:
        """The parts, or the whole group as one."""
        return self.parts or ((self.name, self.variables),)


@dataclass(frozen=True)
class Clipping:
    """How gradients are cut.

    Attributes:
        kind: "clip_value", "clip_norm" or "global_clip_norm".
        limit: largest element, norm of one variable's gradient, or norm of all together.
    """

    kind: str
    limit: float

    def __call__(self, gradients: Sequence, norm: object) -> list:
        """Return the gradients cut; those that are None stay None.

        Args:
            gradients: a tensor or None for each variable.
            norm: of all together.
        """
        if self.kind == "clip_value":
            return [g if g is None else keras.ops.clip(g, -self.limit, self.limit) for g in gradients]
        if self.kind == "clip_norm":
            norms = [g if g is None else keras.ops.sqrt(squared_norm(g)) for g in gradients]
            return [g if g is None else self._scaled(g, own) for g, own in zip(gradients, norms, strict=True)]
        # the difference is 0, and NaN for a norm that is not finite: then all of them show it, as in Keras
        norm = norm + (norm - norm)
        return [g if g is None else self._scaled(g, norm) for g in gradients]

    def _scaled(self, gradient: object, norm: object) -> object:
        return gradient * keras.ops.cast(self.limit / keras.ops.maximum(norm, self.limit), gradient.dtype)


def squared_norm(gradient: object) -> object:
    """Return the sum of squares of a gradient, a float32 scalar."""
    return keras.ops.sum(keras.ops.square(keras.ops.cast(gradient, "float32")))
