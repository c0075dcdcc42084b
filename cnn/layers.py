"""The layers of a network: shape arithmetic and checks when built, initial values, nothing else.

A layer is a specification. Its weights belong to the model, which hands them to the population
forward as arguments; `initial_weights`, `trained_weights` and `layer_output` are there for users
who read them, as in pygad.cnn.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from cnn import checks, kernels
from cnn.kernels import Array, Window

MapShape = tuple[int, int, int]
Shape = MapShape | int


class Activation(NamedTuple):
    """`apply` works in place; `monotone` ones commute with max pooling; `gain` sets the variance
    of the weights before it: gain / fan-in if `rectifies`, 2 / (fan-in + fan-out) otherwise."""

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

    def unlinked(self) -> Layer:
        """Return a copy that has no previous layer and no weights yet."""
        settings = {name: getattr(self, name) for name in self.arguments}
        return type(self)(**settings, logger=self.logger)

    def __repr__(self) -> str:
        settings = (f"{name}={getattr(self, name)!r}" for name in self.arguments)
        return f"{type(self).__name__}({', '.join(settings)})"


class WeightedLayer(Layer):
    """A layer with weights and, if `use_bias`, a bias for each channel of its output.

    The weights are drawn when the layer is linked, and again by a Model with a random_seed.
    """

    activation_function: str | None
    use_bias: bool
    trainable: bool

    def _set_weights(self, activation_function: Any, use_bias: bool, trainable: bool) -> None:
        names = [None, *ACTIVATIONS]
        self.activation_function = checks.one_of(activation_function, "activation_function", names)
        self.use_bias = bool(use_bias)
        self.trainable = bool(trainable)
        self.initial: list[Array] = []
        self.trained: list[Array] = []

    def link(self, previous_layer: Layer) -> None:
        super().link(previous_layer)
        self.draw(np.random.default_rng())

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
        self.initial = self.init(rng)
        self.trained = [values.copy() for values in self.initial]

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
        self.trained[index][...] = checks.finite(checks.shaped(values, name, shape, "values"), name)


class Input2D(Layer):
    """The input of a network of images (height, width, channels); two numbers mean one channel."""

    arguments = ("input_shape",)

    def __init__(self, input_shape: Any, logger: logging.Logger | None = None) -> None:
        sizes = tuple(input_shape) if np.iterable(input_shape) else (input_shape,)
        if len(sizes) not in (2, 3):
            raise ValueError(
                f"input_shape must be (height, width) or (height, width, channels), "
                f"not {input_shape!r}" + ("; for flat inputs use Input1D" if len(sizes) == 1 else "")
            )
        super().__init__(None, logger)
        height, width, *channels = (checks.whole(size, "input_shape") for size in sizes)
        self.input_shape: MapShape = (height, width, channels[0] if channels else 1)
        self.layer_output_size = self.input_shape

    def link(self, previous_layer: Layer) -> None:
        raise ValueError(f"{self} cannot follow {previous_layer}: an input comes first")


class Input1D(Layer):
    """The input of a dense-only network: `num_inputs` numbers a sample."""

    arguments = ("num_inputs",)

    def __init__(self, num_inputs: int, logger: logging.Logger | None = None) -> None:
        super().__init__(None, logger)
        self.num_inputs = checks.whole(num_inputs, "num_inputs")
        self.layer_output_size = self.num_inputs

    link = Input2D.link


class WindowedLayer(Layer):
    """A layer that moves a window over maps, `rows` down and `columns` across."""

    rows: Window
    columns: Window
    _amounts: tuple[int | str, int | str] = (0, 0)

    def _set_window(self, size: Any, name: str, stride: Any, dilation: Any, padding: Any) -> None:
        sizes, strides = checks.pair(size, name), checks.pair(stride, "stride")
        dilations = checks.pair(dilation, "dilation")
        self.rows = Window(sizes[0], strides[0], dilations[0])
        self.columns = Window(sizes[1], strides[1], dilations[1])
        self.stride = stride
        self.padding = padding
        if isinstance(padding, str):
            checks.one_of(padding, "padding", ["valid", "same"])
            self._amounts = padding, padding
        else:
            self._amounts = checks.pair(padding, "padding", minimum=0)

    def margins(self, shape: MapShape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Padding (above, below), (left, right) of an input of this shape."""
        vertical = _margin(self._amounts[0], self.rows, shape[0])
        return vertical, _margin(self._amounts[1], self.columns, shape[1])

    @property
    def padded(self) -> bool:
        """Whether there is any padding of the layer's input."""
        return any(map(sum, self.margins(self.layer_input_size)))

    def positions(self, shape: Shape, previous: Layer) -> tuple[int, int]:
        """Rows and columns of the output."""
        height, width, channels = _maps(self, shape, previous)
        vertical, horizontal = self.margins((height, width, channels))
        padded = height + sum(vertical), width + sum(horizontal)
        rows, columns = self.rows.outputs(padded[0]), self.columns.outputs(padded[1])
        if rows < 1 or columns < 1:
            raise ValueError(
                f"{self} looks at {self.rows.reach + 1} x {self.columns.reach + 1} pixels, but "
                f"{previous} gives maps of {height} x {width} (with padding {padded[0]} x "
                f'{padded[1]}); make it smaller, or use padding="same"'
            )
        return rows, columns


