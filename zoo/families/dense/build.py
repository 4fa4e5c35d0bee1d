"""Dense networks, from linear regression to the multilayer perceptron."""

from collections.abc import Sequence

import keras

from zoo.sequential import arguments
from zoo.sequential.layers import Hidden, dense_layers, warn_if_linear
from zoo.sequential.outputs import Output, output_layers


def linear_regression(
    input_shape: tuple[int, ...], num_outputs: int = 1, *, l2: float = 0.0, seed: int | None = None
) -> keras.Sequential:
    """Build the linear model of numbers; with squared error and `l2` it is ridge regression.

    Args:
        input_shape: (features,), or longer: it is flattened.
        num_outputs: numbers to predict.
        l2: factor of the sum of squared weights in the loss, bias left out.
        seed: of the initial weights; None draws one.

    Returns:
        Model from (batch, *input_shape) to (batch, num_outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> linear_regression((8,)).count_params()
        9
    """
    return _network("linear_regression", input_shape, (), _without_hidden(l2, seed), _regression(num_outputs))


def logistic_regression(
    input_shape: tuple[int, ...],
    *,
    l2: float = 0.0,
    output_activation: str | None = "auto",
    seed: int | None = None,
) -> keras.Sequential:
    """Build the linear model of yes or no.

    Args:
        input_shape: (features,), or longer: it is flattened.
        l2: factor of the sum of squared weights in the loss, bias left out.
        output_activation: "auto" for the probability of yes, None for its logit.
        seed: of the initial weights; None draws one.

    Returns:
        Model from (batch, *input_shape) to (batch, 1) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> logistic_regression((30,)).layers[-1].name
        'probabilities'
    """
    output = Output("binary", activation=output_activation)
    return _network("logistic_regression", input_shape, (), _without_hidden(l2, seed), output)


def softmax_regression(
    input_shape: tuple[int, ...],
    num_classes: int,
    *,
    l2: float = 0.0,
    output_activation: str | None = "auto",
    seed: int | None = None,
) -> keras.Sequential:
    """Build the linear model of one class among several (multinomial logistic regression).

    Args:
        input_shape: (features,), or longer: it is flattened.
        num_classes: classes, at least 2.
        l2: factor of the sum of squared weights in the loss, biases left out.
        output_activation: "auto" for probabilities, None for logits.
        seed: of the initial weights; None draws one.

    Returns:
        Model from (batch, *input_shape) to (batch, num_classes) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> softmax_regression((28, 28), 10).count_params()
        7850
    """
    output = Output("classification", num_classes, activation=output_activation)
    return _network("softmax_regression", input_shape, (), _without_hidden(l2, seed), output)


def mlp(
    input_shape: tuple[int, ...],
    *,
    units: Sequence[int] = (64, 32),
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
    """Build a multilayer perceptron: each hidden layer is linear part, normalization, activation, dropout.

    Args:
        input_shape: (features,), or longer: it is flattened.
        units: of each hidden layer.
        activation: relu, leaky_relu, elu, selu, gelu, tanh, sigmoid or linear.
        normalization: "none", "batch" or "layer".
        dropout: rate in [0, 1) behind each hidden layer; behind selu it is alpha dropout.
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
        Model from (batch, *input_shape) to (batch, outputs) float32.

    Raises:
        ConfigError: an argument is impossible.

    Example:
        >>> mlp((4,), units=(16,), num_classes=3, dropout=0.2).output_shape
        (None, 3)
    """
    hidden = Hidden(activation, normalization, dropout, l2, initializer, seed)
    units = arguments.sizes("units", units)
    output = Output(task, num_classes, num_outputs, output_activation)
    warn_if_linear("activation", hidden, units)
    return _network("mlp", input_shape, units, hidden, output)


def _network(
    name: str, input_shape: tuple[int, ...], units: tuple[int, ...], hidden: Hidden, output: Output
) -> keras.Sequential:
    shape = arguments.shape(input_shape, ("...",))
    layers: list[keras.Layer] = [keras.Input(shape, name="features")]
    if len(shape) > 1:
        layers.append(keras.layers.Flatten(name="flatten"))
    layers += dense_layers(units, hidden)
    layers += output_layers(output, l2=hidden.l2, seed=hidden.seed)
    return keras.Sequential(layers, name=name)


def _without_hidden(l2: float, seed: int | None) -> Hidden:
    return Hidden("linear", "none", 0.0, l2, "auto", seed)


def _regression(num_outputs: int) -> Output:
    return Output("regression", num_outputs=arguments.positive("num_outputs", num_outputs))
