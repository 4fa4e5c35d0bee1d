"""Plain convolutional networks: blocks of convolution and pooling, dense layers, output."""

from collections.abc import Sequence

import keras

from zoo.head import POOL_LAYER
from zoo.sequential import arguments
from zoo.sequential.convolutions import Convolutions, convolution_layers
from zoo.sequential.layers import Hidden, dense_layers, warn_if_linear
from zoo.sequential.outputs import Output, output_layers


def cnn(
    input_shape: tuple[int, int, int],
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int | tuple[int, int] = 3,
    strides: int | tuple[int, int] = 1,
    padding: str = "same",
    pooling: str = "max",
    pool_size: int | tuple[int, int] = 2,
    flatten: bool = True,
    dense_units: Sequence[int] = (64,),
    activation: str = "relu",
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
    """Build a convolutional network over pictures; bring their values to about [-1, 1] first.

    Each block is convolution, normalization, activation, pooling, dropout.

    Args:
        input_shape: (height, width, channels).
        filters: of each block.
        kernel_size: of every convolution, one side or (height, width).
        strides: of every convolution, one or (vertical, horizontal).
        padding: "same" keeps the size of the map, "valid" takes whole kernels only.
        pooling: "max", "average" or "none", in every block.
        pool_size: side of a pool, or (height, width); also its step.
        flatten: whether the dense layers see every cell of the last map; otherwise its mean for each filter.
        dense_units: of each dense layer after the blocks; () for none.
        activation: relu, leaky_relu, elu, selu, gelu, tanh, sigmoid or linear; of blocks and dense layers.
        normalization: "none", "batch" or "layer".
        dropout: rate in [0, 1) behind each block and dense layer; behind selu it is alpha dropout.
        l2: factor of the sum of squared kernel weights of all layers in the loss.
        initializer: of the hidden kernels; "auto" is he_normal for relu, leaky_relu, elu and gelu, lecun_normal for
            selu, glorot_uniform for the others. Or one of these, or he_uniform, glorot_normal, lecun_uniform.
        task: "binary" (one sigmoid), "classification" (softmax over classes), "multi_label" (a sigmoid a label) or
            "regression" (linear).
        num_classes: classes or labels, for the tasks that have them.
        num_outputs: numbers to predict in regression, 1 by default.
        output_activation: "auto" for that of the task, None for the logits before it.
        seed: of the initial weights and of dropout; None draws one for each layer.

    Returns:
        Model from (batch, height, width, channels) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible, or the picture is too small for so many blocks.

    Example:
        >>> cnn((28, 28, 1), filters=(8, 16), num_classes=10).output_shape
        (None, 10)
    """
    shape = arguments.shape(input_shape, ("height", "width", "channels"))
    blocks = Convolutions(2, filters, kernel_size, strides, padding, pooling, pool_size)
    hidden = Hidden(activation, normalization, dropout, l2, initializer, seed)
    output = Output(task, num_classes, num_outputs, output_activation)
    warn_if_linear("activation", hidden, blocks.filters, nonlinear=pooling == "max")
    return _network("cnn", shape, blocks, flatten, dense_units, hidden, output)


def cnn1d(
    input_shape: tuple[int, int],
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    strides: int = 1,
    padding: str = "same",
    pooling: str = "max",
    pool_size: int = 2,
    flatten: bool = True,
    dense_units: Sequence[int] = (64,),
    activation: str = "relu",
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
    """Build a convolutional network over series of fixed length; scale their values first.

    Each block is convolution, normalization, activation, pooling, dropout. What is accepted where `cnn` is named below
    stands there.

    Args:
        input_shape: (steps, features).
        filters: of each block.
        kernel_size: steps that a convolution sees.
        strides: steps that a convolution advances.
        padding: "same" keeps the length, "valid" takes whole kernels only.
        pooling: "max", "average" or "none", in every block.
        pool_size: steps that become one.
        flatten: whether the dense layers see every step that is left; otherwise the mean over them.
        dense_units: of each dense layer after the blocks; () for none.
        activation: of blocks and dense layers, one that `cnn` has.
        normalization: "none", "batch" or "layer".
        dropout: rate in [0, 1) behind each block and dense layer.
        l2: factor of the sum of squared kernel weights of all layers in the loss.
        initializer: of the hidden kernels, "auto" or one that `cnn` has.
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
        >>> cnn1d((24, 3), task="regression").output_shape
        (None, 1)
    """
    shape = arguments.shape(input_shape, ("steps", "features"))
    blocks = Convolutions(1, filters, kernel_size, strides, padding, pooling, pool_size)
    hidden = Hidden(activation, normalization, dropout, l2, initializer, seed)
    output = Output(task, num_classes, num_outputs, output_activation)
    warn_if_linear("activation", hidden, blocks.filters, nonlinear=pooling == "max")
    return _network("cnn1d", shape, blocks, flatten, dense_units, hidden, output)


def _network(
    name: str,
    shape: tuple[int, ...],
    blocks: Convolutions,
    flatten: bool,
    dense_units: Sequence[int],
    hidden: Hidden,
    output: Output,
) -> keras.Sequential:
    *size, _ = shape
    layers = [keras.Input(shape, name="features"), *convolution_layers(size, blocks, hidden)]
    if arguments.flag("flatten", flatten):
        layers.append(keras.layers.Flatten(name="flatten"))
    else:
        average = keras.layers.GlobalAveragePooling2D if len(size) == 2 else keras.layers.GlobalAveragePooling1D
        layers.append(average(name=POOL_LAYER))
    layers += dense_layers(arguments.sizes("dense_units", dense_units, least=0), hidden)
    layers += output_layers(output, l2=hidden.l2, seed=hidden.seed)
    return keras.Sequential(layers, name=name)