def _margin(padding: int | str, window: Window, length: int) -> tuple[int, int]:
    if padding == "same":
        total = max(0, window.inputs(-(-length // window.stride)) - length)
        return total // 2, total - total // 2
    return (0, 0) if isinstance(padding, str) else (padding, padding)


def _maps(layer: Layer, shape: Shape, previous: Layer) -> MapShape:
    if isinstance(shape, tuple):
        return shape
    raise ValueError(
        f"{layer} needs maps (height, width, channels), but {previous} gives {shape} flat values; "
        "put it before Flatten"
    )


class Conv2D(WindowedLayer, WeightedLayer):
    """Convolution (cross-correlation) with `num_filters` filters, and an activation.

    kernel_size, stride, dilation: an integer or (vertical, horizontal). padding: "valid" (none),
    "same" (zeros, so that the output has ceil(input / stride) positions) or the number of zeros
    on each side. trained_weights has the shape (num_filters, kernel height, kernel width,
    channels), also called `filter_bank_size`. With trainable=False the weights are no genes.
    """

    arguments = (
        "num_filters",
        "kernel_size",
        "activation_function",
        "stride",
        "padding",
        "dilation",
        "use_bias",
        "trainable",
    )

    def __init__(
        self,
        num_filters: int,
        kernel_size: Any,
        previous_layer: Layer | None = None,
        activation_function: str | None = None,
        logger: logging.Logger | None = None,
        *,
        stride: Any = 1,
        padding: Any = "valid",
        dilation: Any = 1,
        use_bias: bool = True,
        trainable: bool = True,
    ) -> None:
        self.num_filters = checks.whole(num_filters, "num_filters")
        self.kernel_size = kernel_size
        self.dilation = dilation
        self._set_window(kernel_size, "kernel_size", stride, dilation, padding)
        self._set_weights(activation_function, use_bias, trainable)
        if activation_function == "softmax":
            raise ValueError(
                "activation_function of Conv2D cannot be 'softmax'; "
                "use it in the last Dense, or put a Softmax layer behind"
            )
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return (*self.positions(shape, previous), self.num_filters)

    @property
    def filter_bank_size(self) -> tuple[int, int, int, int]:
        """Shape of the weights: (num_filters, kernel height, kernel width, channels)."""
        return self.num_filters, self.rows.size, self.columns.size, self.layer_input_size[2]

    def weight_shapes(self) -> list[tuple[int, ...]]:
        return [self.filter_bank_size] + [(self.num_filters,)] * self.use_bias

    def fans(self) -> tuple[int, int]:
        area = self.rows.size * self.columns.size
        return area * self.layer_input_size[2], area * self.num_filters


class PoolingLayer(WindowedLayer):
    """A layer that reduces windows with np.maximum, or with np.add for an average."""

    reduce: ClassVar[np.ufunc]


class _Pooling2D(PoolingLayer):
    arguments = ("pool_size", "stride", "padding")
    def __init__(
        self,
        pool_size: Any,
        previous_layer: Layer | None = None,
        stride: Any = 2,
        logger: logging.Logger | None = None,
        *,
        padding: Any = "valid",
    ) -> None:
        self.pool_size = pool_size
        self._set_window(pool_size, "pool_size", stride, 1, padding)
        if not isinstance(padding, str):
            amounts = checks.pair(padding, "padding", 0)
            if amounts[0] >= self.rows.size or amounts[1] >= self.columns.size:
                raise ValueError(
                    f"padding of {type(self).__name__} must be smaller than pool_size "
                    f"{pool_size!r}, not {padding!r}: a window must hold at least one pixel"
                )
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return (*self.positions(shape, previous), _maps(self, shape, previous)[2])


class MaxPooling2D(_Pooling2D):
    """Largest value of each window; floor((H - pool_size) / stride) + 1 rows.

    pool_size, stride: an integer or (vertical, horizontal); padding: "valid", "same" or a number.
    Padding is never the largest.
    """

    reduce = np.maximum


class AveragePooling2D(_Pooling2D):
    """Mean of each window; floor((H - pool_size) / stride) + 1 rows.

    pool_size, stride: an integer or (vertical, horizontal); padding: "valid", "same" or a number.
    The mean is over the pixels that exist, as in Keras: padding is not counted.
    """

    reduce = np.add


class _GlobalPooling2D(PoolingLayer):
    @property
    def rows(self) -> Window:  # type: ignore[override] # follows from the input
        return Window(self.layer_input_size[0])

    @property
    def columns(self) -> Window:  # type: ignore[override]
        return Window(self.layer_input_size[1])

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return _maps(self, shape, previous)[2]


class GlobalMaxPooling2D(_GlobalPooling2D):
    """Largest value of each channel: maps (height, width, channels) become `channels` values."""

    reduce = np.maximum


class GlobalAveragePooling2D(_GlobalPooling2D):
    """Mean of each channel: maps (height, width, channels) become `channels` values."""

    reduce = np.add


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
        negative_slope: float = 0.01,
    ) -> None:
        slope = checks.real(negative_slope, "negative_slope")
        if slope.ndim or not 0 <= slope <= 1:
            raise ValueError(f"negative_slope must be a number from 0 to 1, not {negative_slope!r}")
        self.negative_slope = float(slope)
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


LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Input2D, Input1D, Conv2D, MaxPooling2D, AveragePooling2D, GlobalMaxPooling2D,
        GlobalAveragePooling2D, Flatten, Dense, ReLU, LeakyReLU, Sigmoid, Tanh, Step, Softmax,
    )
}  # fmt: skip
