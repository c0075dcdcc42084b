"""What all layers are: specifications of shapes and operations, checked when built.

A layer holds no function of any array library; engines know how its operations are done. Its
weights belong to the model, which hands them to the engine as arguments; `initial_weights`,
`trained_weights` and `layer_output` are there for users who read them, as in pygad.cnn.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from cnn import checks
from cnn.layers.activation import Activation
from cnn.types import Array

MapShape = tuple[int, int, int]
Shape = MapShape | tuple[int, int] | int
"""(height, width, channels) of maps, (length, channels) of series, or how many flat values."""


def maps_of(shape: Shape) -> MapShape:
    """Return the shape of maps, which series are too: of one column, (length, 1, channels)."""
    assert isinstance(shape, tuple)
    return shape if len(shape) == 3 else (shape[0], 1, shape[1])


class Kind(StrEnum):
    """What operations do; an engine of one's own may know others, by any string."""

    CONVOLVE = "convolve"
    DEPTHWISE = "depthwise"
    DENSE = "dense"
    BIAS = "bias"
    SCALE = "scale"
    ACTIVATE = "activate"
    MAX_POOL = "max_pool"
    AVERAGE_POOL = "average_pool"
    FLATTEN = "flatten"


class Operation(NamedTuple):
    """A part of what a layer does, in words that every engine understands.

    As a layer gives them, inputs count back from the operation, -1 is the one before, and weights
    are those of the layer; `cnn.engines.operations.listed` counts them through a network.

    Attributes:
        kind: what it does: a `Kind`, or a string that an engine of one's own knows.
        layer: the layer that it is a part of.
        inputs: the operations whose results it reads.
        weights: the weight arrays that it takes.
        activation: that of an ACTIVATE; None otherwise.
    """

    kind: str
    layer: Layer
    inputs: tuple[int, ...] = (-1,)
    weights: tuple[int, ...] = ()
    activation: Activation | None = None


class Layer:
    """What all layers share: the layer before, the shapes in and out, the latest output.

    A layer of one's own has its constructor's `arguments`, an `output_shape` and `operations`.
    Settings are given when a layer is made, and stay.

    `layer_input_size` and `layer_output_size` are (height, width, channels), (length, channels) of
    series, or an integer where the values are flat; None until the layer is linked to a previous
    one.
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    """Names of the constructor's settings, which are attributes: repr, save and copy use them."""
    _is_placed = False  # in a model, which is built on where it is

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Refuse arguments that there are not, with the name of what is meant."""
        known = _parameters(cls)  # type: ignore[arg-type] # mypy: a class is no Hashable
        for name in settings:
            if known and name not in known:
                raise TypeError(
                    f"{cls.__name__} has no argument {name!r}; it takes {', '.join(known)}"
                    + (_CURES.get(name) or checks.nearest(name, known, _WORDS))
                )
        return super().__new__(cls)

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
        name = type(self).__name__
        raise NotImplementedError(f"{name} does not say what it gives; give it output_shape()")

    def operations(self) -> Iterator[Operation]:
        """Yield what the layer does, for the engines."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} does not say what it does; give it operations()")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.arguments and name in self.__dict__:
            raise AttributeError(
                f"{name} of {self} cannot be changed to {value!r} once the layer is made: networks "
                f"are built on it; make another layer, {type(self).__name__}(…, {name}={value!r}), "
                "and give the list of layers to cnn.Model, which keeps the weights of the others"
            )
        if self._is_placed and name in _PLACE:
            raise AttributeError(
                f"{name} of {self} cannot be changed once a model is built of the layer: give a "
                "list of layers in their new order to cnn.Model, which copies them"
            )
        super().__setattr__(name, value)

    def place(self) -> None:
        """Stay where it is from now on, because a model is built of it."""
        self._is_placed = True

    def copy_behind(self, previous_layer: Layer | None) -> Self:
        """Return a copy of a layer of a model, behind the copy of the one before it."""
        twin = copy.copy(self)
        twin.__dict__["previous_layer"] = previous_layer
        return twin

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


