"""Recurrent networks: layers over time, the last one's final state, dense layers, output."""

import inspect
from collections.abc import Callable, Sequence

import keras

from zoo.families.recurrent.stack import Recurrence, recurrent_layers
from zoo.sequential import arguments
from zoo.sequential.convolutions import Convolutions, convolution_layers
from zoo.sequential.layers import ACTIVATIONS, Hidden, dense_layers, warn_if_linear
from zoo.sequential.outputs import Output, output_layers

_SERIES = ("steps", "features")


def recurrent(
    input_shape: tuple[int | None, int],
    *,
    cell: str = "lstm",
    bidirectional: bool = False,
    units: Sequence[int] = (64,),
    activation: str = "tanh",
    recurrent_dropout: float = 0.0,
    dense_units: Sequence[int] = (),
    dense_activation: str = "relu",
    normalization: str = "none",
    dropout: float = 0.0,
    l2: float = 0.0,
    initializer: str = "auto",
    task: str = "classification",
    num_classes: int | None = None,
    num_outputs: int | None = None,
    output_activation: str | None = "auto",
    seed: int | None = None,
) -> keras.Sequential:
    """Build a recurrent network over series; scale their values first.

    All recurrent layers but the last give their whole sequence to the next one, the last one its final state.

    Args:
        input_shape: (steps, features); steps may be None for series of any length.
        cell: "lstm" or "gru".
        bidirectional: whether each layer also reads the series backwards; both outputs are joined.
        units: of each recurrent layer, in one direction.
        activation: of the recurrent layers: tanh, relu, leaky_relu, elu, selu, gelu, sigmoid or linear. Gates are
            sigmoids whatever it is. A GPU's fast kernels know tanh only.
        recurrent_dropout: rate in [0, 1) on the state from one step to the next.
        dense_units: of each dense layer after the recurrent ones; () for none.
        dense_activation: of these dense layers, from the same list.
        normalization: "none", "batch" or "layer"; of each recurrent layer's output, and of dense layers before their
            activation.
        dropout: rate in [0, 1) behind each recurrent and dense layer. Inputs are never dropped: the mask is the same in
            all steps, so that a series of one feature would be blank as a whole.
        l2: factor of the sum of squared kernel weights of all layers, recurrent ones included, in the loss.
        initializer: of the kernels from input to gates and of the dense layers. "auto" is glorot_uniform for the
            former, whose outputs are mostly those of sigmoids, and matches the activation of the latter, as in `mlp`.
            Kernels from state to gates start orthogonal.
        task: "binary" (one sigmoid), "classification" (softmax over classes), "multi_label" (a sigmoid a label) or
            "regression" (linear).
        num_classes: classes or labels, for the tasks that have them.
        num_outputs: numbers to predict in regression, 1 by default; more for several steps ahead.
        output_activation: "auto" for that of the task, None for the logits before it.
        seed: of the initial weights and of dropout; None draws one for each layer.

    Returns:
        Model from (batch, steps, features) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> recurrent((12, 3), cell="gru", units=(32, 16), num_classes=4).output_shape
        (None, 4)
    """
    shape = arguments.shape(input_shape, _SERIES, unknown="steps")
    arguments.one_of("activation", activation, ACTIVATIONS)
    arguments.one_of("dense_activation", dense_activation, ACTIVATIONS)
    recurrence = Recurrence(cell, bidirectional, units, activation, recurrent_dropout)
    hidden = Hidden(dense_activation, normalization, dropout, l2, initializer, seed)
    dense_units = arguments.sizes("dense_units", dense_units, least=0)
    output = Output(task, num_classes, num_outputs, output_activation)
    warn_if_linear("dense_activation", hidden, dense_units)
    layers = [*recurrent_layers(recurrence, hidden), *dense_layers(dense_units, hidden)]
    return _network(f"bi{cell}" if bidirectional else cell, shape, layers, hidden, output)


def _shows_options_of(described: Callable, *fixed: str) -> Callable[[Callable], Callable]:
    """Give a function that passes its options on the signature of `described`, without the keywords it fixes itself."""

    def show(function: Callable) -> Callable:
        parameters = [value for name, value in inspect.signature(described).parameters.items() if name not in fixed]
        function.__signature__ = inspect.Signature(parameters, return_annotation=keras.Sequential)
        return function

    return show


@_shows_options_of(recurrent, "cell", "bidirectional")
def lstm(input_shape: tuple[int | None, int], **options: object) -> keras.Sequential:
    """Build a network of LSTM layers over series.

    Args:
        input_shape: (steps, features); steps may be None for series of any length.
        **options: those of `recurrent`, but for `cell` and `bidirectional`.

    Returns:
        Model from (batch, steps, features) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> lstm((3, 1), units=(50,), activation="relu", task="regression").count_params()
        10451
    """
    return recurrent(input_shape, cell="lstm", bidirectional=False, **options)


