"""What the conversions of models to and from other libraries share."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from cnn import checks
from cnn.layers.convolution import ConvolvingLayer
from cnn.layers.elementwise import ActivationLayer
from cnn.layers.layer import Layer, Shape, maps_of
from cnn.layers.network import check_known
from cnn.layers.weighted import WeightedLayer
from cnn.layers.windowed import WindowedLayer
from cnn.model import Model

Margins = tuple[tuple[int, int], tuple[int, int]]


class Converted:
    """The layers converted so far, from the input on: each is linked and has its weights."""

    def __init__(self, input_layer: Layer) -> None:
        self.last = input_layer

    def add(self, layer: Layer, *weights: Any) -> None:
        """Put a layer behind the others, with copies of its weights and its bias."""
        layer.link(self.last)
        if isinstance(layer, WeightedLayer):
            arrays = [np.array(each, np.float32, order="C") for each in weights]
            for array, shape in zip(arrays, layer.weight_shapes(), strict=True):
                if array.shape != shape:
                    raise ValueError(
                        f"its weights, here of the shape {array.shape}, would have to be {shape} "
                        f"for an input of {layer.layer_input_size}; check input_shape"
                    )
                checks.finite(array, "weights")
            layer.fill(arrays, [array.copy() for array in arrays])
        self.last = layer

    def activate(self, layer: ActivationLayer) -> None:
        """Add an activation: as that of the Conv2D or Dense before it, where it can be one."""
        before = self.last
        by_name = repr(layer) == f"{type(layer).__name__}()"  # all its settings are defaults
        if (
            by_name
            and isinstance(before, WeightedLayer)
            and "activation_function" in before.arguments
            and before.activation_function is None
            and not (isinstance(before, ConvolvingLayer) and layer.name == "softmax")
        ):
            self.last = before.with_activation(layer.name)
        else:
            self.add(layer)


def imported(package: str, function: str) -> Any:
    """Return an optional package; ImportError with the pip line where it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(f"{function} needs {package}: pip install {package}") from error


def is_plainly(value: Any, kind: type, method: str) -> bool:
    """Tell whether it is of this kind, or of a class that does not change what the method does."""
    return isinstance(value, kind) and getattr(type(value), method) is getattr(kind, method)


@runtime_checkable
class HasModel(Protocol):
    """What can be exported like a model: a fitted estimator of gacnn, or a class of one's own."""

    def as_model(self) -> Model:
        """Return a network that does all of it, from the inputs that it takes itself."""
        ...


def checked_model(model: Any) -> Model:
    """Return the model with layers that show its own weights; TypeError for anything else."""
    if isinstance(model, HasModel) and not isinstance(model, type):
        model = model.as_model()
    if not isinstance(model, Model):
        raise TypeError(
            f"model must be a cnn.Model, not {type(model).__name__}; a fitted estimator will do, "
            "and a gacnn.Result has one in result.model"
        )
    check_known(model.layers, "converted")
    return model.with_weights(model.weights)


@contextmanager
def converting(position: int | str, layer: Any) -> Iterator[None]:
    """Name the layer in the errors of its conversion."""
    try:
        yield
    except TypeError as error:
        raise TypeError(_failure(position, layer, error)) from error
    except ValueError as error:
        raise ValueError(_failure(position, layer, error)) from error


def _failure(position: int | str, layer: Any, error: Exception) -> str:
    return f"layer {position}, {layer!r}, cannot be converted: {error}"


def neighbours(items: Sequence[Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield each item between the one before it and the one after it, None at the ends."""
    around = [None, *items, None]
    return zip(around, items, around[2:], strict=False)


def size(value: Any) -> int | tuple[int, int]:
    """Return the integer that stands for both of two equal ones, or for one, or the two."""
    sizes = tuple(value) if np.iterable(value) else (value,)
    return sizes[0] if len(set(sizes)) == 1 else sizes


def over_whole_maps(kind: Callable[..., WindowedLayer], shape: Shape) -> WindowedLayer:
    """Return a pooling of this kind that makes one pixel of maps, or one step of series."""
    return kind(size(shape[:-1]) if isinstance(shape, tuple) else 1, stride=1)


def with_margins(
    make: Callable[..., WindowedLayer], margins: Margins, shape: Shape
) -> WindowedLayer:
    """Return the layer that make(padding=…) gives with these margins for maps of this shape.

    Raises ValueError where no padding gives them: they must be equal on both sides, or "same".
    """
    if isinstance(shape, int):
        return make()  # which says what is wrong when it is linked
    (top, bottom), (left, right) = margins
    paddings: list[Any] = ["valid", "same"]
    if top == bottom and left == right:
        paddings.insert(1, size((top, left)[: len(shape) - 1]))
    for padding in paddings:
        layer = make(padding=padding)
        if layer.margins(maps_of(shape)) == margins:
            return layer
    if len(shape) == 2:
        raise ValueError(
            f"it pads {top} steps before and {bottom} behind, but here padding is the same on both "
            'sides, or as "same" has it: change it to that'
        )
    raise ValueError(
        f"it pads {top} rows above, {bottom} below, {left} columns to the left and {right} to the "
        'right, but here padding is the same on both sides, or as "same" has it: change it to that'
    )
