"""A stack of recurrent layers, in one direction or both."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import keras

from zoo.sequential import arguments
from zoo.sequential.layers import Hidden, dropped, initializer, layer_seed, normalized, penalty

CELLS = MappingProxyType({"lstm": keras.layers.LSTM, "gru": keras.layers.GRU})


@dataclass(frozen=True)
class Recurrence:
    """What all recurrent layers of a model have in common; checked when it is made.

    Attributes:
        cell: one of CELLS.
        bidirectional: whether each layer also reads backwards.
        units: one number a layer, in one direction.
        activation: of the candidate state and the output; gates are sigmoids.
        dropout: rate on the state from one step to the next.
    """

    cell: str
    bidirectional: bool
    units: Sequence[int] | int
    activation: str
    dropout: float

    def __post_init__(self) -> None:
        """Refuse what no layer can be made of, and spell a single number out."""
        arguments.one_of("cell", self.cell, CELLS)
        arguments.flag("bidirectional", self.bidirectional)
        object.__setattr__(self, "units", arguments.sizes("units", self.units))
        object.__setattr__(self, "dropout", arguments.rate("recurrent_dropout", self.dropout))


def recurrent_layers(recurrence: Recurrence, hidden: Hidden) -> list[keras.Layer]:
    """Return the layers, named lstm1, lstm2 and so on: recurrence, normalization, dropout.

    All but the last give their whole sequence, the last one its final state.
    """
    layers = []
    for number, units in enumerate(recurrence.units, start=1):
        name = f"{'bi' * recurrence.bidirectional}{recurrence.cell}{number}"
        options = {"units": units, "return_sequences": number < len(recurrence.units)}
        forward = _one_direction(name, recurrence, hidden, options)
        if recurrence.bidirectional:
            # Left to itself, Bidirectional copies the first direction with its seeds: both would start the same.
            backward = _one_direction(f"backward_{name}", recurrence, hidden, {**options, "go_backwards": True})
            forward = keras.layers.Bidirectional(forward, backward_layer=backward, name=name)
        layers.append(forward)
        layers += normalized(name, hidden.normalization)
        # plain dropout even for selu: the output gate scales what the activation gives
        layers += dropped(name, hidden, alpha=False)
    return layers


def _one_direction(name: str, recurrence: Recurrence, hidden: Hidden, options: dict[str, object]) -> keras.Layer:
    # "sigmoid" is what "auto" matches: two of GRU's three blocks of weights and three of LSTM's four feed gates
    kernel = initializer(hidden.initializer, "sigmoid", layer_seed(hidden.seed, name))
    return CELLS[recurrence.cell](
        activation=recurrence.activation,
        recurrent_dropout=recurrence.dropout,
        kernel_initializer=kernel,
        recurrent_initializer=keras.initializers.Orthogonal(seed=layer_seed(hidden.seed, f"{name}/recurrent")),
        kernel_regularizer=penalty(hidden.l2),
        recurrent_regularizer=penalty(hidden.l2),
        seed=layer_seed(hidden.seed, f"{name}/dropout"),
        name=name,
        **options,
    )
