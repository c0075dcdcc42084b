"""The layers that move a window over maps: convolution and pooling."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from cnn import checks
from cnn.layers.layer import Kind, Layer, MapShape, Operation, Shape
from cnn.layers.weighted import WeightedLayer
from cnn.layers.window import Window
from cnn.types import Padding, Size


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
        self.stride = checks.sizes(stride, "stride")
        if isinstance(padding, str):
            self.padding: Any = checks.one_of(padding, "padding", ["valid", "same"])
            self._amounts = padding, padding
        else:
            self.padding = checks.sizes(padding, "padding", minimum=0)
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
        "put it before Flatten, and begin with Input2D"
    )


class Conv2D(WindowedLayer, WeightedLayer):
    """Convolution (cross-correlation), and an activation.

    `trained_weights` has the shape (num_filters, kernel height, kernel width, channels), also
    called `filter_bank_size`.

    Args:
        num_filters: channels of the output.
        kernel_size: rows and columns that a filter sees: one integer, or (vertical, horizontal).
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        activation_function: "relu", "leaky_relu", "sigmoid", "tanh", "step", or None: linear. For
            "softmax" put a `Softmax` behind.
        logger: kept, as in pygad.cnn; layers log nothing.
        stride: pixels from one position to the next: an integer, or two.
        padding: "valid", none; "same", zeros around, so that there are ceil(input / stride)
            positions; or the number of zeros on each side: an integer, or two.
        dilation: pixels from one tap of a filter to the next: an integer, or two.
        use_bias: whether there is a bias for each filter; it begins at 0.
        trainable: whether the weights are in the model's vector, to be evolved.
        weights: (weights, bias) to begin with, or (weights,) without a bias, such as
            `cnn.patch_filters` returns; None draws them.

    Raises:
        ValueError: where the kernel is larger than the padded maps, or there are no maps.

    Examples:
        >>> conv = cnn.Conv2D(8, 5, cnn.Input2D((28, 28, 3)), stride=2, padding="same")
        >>> conv.layer_output_size, conv.filter_bank_size
        ((14, 14, 8), (8, 5, 5, 3))
    """

    product = Kind.CONVOLVE
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
        kernel_size: Size,
        previous_layer: Layer | None = None,
        activation_function: str | None = None,
        logger: logging.Logger | None = None,
        *,
        stride: Size = 1,
        padding: Padding = "valid",
        dilation: Size = 1,
        use_bias: bool = True,
        trainable: bool = True,
        weights: Sequence[ArrayLike] | None = None,
    ) -> None:
        self.num_filters = checks.whole(num_filters, "num_filters")
        self.kernel_size = checks.sizes(kernel_size, "kernel_size")
        self.dilation = checks.sizes(dilation, "dilation")
        self._set_window(kernel_size, "kernel_size", stride, dilation, padding)
        self._set_weights(activation_function, use_bias, trainable, weights)
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
    """A layer that reduces every window to its largest value or to its mean."""

    reduction: ClassVar[Kind]

    def operations(self) -> Iterator[Operation]:
        yield Operation(self.reduction, self)
        if isinstance(self.layer_output_size, int):
            yield Operation(Kind.FLATTEN, self)


class _Pooling2D(PoolingLayer):
    arguments = ("pool_size", "stride", "padding")

    def __init__(
        self,
        pool_size: Size,
        previous_layer: Layer | None = None,
        stride: Size = 2,
        logger: logging.Logger | None = None,
        *,
        padding: Padding = "valid",
    ) -> None:
        self.pool_size = checks.sizes(pool_size, "pool_size")
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

    Args:
        pool_size: rows and columns of the window: one integer, or (vertical, horizontal).
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        stride: pixels from one position to the next: an integer, or two; 2 where none is given, as
            in pygad, whatever the pool_size.
        logger: kept, as in pygad.cnn; layers log nothing.
        padding: "valid", none; "same", so that there are ceil(input / stride) positions; or how
            much on each side: an integer, or two, smaller than the window. Padding is
            never the largest.

    Raises:
        ValueError: where the window is larger than the padded maps, or there are no maps.

    Examples:
        >>> cnn.MaxPooling2D(2, cnn.Input2D((28, 28, 8))).layer_output_size
        (14, 14, 8)
    """

    reduction = Kind.MAX_POOL


class AveragePooling2D(_Pooling2D):
    """Mean of each window; floor((H - pool_size) / stride) + 1 rows.

    Args:
        pool_size: rows and columns of the window: one integer, or (vertical, horizontal).
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        stride: pixels from one position to the next: an integer, or two; 2 where none is given, as
            in pygad, whatever the pool_size.
        logger: kept, as in pygad.cnn; layers log nothing.
        padding: "valid", none; "same", so that there are ceil(input / stride) positions; or how
            much on each side: an integer, or two, smaller than the window. The mean
            is over the pixels that exist, as in Keras: padding is not counted.

    Raises:
        ValueError: where the window is larger than the padded maps, or there are no maps.

    Examples:
        >>> cnn.AveragePooling2D(2, cnn.Input2D((28, 28, 8))).layer_output_size
        (14, 14, 8)
    """

    reduction = Kind.AVERAGE_POOL


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
    """Largest value of each channel: maps (height, width, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalMaxPooling2D(cnn.Input2D((7, 7, 16))).layer_output_size
        16
    """

    reduction = Kind.MAX_POOL


class GlobalAveragePooling2D(_GlobalPooling2D):
    """Mean of each channel: maps (height, width, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalAveragePooling2D(cnn.Input2D((7, 7, 16))).layer_output_size
        16
    """

    reduction = Kind.AVERAGE_POOL
