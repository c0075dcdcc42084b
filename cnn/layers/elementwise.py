"""The layers that are an activation."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar

from cnn import checks
from cnn.layers.activation import ACTIVATIONS, NEGATIVE_SLOPE, Activation
from cnn.layers.layer import Kind, Layer, Operation, Shape


class ActivationLayer(Layer):
    """A layer that is one of `ACTIVATIONS`, by its `name`."""

    name: ClassVar[str]

    @property
    def activation(self) -> Activation:
        """The function of the layer, and what is known of it."""
        return ACTIVATIONS[self.name]

    def operations(self) -> Iterator[Operation]:
        yield Operation(Kind.ACTIVATE, self, activation=self.activation)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return shape


class ReLU(ActivationLayer):
    """max(x, 0).

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.ReLU()])
        >>> model.forward([[-1, 0, 2]]).tolist()
        [[0.0, 0.0, 2.0]]
    """

    name = "relu"


class LeakyReLU(ActivationLayer):
    """x where it is positive, negative_slope · x elsewhere; negative_slope is from 0 to 1.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.LeakyReLU(negative_slope=0.5)])
        >>> model.forward([[-2, 0, 2]]).tolist()
        [[-1.0, 0.0, 2.0]]
    """

    name = "leaky_relu"
    arguments = ("negative_slope",)

    def __init__(
        self,
        previous_layer: Layer | None = None,
        logger: logging.Logger | None = None,
        *,
        negative_slope: float = NEGATIVE_SLOPE,
    ) -> None:
        self.negative_slope = checks.number(negative_slope, "negative_slope")
        if not 0 <= self.negative_slope <= 1:
            raise ValueError(f"negative_slope must be from 0 to 1, not {negative_slope!r}")
        super().__init__(previous_layer, logger)

    @property
    def activation(self) -> Activation:
        return ACTIVATIONS["leaky_relu"]._replace(negative_slope=self.negative_slope)


class Sigmoid(ActivationLayer):
    """1 / (1 + exp(-x)), stable for large x.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.Sigmoid()])
        >>> model.forward([[-1000, 0, 1000]]).tolist()
        [[0.0, 0.5, 1.0]]
    """

    name = "sigmoid"


class Tanh(ActivationLayer):
    """Hyperbolic tangent.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.Tanh()])
        >>> model.forward([[-100, 0, 100]]).tolist()
        [[-1.0, 0.0, 1.0]]
    """

    name = "tanh"


class Step(ActivationLayer):
    """Sign of x: -1, 0 or 1; the kind of activation that gradients cannot train.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.Step()])
        >>> model.forward([[-3, 0, 0.5]]).tolist()
        [[-1.0, 0.0, 1.0]]
    """

    name = "step"


class SquareRoot(ActivationLayer):
    """Square root of what is positive, and 0 elsewhere: sums and means become less skewed.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(3), cnn.SquareRoot()])
        >>> model.forward([[-4, 0, 4]]).tolist()
        [[0.0, 0.0, 2.0]]
    """

    name = "square_root"


class Softmax(ActivationLayer):
    """exp(x) / sum of exp(x), over the channels where there are maps; stable for large x.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Softmax()])
        >>> model.forward([[1000, 1000]]).tolist()
        [[0.5, 0.5]]
    """

    name = "softmax"
