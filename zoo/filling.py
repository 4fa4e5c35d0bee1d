"""A layer that puts numbers where a table has blanks."""

import keras


@keras.saving.register_keras_serializable(package="zoo")
class FillMissing(keras.layers.Layer):
    """Replaces NaN in each column by that column's filler.

    Args:
        fillers: a number for each column, found on training rows alone.

    Input and output: (batch, columns) float32, or float64 where that is the layer's dtype.

    Example:
        >>> FillMissing([1.0, 2.0])(np.array([[np.nan, 5.0]]))  # doctest: +SKIP
        [[1.0, 5.0]]
    """

    def __init__(self, fillers: list[float], **kwargs: object):
        super().__init__(**kwargs)
        self.fillers = [float(value) for value in fillers]

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Return the columns without blanks."""
        return keras.ops.where(keras.ops.isnan(x), keras.ops.convert_to_tensor(self.fillers, x.dtype), x)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """Return the fillers beside what every layer has."""
        return {**super().get_config(), "fillers": self.fillers}
