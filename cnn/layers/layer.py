"""The layers of a network: shape arithmetic and checks when built, initial values, nothing else.

A layer is a specification. Its weights belong to the model, which hands them to the population
forward as arguments; `initial_weights`, `trained_weights` and `layer_output` are there for users
who read them, as in pygad.cnn.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cnn import checks
from cnn.engines.numpy import kernels
from cnn.engines.numpy.kernels import NEGATIVE_SLOPE, Array

MapShape = tuple[int, int, int]
Shape = MapShape | int


class Activation(NamedTuple):
    """`apply` works in place; `monotone` ones commute with max pooling; before one that
    `rectifies` weights are drawn with He's variance, otherwise with Glorot's."""

    apply: Callable[[Array], Array]
    monotone: bool = True
    rectifies: bool = False


ACTIVATIONS = {
    "relu": Activation(kernels.relu, rectifies=True),
    "leaky_relu": Activation(kernels.leaky_relu, rectifies=True),
    "sigmoid": Activation(kernels.sigmoid),
    "tanh": Activation(kernels.tanh),
    "step": Activation(kernels.step),
    "softmax": Activation(kernels.softmax, monotone=False),
}


class Layer:
    """What all layers share: the layer before, the shapes in and out, the latest output.

    `layer_input_size` and `layer_output_size` are (height, width, channels), or an integer where
    the values are flat; None until the layer is linked to a previous one.
    """

    arguments: ClassVar[tuple[str, ...]] = ()  # of the constructor: repr, save and copy use them

    def __init__(
        self, previous_layer: Layer | None = None, logger: logging.Logger | None = None
    ) -> None:
        self.logger = logger
        self.previous_layer: Layer | None = None
        self.layer_input_size: Any = None
        self.layer_output_size: Any = None
        self.layer_output: Array | None = None
        if previous_layer is not None:
            self.link(previous_layer)

    def link(self, previous_layer: Layer) -> None:
        """Put the layer behind another; raises if it does not fit there."""
        if isinstance(previous_layer, str):
            raise TypeError(
                f"previous_layer of {self} must be a layer, not {previous_layer!r}; an activation "
                f"is given by name: activation_function={previous_layer!r}"
            )
        if not isinstance(previous_layer, Layer):
            raise TypeError(
                f"previous_layer of {self} must be a layer, not {type(previous_layer).__name__}; "
                "give the layer that comes before it, such as an Input2D"
            )
        if previous_layer.layer_output_size is None:
            raise ValueError(
                f"previous_layer of {self} is {previous_layer}, which has no previous_layer "
                "itself; link it first, or give all layers to Model in a list"
            )
        shape = self.output_shape(previous_layer.layer_output_size, previous_layer)
        self.previous_layer = previous_layer
        self.layer_input_size = previous_layer.layer_output_size
        self.layer_output_size = shape

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        """Shape of the output for an input of this shape, which `previous` gives."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the constructor arguments, without the previous layer."""
        return {name: getattr(self, name) for name in self.arguments}

    def unlinked(self) -> Layer:
        """Return a copy that has no previous layer and no weights yet."""
        return type(self)(**self.settings(), logger=self.logger)

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        settings = (
            f"{name}={value!r}"
            for name, value in self.settings().items()
            if value != defaults[name].default
        )
        return f"{type(self).__name__}({', '.join(settings)})"


class WeightedLayer(Layer):
    """A layer with weights and, if `use_bias`, a bias for each channel of its output.

    `initial` and `trained` list the weights and, if there is one, the bias. They are drawn when
    they are first asked for, once the layer is linked, and again by a Model with a random_seed.
    """

    activation_function: str | None
    use_bias: bool
    trainable: bool

    def _set_weights(self, activation_function: Any, use_bias: bool, trainable: bool) -> None:
        names = [None, *ACTIVATIONS]
        self.activation_function = checks.one_of(activation_function, "activation_function", names)
        self.use_bias = bool(checks.one_of(use_bias, "use_bias", [True, False]))
        self.trainable = bool(checks.one_of(trainable, "trainable", [True, False]))
        self._initial: list[Array] = []
        self._trained: list[Array] = []

    def link(self, previous_layer: Layer) -> None:
        super().link(previous_layer)
        self._initial, self._trained = [], []

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
        self.fill([values.copy() for values in initial], [values.copy() for values in trained])

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
        """Return newly drawn initial values, an array for each of `weight_shapes`."""
        weights, *biases = self.weight_shapes()
        fan_in, fan_out = self.fans()
        activation = ACTIVATIONS.get(self.activation_function or "")
        rectifies = activation is not None and activation.rectifies
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


class Input2D(Layer):
    """The input of a network of images (height, width, channels); two numbers mean one channel."""

    arguments = ("input_shape",)

    def __init__(self, input_shape: Any, logger: logging.Logger | None = None) -> None:
        sizes = tuple(input_shape) if np.iterable(input_shape) else (input_shape,)
        if len(sizes) not in (2, 3):
            raise ValueError(
                "input_shape must be (height, width) or (height, width, channels), "
                f"not {input_shape!r}"
                + ("; for flat inputs use Input1D" if len(sizes) == 1 else "")
            )
        super().__init__(None, logger)
        height, width, *channels = (checks.whole(size, "input_shape") for size in sizes)
        self.input_shape: MapShape = (height, width, channels[0] if channels else 1)
        self.layer_output_size = self.input_shape

    def link(self, previous_layer: Layer) -> None:
        raise ValueError(
            f"{self} cannot follow {previous_layer}; a network has one input, the first"
        )


class Input1D(Layer):
    """The input of a dense-only network: `num_inputs` numbers a sample."""

    arguments = ("num_inputs",)

    def __init__(self, num_inputs: int, logger: logging.Logger | None = None) -> None:
        super().__init__(None, logger)
        self.num_inputs = checks.whole(num_inputs, "num_inputs")
        self.layer_output_size = self.num_inputs

    link = Input2D.link


class Flatten(Layer):
    """Maps (height, width, channels) as one row of values, in that order."""

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return shape if isinstance(shape, int) else math.prod(shape)


class Dense(WeightedLayer):
    """Fully connected layer: every neuron sees every input; activation None is linear.

    trained_weights has the shape (inputs, num_neurons). With trainable=False the weights are no
    genes.
    """

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
    ) -> None:
        self.num_neurons = checks.whole(num_neurons, "num_neurons")
        self._set_weights(activation_function, use_bias, trainable)
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


class ActivationLayer(Layer):
    """A layer that is one of `ACTIVATIONS`, by its `name`."""

    name: ClassVar[str]

    @property
    def activation(self) -> Activation:
        """The function of the layer, and what is known of it."""
        return ACTIVATIONS[self.name]

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return shape


class ReLU(ActivationLayer):
    """max(x, 0)."""

    name = "relu"


class LeakyReLU(ActivationLayer):
    """x where it is positive, negative_slope · x elsewhere."""

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
        apply = functools.partial(kernels.leaky_relu, negative_slope=self.negative_slope)
        return Activation(apply, rectifies=True)


class Sigmoid(ActivationLayer):
    """1 / (1 + exp(-x)), stable for large x."""

    name = "sigmoid"


class Tanh(ActivationLayer):
    """Hyperbolic tangent."""

    name = "tanh"


class Step(ActivationLayer):
    """Sign of x: -1, 0 or 1; the kind of activation that gradients cannot train."""

    name = "step"


class Softmax(ActivationLayer):
    """exp(x) / sum of exp(x), over the channels where there are maps; stable for large x."""

    name = "softmax"