@_shows_options_of(recurrent, "cell", "bidirectional")
def gru(input_shape: tuple[int | None, int], **options: object) -> keras.Sequential:
    """Build a network of GRU layers over series: fewer weights than LSTM, one state instead of two.

    Args:
        input_shape: (steps, features); steps may be None for series of any length.
        **options: those of `recurrent`, but for `cell` and `bidirectional`.

    Returns:
        Model from (batch, steps, features) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> gru((24, 3), units=(32,), num_classes=4).output_shape
        (None, 4)
    """
    return recurrent(input_shape, cell="gru", bidirectional=False, **options)


@_shows_options_of(recurrent, "cell", "bidirectional")
def bilstm(input_shape: tuple[int | None, int], **options: object) -> keras.Sequential:
    """Build a network of LSTM layers that read series in both directions, for answers about a whole series.

    Args:
        input_shape: (steps, features); steps may be None for series of any length.
        **options: those of `recurrent`, but for `cell` and `bidirectional`; `units` count one direction.

    Returns:
        Model from (batch, steps, features) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> bilstm((24, 3), units=(32,), task="binary").get_layer("bilstm1").output.shape
        (None, 64)
    """
    return recurrent(input_shape, cell="lstm", bidirectional=True, **options)


def cnn_lstm(
    input_shape: tuple[int | None, int],
    *,
    filters: Sequence[int] = (64,),
    kernel_size: int = 3,
    strides: int = 1,
    padding: str = "same",
    pooling: str = "max",
    pool_size: int = 2,
    activation: str = "relu",
    units: Sequence[int] = (64,),
    lstm_activation: str = "tanh",
    recurrent_dropout: float = 0.0,
    dense_units: Sequence[int] = (),
    normalization: str = "none",
    dropout: float = 0.0,
    l2: float = 0.0,
    initializer: str = "auto",
    task: str = "classification",
    num_classes: int | None = None,
    num_outputs: int | None = None,
    output_activation: str | None = "auto",
    seed: int | None = None,
) -> keras.Sequential:
    """Build convolutions over time that find local patterns and shorten the series, then LSTM layers over what is left.

    Args:
        input_shape: (steps, features); steps may be None for series of any length.
        filters: of each block of convolution, normalization, activation, pooling, dropout.
        kernel_size: steps that a convolution sees.
        strides: steps that a convolution advances.
        padding: "same" keeps the length, "valid" takes whole kernels only.
        pooling: "max", "average" or "none", in every block.
        pool_size: steps that become one.
        activation: of blocks and dense layers: relu, leaky_relu, elu, selu, gelu, tanh, sigmoid or linear.
        units: of each LSTM layer.
        lstm_activation: of the LSTM layers, from the same list.
        recurrent_dropout: rate in [0, 1) on the LSTM state from one step to the next.
        dense_units: of each dense layer after the LSTM layers; () for none.
        normalization: "none", "batch" or "layer"; in blocks and dense layers before the activation, of the LSTM layers
            the output.
        dropout: rate in [0, 1) behind each block, LSTM and dense layer.
        l2: factor of the sum of squared kernel weights of all layers in the loss.
        initializer: of the kernels of blocks, LSTM inputs and dense layers, as in `recurrent`.
        task: "binary", "classification", "multi_label" or "regression".
        num_classes: classes or labels, for the tasks that have them.
        num_outputs: numbers to predict in regression, 1 by default.
        output_activation: "auto" for that of the task, None for the logits before it.
        seed: of the initial weights and of dropout; None draws one for each layer.

    Returns:
        Model from (batch, steps, features) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible, or the series is too short for so many blocks.

    Example:
        >>> cnn_lstm((24, 3), filters=(16, 32), units=(20,), task="regression").get_layer("lstm1").input.shape
        (None, 6, 32)
    """
    shape = arguments.shape(input_shape, _SERIES, unknown="steps")
    arguments.one_of("lstm_activation", lstm_activation, ACTIVATIONS)
    blocks = Convolutions(1, filters, kernel_size, strides, padding, pooling, pool_size)
    recurrence = Recurrence("lstm", False, units, lstm_activation, recurrent_dropout)
    hidden = Hidden(activation, normalization, dropout, l2, initializer, seed)
    dense_units = arguments.sizes("dense_units", dense_units, least=0)
    output = Output(task, num_classes, num_outputs, output_activation)
    warn_if_linear("activation", hidden, dense_units)
    layers = [*convolution_layers(shape[:1], blocks, hidden), *recurrent_layers(recurrence, hidden)]
    return _network("cnn_lstm", shape, [*layers, *dense_layers(dense_units, hidden)], hidden, output)


def _network(
    name: str, shape: tuple[int | None, ...], layers: list[keras.Layer], hidden: Hidden, output: Output
) -> keras.Sequential:
    last = output_layers(output, l2=hidden.l2, seed=hidden.seed)
    return keras.Sequential([keras.Input(shape, name="features"), *layers, *last], name=name)
