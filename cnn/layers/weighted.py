"""Layers with weights: how these are drawn, and the fully connected one."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from cnn import checks
from cnn.layers.activation import ACTIVATIONS, Activation
from cnn.layers.layer import Kind, Layer, Operation, Shape
from cnn.types import Array

_OTHER_NAMES = {  # of Keras, PyTorch and scikit-learn
    **dict.fromkeys(("linear", "identity", "none"), None),
    **dict.fromkeys(("leakyrelu", "leaky"), "leaky_relu"),
    **dict.fromkeys(("sign", "heaviside", "binary_step"), "step"),
    "logistic": "sigmoid",
}


class WeightedLayer(Layer):
    """A layer with weights and, if `use_bias`, a bias for each channel of its output.

    `initial` and `trained` list the weights and, if there is one, the bias. They are drawn when
    they are first asked for, once the layer is linked, and again by a Model with a random_seed,
    unless they were given when the layer was made.
    """

    product: ClassVar[Kind]
    """What is done with the weights, before bias and activation."""

    unit_axis: ClassVar[int] = 0
    """The axis of the weights that has one place for each filter, or unit."""

    activation_function: str | None
    use_bias: bool
    trainable: bool

    def _set_weights(
        self, activation_function: Any, use_bias: bool, trainable: bool, weights: Any = None
    ) -> None:
        names = [None, *ACTIVATIONS]
        self.activation_function = checks.one_of(
            activation_function, "activation_function", names, _OTHER_NAMES
        )
        self.use_bias = bool(checks.one_of(use_bias, "use_bias", [True, False]))
        self.trainable = bool(checks.one_of(trainable, "trainable", [True, False]))
        self._initial: list[Array] = []
        self._trained: list[Array] = []
        self._given: tuple[Array, ...] = _checked_weights(weights, 1 + self.use_bias)

    @property
    def activation(self) -> Activation | None:
        """The function of the layer's activation, and what is known of it; None if it is linear."""
        return None if self.activation_function is None else ACTIVATIONS[self.activation_function]

    def operations(self) -> Iterator[Operation]:
        yield Operation(self.product, self, weights=(0,))
        if self.use_bias:
            yield Operation(Kind.BIAS, self, weights=(1,))
        if self.activation is not None:
            yield Operation(Kind.ACTIVATE, self, activation=self.activation)

    def link(self, previous_layer: Layer) -> None:
        super().link(previous_layer)
        self._initial, self._trained = [], []
        _check_fit(self, self._given)

    @property
    def initial(self) -> list[Array]:
        """The weights, and the bias, before training."""
        self._draw_once()
        return self._initial

    @property
    def trained(self) -> list[Array]:
        """The weights, and the bias, in use."""
        self._draw_once()
        return self._trained

    def _draw_once(self) -> None:
        if not self._initial and self.previous_layer is not None:
            self.draw(np.random.default_rng())

    def fill(self, initial: list[Array], trained: list[Array]) -> None:
        """Set initial and trained values, an array for each of `weight_shapes`."""
        self._initial, self._trained = initial, trained

    def take_weights(self, other: WeightedLayer) -> None:
        """Copy the weights of another layer, if it has any; shapes must be the same."""
        initial, trained = other._initial, other._trained
        self._given = other._given
        self.fill([values.copy() for values in initial], [values.copy() for values in trained])

    def unlinked(self) -> Self:
        """Return a copy that has no previous layer, and no weights but those that were given."""
        twin = type(self)(**self.settings(), logger=self.logger)
        twin._given = self._given
        return twin

    def with_activation(self, name: str) -> WeightedLayer:
        """Return a copy in the same place, with the same weights and another activation."""
        settings = {**self.settings(), "activation_function": name}
        twin = type(self)(**settings, previous_layer=self.previous_layer, logger=self.logger)
        twin.take_weights(self)
        return twin

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights and, if there is one, of the bias."""
        raise NotImplementedError

    def fans(self) -> tuple[int, int]:
        """Numbers of inputs of one output value and of outputs of one input value."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator) -> None:
        """Draw initial values: normal, with the variance of He for rectifiers, else of Glorot.

        Biases start at 0. Sources: He et al. 2015, arXiv:1502.01852; Glorot & Bengio 2010.
        """
        initial = self.init(rng)
        self.fill(initial, [values.copy() for values in initial])

    def init(self, rng: np.random.Generator) -> list[Array]:
        """Return newly drawn initial values, or those given, for each of `weight_shapes`."""
        if self._given:
            return [values.copy() for values in self._given]
        weights, *biases = self.weight_shapes()
        fan_in, fan_out = self.fans()
        rectifies = self.activation is not None and self.activation.rectifies
        deviation = math.sqrt(2 / fan_in if rectifies else 2 / (fan_in + fan_out))
        drawn = np.float32(deviation) * rng.standard_normal(weights, np.float32)
        return [drawn, *(np.zeros(shape, np.float32) for shape in biases)]

    @property
    def initial_weights(self) -> Array | None:
        """The weights before training, without the bias; None until the layer is linked."""
        return self.initial[0] if self.initial else None

    @property
    def initial_bias(self) -> Array | None:
        """The bias before training; None without one."""
        return self.initial[1] if len(self.initial) > 1 else None

    @property
    def trained_weights(self) -> Array | None:
        """The weights in use, without the bias: a view of the model's flat vector."""
        return self.trained[0] if self.trained else None

    @trained_weights.setter
    def trained_weights(self, values: Any) -> None:
        self._assign(0, values, "trained_weights")

    @property
    def trained_bias(self) -> Array | None:
        """The bias in use: a view of the model's flat vector; None without one."""
        return self.trained[1] if len(self.trained) > 1 else None

    @trained_bias.setter
    def trained_bias(self, values: Any) -> None:
        self._assign(1, values, "trained_bias")

    def _assign(self, index: int, values: Any, name: str) -> None:
        if index >= len(self.trained):
            raise AttributeError(f"{self} has no {name}")
        shape = self.trained[index].shape
        array = checks.finite(checks.shaped(values, name, shape, "weights of the layer"), name)
        with np.errstate(all="ignore"):
            self.trained[index][...] = array


