"""The layers that convolve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from cnn import checks
from cnn.layers.layer import Kind, Layer, Shape
from cnn.layers.weighted import WeightedLayer
from cnn.layers.windowed import WindowedLayer
from cnn.types import Padding, Size


class ConvolvingLayer(WindowedLayer, WeightedLayer):
    """A layer whose weights are kernels that are moved over maps or series, and an activation."""

    def _set_kernel(
        self,
        kernel_size: Any,
        activation_function: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        **of_weights: Any,
    ) -> None:
        self.kernel_size = self._sizes(kernel_size, "kernel_size")
        self.dilation = self._sizes(dilation, "dilation")
        self._set_window(kernel_size, "kernel_size", stride, dilation, padding)
        self._set_weights(activation_function, **of_weights)
        if activation_function == "softmax":
            raise ValueError(
                f"activation_function of {type(self).__name__} cannot be 'softmax'; "
                "use it in the last Dense, or put a Softmax layer behind"
            )


class Convolution(ConvolvingLayer):
    """Convolution (cross-correlation) of maps or series, and an activation."""

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
        of_weights = {"use_bias": use_bias, "trainable": trainable, "weights": weights}
        self._set_kernel(kernel_size, activation_function, stride, padding, dilation, **of_weights)
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return (*self.positions(shape, previous), self.num_filters)  # type: ignore[return-value]

    @property
    def filter_bank_size(self) -> tuple[int, ...]:
        """Shape of the weights: num_filters, the size of the kernel, and channels."""
        size = (self.rows.size, self.columns.size)[: self.axes]
        return (self.num_filters, *size, self.layer_input_size[-1])

    def weight_shapes(self) -> list[tuple[int, ...]]:
        return [self.filter_bank_size] + [(self.num_filters,)] * self.use_bias

    def fans(self) -> tuple[int, int]:
        area = self.rows.size * self.columns.size
        return area * self.layer_input_size[-1], area * self.num_filters


class Conv2D(Convolution):
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


class Conv1D(Convolution):
    """Convolution (cross-correlation) along series (length, channels), and an activation.

    `trained_weights` has the shape (num_filters, kernel_size, channels), also called
    `filter_bank_size`.

    Args:
        num_filters: channels of the output.
        kernel_size: steps that a filter sees.
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        activation_function: "relu", "leaky_relu", "sigmoid", "tanh", "step", or None: linear. For
            "softmax" put a `Softmax` behind.
        logger: kept, as in pygad.cnn; layers log nothing.
        stride: steps from one position to the next.
        padding: "valid", none; "same", zeros at the ends, so that there are ceil(input / stride)
            positions; or the number of zeros at each end.
        dilation: steps from one tap of a filter to the next.
        use_bias: whether there is a bias for each filter; it begins at 0.
        trainable: whether the weights are in the model's vector, to be evolved.
        weights: (weights, bias) to begin with, or (weights,) without a bias; None draws them.

    Raises:
        ValueError: where the kernel is longer than the padded series, or there is no series.

    Examples:
        >>> model = cnn.Model(
        ...     [
        ...         cnn.Input1D((100, 3)),
        ...         cnn.Conv1D(8, 5, activation_function="relu"),
        ...         cnn.MaxPooling1D(2),
        ...         cnn.GlobalAveragePooling1D(),
        ...         cnn.Dense(4, activation_function="softmax"),
        ...     ]
        ... )
        >>> model.forward(np.zeros((10, 100, 3))).shape
        (10, 4)
    """

    axes = 1


class DepthwiseConv2D(ConvolvingLayer):
    """Convolution of each channel by a kernel of its own, and an activation.

    It has a tenth and less of the weights of a `Conv2D`. With a Conv2D of one pixel behind, which
    mixes the channels, it is a separable convolution (Chollet 2017, arXiv:1610.02357; Howard et al.
    2017, MobileNets, arXiv:1704.04861). `trained_weights` has the shape (kernel height, kernel
    width, channels).

    Args:
        kernel_size: rows and columns that a kernel sees: one integer, or (vertical, horizontal).
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        activation_function: "relu", "leaky_relu", "sigmoid", "tanh", "step", or None: linear. For
            "softmax" put a `Softmax` behind.
        logger: kept, as in pygad.cnn; layers log nothing.
        stride: pixels from one position to the next: an integer, or two.
        padding: "valid", none; "same", zeros around, so that there are ceil(input / stride)
            positions; or the number of zeros on each side: an integer, or two.
        dilation: pixels from one tap of a kernel to the next: an integer, or two.
        use_bias: whether there is a bias for each channel; it begins at 0.
        trainable: whether the weights are in the model's vector, to be evolved.
        weights: (weights, bias) to begin with, or (weights,) without a bias; None draws them.

    Raises:
        ValueError: where the kernel is larger than the padded maps, or there are no maps.

    Examples:
        >>> separable = [
        ...     cnn.DepthwiseConv2D(3, padding="same"),
        ...     cnn.Conv2D(32, 1, activation_function="relu"),
        ... ]
        >>> cnn.Model([cnn.Input2D((14, 14, 16)), *separable]).num_weights
        704
        >>> cnn.Model([cnn.Input2D((14, 14, 16)), cnn.Conv2D(32, 3)]).num_weights
        4640
    """

    is_for_both = False
    product = Kind.DEPTHWISE
    unit_axis = -1
    arguments = (
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
        of_weights = {"use_bias": use_bias, "trainable": trainable, "weights": weights}
        self._set_kernel(kernel_size, activation_function, stride, padding, dilation, **of_weights)
        super().__init__(previous_layer, logger)

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        channels = self._maps(shape, previous)[2]
        return (*self.positions(shape, previous), channels)  # type: ignore[return-value]

    def weight_shapes(self) -> list[tuple[int, ...]]:
        channels = self.layer_input_size[2]
        return [(self.rows.size, self.columns.size, channels)] + [(channels,)] * self.use_bias

    def fans(self) -> tuple[int, int]:
        area = self.rows.size * self.columns.size
        return area, area