_PLACE = ("previous_layer", "layer_input_size", "layer_output_size", "rows", "columns")
_WORDS = {  # of Keras and PyTorch, and what is meant
    **dict.fromkeys(("filters", "out_channels", "kernels"), "num_filters"),
    **dict.fromkeys(("units", "neurons", "out_features"), "num_neurons"),
    **dict.fromkeys(("activation", "nonlinearity"), "activation_function"),
    **dict.fromkeys(("strides",), "stride"),
    **dict.fromkeys(("dilation_rate", "dilations"), "dilation"),
    **dict.fromkeys(("kernel", "filter_size"), "kernel_size"),
    **dict.fromkeys(("pool", "window"), "pool_size"),
    **dict.fromkeys(("bias",), "use_bias"),
    **dict.fromkeys(("alpha", "slope"), "negative_slope"),
    **dict.fromkeys(("shape", "input_size"), "input_shape"),
    **dict.fromkeys(("input_layer", "previous", "input"), "previous_layer"),
}
_TAKEN = "; the layer takes that from the one before it: leave it out"
_CURES = {
    "input_shape": "; a network begins with Input2D(input_shape), or Input1D, first in the list",
    **dict.fromkeys(("in_channels", "in_features", "input_dim", "num_inputs"), _TAKEN),
}


@functools.cache
def _parameters(kind: type[Layer]) -> tuple[str, ...]:
    """Return the names of what makes a layer; none where any will do."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return ()
    return tuple(each.name for each in parameters if each.name != "self")


class Input2D(Layer):
    """The input of a network of images (height, width, channels); two numbers mean one channel.

    Examples:
        >>> cnn.Input2D((28, 28)).layer_output_size
        (28, 28, 1)
    """

    arguments = ("input_shape",)

    def __init__(self, input_shape: Any, logger: logging.Logger | None = None) -> None:
        known = isinstance(input_shape, list | tuple | np.ndarray) and np.iterable(input_shape)
        sizes = tuple(input_shape) if known else (input_shape,)
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

    def operations(self) -> Iterator[Operation]:
        yield from ()


class Input1D(Layer):
    """The input of a network of rows, `num_inputs` numbers each, or of series (length, channels).

    Examples:
        >>> cnn.Model([cnn.Input1D(4), cnn.Dense(3)]).num_weights
        15
        >>> cnn.Conv1D(8, 5, cnn.Input1D((100, 3))).layer_output_size
        (96, 8)
    """

    arguments = ("num_inputs",)

    def __init__(
        self, num_inputs: int | Sequence[int], logger: logging.Logger | None = None
    ) -> None:
        super().__init__(None, logger)
        if np.iterable(num_inputs) and not isinstance(num_inputs, str):
            sizes = [checks.whole(size, "num_inputs") for size in num_inputs]
            if len(sizes) != 2:
                raise ValueError(
                    "num_inputs must be one integer, or (length, channels) of series, not "
                    f"{num_inputs!r}" + ("; for images use Input2D" if len(sizes) == 3 else "")
                )
            self.num_inputs: int | tuple[int, int] = (sizes[0], sizes[1])
        else:
            self.num_inputs = checks.whole(num_inputs, "num_inputs")
        self.layer_output_size = self.num_inputs

    link = Input2D.link
    operations = Input2D.operations


class Flatten(Layer):
    """Maps (height, width, channels), or series (length, channels), as one row, in that order.

    Examples:
        >>> cnn.Flatten(cnn.Input2D((4, 4, 3))).layer_output_size
        48
    """

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return shape if isinstance(shape, int) else math.prod(shape)

    def operations(self) -> Iterator[Operation]:
        if isinstance(self.layer_input_size, tuple):
            yield Operation(Kind.FLATTEN, self)
