"""Networks in plain loops over output positions, in float64, for tests to compare with."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import cnn
from cnn.layers.convolution import ConvolvingLayer
from cnn.layers.elementwise import ActivationLayer
from cnn.layers.layer import Layer
from cnn.layers.pooling import GlobalPoolingLayer, PoolingLayer
from cnn.layers.weighted import WeightedLayer

Array = NDArray[Any]


def assert_close(got: ArrayLike, wanted: ArrayLike, tolerance: float = 1e-5) -> None:
    """Differences are at most `tolerance` of the largest number that is wanted, or of 1."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance * max(1, np.abs(wanted).max())


def population(model: cnn.Model, X: Array, vectors: Array) -> Array:
    """Outputs (P, N, …) of a population, member by member and layer by layer."""
    return np.stack([network(model, X, vector) for vector in vectors])


def network(model: cnn.Model, X: Array, vector: Array) -> Array:
    """Outputs (N, …) of one network whose trainable weights are in `vector`."""
    rest, values = vector.astype(np.float64), X.astype(np.float64)
    for each in model.get_layers():
        weights: list[Array] = []
        if isinstance(each, WeightedLayer) and not each.trainable:
            weights = [array.astype(np.float64) for array in each.trained]
        elif isinstance(each, WeightedLayer):
            for shape in each.weight_shapes():
                part, rest = np.split(rest, [math.prod(shape)])
                weights.append(part.reshape(shape))
        values = layer(each, values, *weights)
    assert rest.size == 0
    return values


def layer(spec: Layer, x: Array, *weights: Array) -> Array:
    """Output of one layer for inputs (N, height, width, channels) or (N, values).

    Series (N, length, channels) are maps of one column, and filters along them too.
    """
    if isinstance(spec, cnn.Standardization):
        return (x + weights[1]) * weights[0]
    if x.ndim == 3 and not isinstance(spec, cnn.Flatten):
        filters = [array[:, :, None] for array in weights[:1]]
        y = layer(spec, x[:, :, None], *filters, *weights[1:])
        return y[:, :, 0] if y.ndim == 4 else y
    if isinstance(spec, WeightedLayer):
        y = conv(spec, x, weights[0]) if isinstance(spec, ConvolvingLayer) else x @ weights[0]
        return activate(spec.activation_function, y + weights[1] if spec.use_bias else y)
    if isinstance(spec, ActivationLayer):
        return activate(spec.name, x, getattr(spec, "negative_slope", 0.01))
    if isinstance(spec, PoolingLayer):
        y = pool(spec, x)
        return y if isinstance(spec.layer_output_size, tuple) else y[:, 0, 0]
    assert isinstance(spec, cnn.Flatten)
    return x.reshape(len(x), -1)


def activate(name: str | None, x: Array, slope: float = 0.01) -> Array:
    with np.errstate(over="ignore"):
        exp = np.exp(x - x.max(-1, keepdims=True))
        functions = {
            None: x,
            "relu": np.where(x > 0, x, 0),
            "leaky_relu": np.where(x > 0, x, slope * x),
            "sigmoid": 1 / (1 + np.exp(-x)),
            "tanh": np.tanh(x),
            "step": np.sign(x),
            "square_root": np.sqrt(np.maximum(x, 0)),
            "softmax": exp / exp.sum(-1, keepdims=True),
        }
    return functions[name]


def conv(spec: ConvolvingLayer, x: Array, filters: Array) -> Array:
    terms = "nhwc,hwc->nc" if isinstance(spec, cnn.DepthwiseConv2D) else "nhwc,fhwc->nf"
    return np.moveaxis(windows(spec, x, 0.0, lambda part: np.einsum(terms, part, filters)), 2, 0)


def pool(spec: PoolingLayer, x: Array) -> Array:
    reduce = np.nanmax if spec.reduction == "max_pool" else np.nanmean
    return np.moveaxis(windows(spec, x, np.nan, lambda part: reduce(part, axis=(1, 2))), 2, 0)


def windows(spec: Any, x: Array, fill: float, function: Any) -> Array:
    """Results (rows, columns, N, channels) of a function of every window of the padded maps."""
    size, stride, dilation, padding = geometry(spec, x.shape[1:3])
    x = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=fill)
    reach = [dilation[axis] * (size[axis] - 1) + 1 for axis in (0, 1)]
    starts = [range(0, x.shape[1 + axis] - reach[axis] + 1, stride[axis]) for axis in (0, 1)]
    return np.array(
        [
            [
                function(x[:, r : r + reach[0] : dilation[0], c : c + reach[1] : dilation[1]])
                for c in starts[1]
            ]
            for r in starts[0]
        ]
    )


def geometry(spec: Any, lengths: tuple[int, ...]) -> tuple[Any, Any, Any, Any]:
    """Size, stride, dilation, padding ((above, below), (left, right)), from what the user gave."""
    if isinstance(spec, GlobalPoolingLayer):
        return lengths, (1, 1), (1, 1), ((0, 0), (0, 0))

    def sizes(value: Any, across: int = 1) -> Any:
        return (value, across) if spec.axes == 1 else both(value)

    size = sizes(spec.kernel_size if isinstance(spec, ConvolvingLayer) else spec.pool_size)
    stride, dilation = sizes(spec.stride), sizes(getattr(spec, "dilation", 1))
    if spec.padding == "valid":
        return size, stride, dilation, ((0, 0), (0, 0))
    if spec.padding != "same":
        return size, stride, dilation, tuple((amount, amount) for amount in sizes(spec.padding, 0))
    totals = [
        max(0, (math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n)
        for n, k, s, d in zip(lengths, size, stride, dilation, strict=True)
    ]
    return size, stride, dilation, tuple((total // 2, total - total // 2) for total in totals)


def both(value: Any) -> Any:
    return tuple(value) if isinstance(value, tuple | list) else (value, value)
