"""How much a file of Keras may ask for before it is refused."""

from dataclasses import dataclass

from zoo.weights.weight_file import DEFAULT_LIMITS, ReadLimits, Refused, how_to_raise


@dataclass(frozen=True)
class KerasLimits:
    """Limits of .keras and .h5 files.

    The defaults hold the largest network of keras.applications (NASNetLarge: 1,041 layers, 1,546 arrays) with room to
    spare, and keep the refusal of a hostile file within about a second and 200 MB.

    Attributes:
        reading: of any weight file; of these `file_bytes`, `members`, `tensors` (arrays of an HDF5 file) and
            `header_bytes` (zip directory, config.json) count here.
        parts: records of an HDF5 file's structure: headers, messages, nodes and names; about 16 an array.
        structure_bytes: of these records, without the numbers; about 3 kB an array.
        nesting: JSON values and HDF5 groups inside one another.
        items: values of one list or one object in config.json.
        layers: layers of a model, those of nested models included, and as many calls of layers.
        references: outputs that calls of layers refer to, and a model's inputs and outputs.
        normalized_values: numbers that a Normalization layer holds. It makes them while it is built, before the file's
            can be compared.
    """

    reading: ReadLimits = DEFAULT_LIMITS
    parts: int = 200_000
    structure_bytes: int = 16 * 2**20
    nesting: int = 64
    items: int = 10_000
    layers: int = 1_500
    references: int = 5_000
    normalized_values: int = 2**20


DEFAULT_KERAS_LIMITS = KerasLimits()


def check_keras_limit(value: int, limits: KerasLimits, name: str, what: str) -> None:
    """Raise Refused when `value` is over the limit called `name`."""
    allowed = getattr(limits, name)
    if value > allowed:
        raise Refused(
            f"{what}: {value}; at most {allowed} accepted",
            how_to_raise(f"KerasLimits({name}=...)"),
        )
