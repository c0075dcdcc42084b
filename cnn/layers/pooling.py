"""The layers that reduce windows, or whole maps, to a number."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import ClassVar

from cnn.layers.layer import Kind, Layer, Operation, Shape
from cnn.layers.window import Window
from cnn.layers.windowed import WindowedLayer
from cnn.types import Padding, Size


class PoolingLayer(WindowedLayer):
    """A layer that reduces every window to its largest value or to its mean."""

    reduction: ClassVar[Kind]

    def operations(self) -> Iterator[Operation]:
        yield Operation(self.reduction, self)
        if isinstance(self.layer_output_size, int):
            yield Operation(Kind.FLATTEN, self)


class _Pooling(PoolingLayer):
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
        self.pool_size = self._sizes(pool_size, "pool_size")
        self._set_window(pool_size, "pool_size", stride, 1, padding)
        if not isinstance(padding, str):
            amounts = self._pair(padding, "padding", 0)
            if amounts[0] >= self.rows.size or amounts[1] >= self.columns.size:
                what = "a pixel" if self.axes == 2 else "a step"
                raise ValueError(
                    f"padding of {type(self).__name__} must be smaller than pool_size "
                    f"{pool_size!r}, not {padding!r}: a window must hold {what} at least"
                )
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        channels = self._maps(shape, previous)[2]
        return (*self.positions(shape, previous), channels)  # type: ignore[return-value]


class MaxPooling2D(_Pooling):
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


class AveragePooling2D(_Pooling):
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


class MaxPooling1D(_Pooling):
    """Largest value of each window along series; floor((length - pool_size) / stride) + 1 steps.

    Args:
        pool_size: steps of the window.
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        stride: steps from one position to the next; 2 where none is given, whatever the pool_size.
        logger: kept, as in pygad.cnn; layers log nothing.
        padding: "valid", none; "same", so that there are ceil(input / stride) positions; or how
            much at each end, less than the window. Padding is never the largest.

    Raises:
        ValueError: where the window is longer than the padded series, or there is no series.

    Examples:
        >>> cnn.MaxPooling1D(2, cnn.Input1D((100, 8))).layer_output_size
        (50, 8)
    """

    axes = 1
    reduction = Kind.MAX_POOL


class AveragePooling1D(_Pooling):
    """Mean of each window along series; floor((length - pool_size) / stride) + 1 steps.

    Args:
        pool_size: steps of the window.
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        stride: steps from one position to the next; 2 where none is given, whatever the pool_size.
        logger: kept, as in pygad.cnn; layers log nothing.
        padding: "valid", none; "same", so that there are ceil(input / stride) positions; or how
            much at each end, less than the window. The mean is over
            the steps that exist: padding is not counted.

    Raises:
        ValueError: where the window is longer than the padded series, or there is no series.

    Examples:
        >>> cnn.AveragePooling1D(2, cnn.Input1D((100, 8))).layer_output_size
        (50, 8)
    """

    axes = 1
    reduction = Kind.AVERAGE_POOL


class GlobalPoolingLayer(PoolingLayer):
    """A layer that reduces each channel to its largest value or to its mean."""

    @property
    def rows(self) -> Window:  # type: ignore[override] # follows from the input
        return Window(self.input_maps[0])

    @property
    def columns(self) -> Window:  # type: ignore[override]
        return Window(self.input_maps[1])

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return self._maps(shape, previous)[2]


class GlobalMaxPooling2D(GlobalPoolingLayer):
    """Largest value of each channel: maps (height, width, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalMaxPooling2D(cnn.Input2D((7, 7, 16))).layer_output_size
        16
    """

    reduction = Kind.MAX_POOL


class GlobalAveragePooling2D(GlobalPoolingLayer):
    """Mean of each channel: maps (height, width, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalAveragePooling2D(cnn.Input2D((7, 7, 16))).layer_output_size
        16
    """

    reduction = Kind.AVERAGE_POOL


class GlobalMaxPooling1D(GlobalPoolingLayer):
    """Largest value of each channel: series (length, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalMaxPooling1D(cnn.Input1D((100, 16))).layer_output_size
        16
    """

    axes = 1
    reduction = Kind.MAX_POOL


class GlobalAveragePooling1D(GlobalPoolingLayer):
    """Mean of each channel: series (length, channels) become `channels` values.

    Examples:
        >>> cnn.GlobalAveragePooling1D(cnn.Input1D((100, 16))).layer_output_size
        16
    """

    axes = 1
    reduction = Kind.AVERAGE_POOL