def _checked_weights(weights: Any, number: int) -> tuple[Array, ...]:
    """Return weights and, if there is one, bias as copies in float32; nothing for None."""
    if weights is None:
        return ()
    if not isinstance(weights, list | tuple) or len(weights) != number:
        wanted = "(weights, bias)" if number == 2 else "(weights,) without a bias"
        raise ValueError(f"weights must be a tuple of arrays, {wanted}, or None, not {weights!r}")
    arrays = (checks.finite(checks.real(each, "weights"), "weights") for each in weights)
    return tuple(np.array(each, np.float32, order="C") for each in arrays)


def _check_fit(layer: WeightedLayer, given: Sequence[Array]) -> None:
    """Raise ValueError for weights that were given and have other shapes than the layer's."""
    shapes, wanted = [each.shape for each in given], layer.weight_shapes()
    if given and shapes != wanted:
        raise ValueError(
            f"weights of {layer} have the shapes {shapes}, but behind {layer.previous_layer} they "
            f"must have {wanted}"
        )


class Dense(WeightedLayer):
    """Fully connected layer: every neuron sees every input.

    `trained_weights` has the shape (inputs, num_neurons).

    Args:
        num_neurons: outputs.
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        activation_function: "relu", "leaky_relu", "sigmoid", "tanh", "step", "softmax", or None:
            linear.
        logger: kept, as in pygad.cnn; layers log nothing.
        use_bias: whether there is a bias for each neuron; it begins at 0.
        trainable: whether the weights are in the model's vector, to be evolved.
        weights: (weights, bias) to begin with, or (weights,) without a bias; None draws them.

    Raises:
        ValueError: behind maps, which want a `Flatten` first.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(4), cnn.Dense(3, activation_function="softmax")])
        >>> model.forward(np.ones((10, 4))).shape
        (10, 3)
    """

    product = Kind.DENSE
    unit_axis = -1
    arguments = ("num_neurons", "activation_function", "use_bias", "trainable")

    def __init__(
        self,
        num_neurons: int,
        previous_layer: Layer | None = None,
        activation_function: str | None = "relu",
        logger: logging.Logger | None = None,
        *,
        use_bias: bool = True,
        trainable: bool = True,
        weights: Sequence[ArrayLike] | None = None,
    ) -> None:
        self.num_neurons = checks.whole(num_neurons, "num_neurons")
        self._set_weights(activation_function, use_bias, trainable, weights)
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        if isinstance(shape, tuple):
            raise ValueError(
                f"{self} needs a flat input, but {previous} gives the shape {shape}; "
                "put Flatten() before it"
            )
        return self.num_neurons

    def weight_shapes(self) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = [(self.layer_input_size, self.num_neurons)]
        return shapes + [(self.num_neurons,)] * self.use_bias

    def fans(self) -> tuple[int, int]:
        return self.layer_input_size, self.num_neurons
