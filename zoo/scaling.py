"""Layers that bring numbers around 0 and back in 64 bits: 32 hold 7 digits, too few for times or account numbers."""

import keras

# Far beyond anything a network learned from; the square of it is still a 32-bit number.
_FARTHEST = 1e18


class _Scaling(keras.layers.Layer):
    def __init__(self, mean: list[float], std: list[float], **kwargs: object):
        super().__init__(**{"dtype": "float64", **kwargs})
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]

    def _constant(self, values: list[float]) -> keras.KerasTensor:
        return keras.ops.convert_to_tensor(values, self.compute_dtype)

    def get_config(self) -> dict[str, object]:
        """Return mean and deviation beside what every layer has."""
        return {**super().get_config(), "mean": self.mean, "std": self.std}


@keras.saving.register_keras_serializable(package="zoo")
class Standardize(_Scaling):
    """Subtracts each column's mean in 64 bits, then divides by its standard deviation; one of deviation 0 becomes 0.

    Args:
        mean: of each column.
        std: of each column, 0 for one that is constant.

    Input: (batch, columns) float64. Output: the same in float32, within ±1e18.

    Example:
        >>> Standardize([1.7e9, 3.0], [10.0, 0.0])(np.array([[1.7e9 + 5, 9.0]]))  # doctest: +SKIP
        [[0.5, 0.0]]
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the columns around 0."""
        factors = self._constant([1 / value if value else 0.0 for value in self.std])
        centred = (x - self._constant(self.mean)) * factors
        return keras.ops.cast(keras.ops.clip(centred, -_FARTHEST, _FARTHEST), "float32")

    def compute_output_spec(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the shape of the input, float32."""
        return keras.KerasTensor(x.shape, "float32")


@keras.saving.register_keras_serializable(package="zoo")
class Unstandardize(_Scaling):
    """Multiplies each column by its standard deviation and adds its mean, in 64 bits.

    Args:
        mean: of each column.
        std: of each column.

    Input: (batch, columns). Output: the same in float64.
    """

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the columns in their own units."""
        return x * self._constant(self.std) + self._constant(self.mean)

    def compute_output_spec(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the shape of the input, float64."""
        return keras.KerasTensor(x.shape, self.compute_dtype)
