"""The program of a network: the kernel calls it needs, worked out once from the shapes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.engines.numpy import kernels
from cnn.engines.operations import check_chain, unknown
from cnn.layers.activation import Activation
from cnn.layers.layer import Kind, Layer, MapShape, Operation, Shape, maps_of
from cnn.layers.window import Window
from cnn.layers.windowed import WindowedLayer
from cnn.types import AnyArray, Array

LOWEST = float(np.finfo(np.float32).min)

_POOLS = {Kind.MAX_POOL: np.maximum, Kind.AVERAGE_POOL: np.add}
_PRODUCTS = Kind.CONVOLVE, Kind.DEPTHWISE, Kind.DENSE
_WINDOWED = Kind.CONVOLVE, Kind.DEPTHWISE, *_POOLS
FULL = 16  # rows that a matrix product needs to run at full speed
_ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "relu": kernels.relu,
    "leaky_relu": kernels.leaky_relu,
    "sigmoid": kernels.sigmoid,
    "tanh": kernels.tanh,
    "step": kernels.step,
    "square_root": kernels.square_root,
    "softmax": kernels.softmax,
    "log_softmax": kernels.log_softmax,
    "log_sigmoid_pair": kernels.log_sigmoid_pair,
}


class Part(NamedTuple):
    """An operation with its kernel; bias, activation and pooling can change places."""

    kind: str
    layer: Layer
    apply: Callable[..., Array] | None = None
    weights: int | None = None  # index of the weight array that it takes
    monotone: bool = False


class Step(NamedTuple):
    """One kernel call; `floats` counts what it returns for one image and one member.

    filters: rows of the matrix product that it is for one member, or as many as are enough.
    """

    run: Callable[..., Array]
    weights: int | None
    floats: int
    filters: int = FULL


class Program(NamedTuple):
    """The steps of a network: those from `flat` on take features, the last `closing` no weights."""

    enter: Callable[[AnyArray], Array]
    steps: tuple[Step, ...]
    flat: int
    closing: int
    floats: int  # of an image that enters
    input_shape: Shape


class Extent(NamedTuple):
    """Rows, phases and columns that an operation needs of its input maps."""

    rows: int
    phases: int
    columns: int

    @property
    def floats(self) -> int:
        """Numbers of a channel of an image."""
        return self.rows * self.phases * self.columns

    def before(self, rows: Window, columns: Window) -> Extent:
        """What a window over those axes reads to produce this extent."""
        return Extent(
            rows.inputs(self.rows),
            self.phases * columns.stride,
            kernels.phase_columns(columns, self.columns, self.phases),
        )


def lower(operations: Sequence[Operation], input_shape: Shape) -> Program:
    """Work out the program of a chain of operations on inputs of this shape.

    Raises ValueError for an operation that this engine does not know.
    """
    check_chain(operations, "numpy")
    parts = _reorder(_part(operation) for operation in operations)
    if isinstance(input_shape, int):
        enter: Callable[[AnyArray], Array] = kernels.enter_features
        floats = input_shape
        steps = [_flat_step(part) for part in parts]
        flat = 0
    else:
        ends = (place for place, part in enumerate(parts) if part.kind == Kind.FLATTEN)
        end = next(ends, len(parts))
        maps = maps_of(input_shape)
        last = _last_maps(parts, end, operations[-1].layer if operations else None, maps)
        extents = _extents(parts[:end], last)
        enter = partial(kernels.enter, **extents[0]._asdict())
        floats = extents[0].floats * maps[2]
        steps = list(_map_steps(parts[:end], extents, maps[2]))
        flat = len(steps) + (end < len(parts))  # behind what flattens
        steps += [_flat_step(part) for part in parts[end:]]
    return Program(enter, tuple(steps), flat, _closing(parts), floats, input_shape)


def _part(operation: Operation) -> Part:
    """Return an operation with the kernel that does it; ValueError for one without."""
    kind, layer, activation = operation.kind, operation.layer, operation.activation
    weights = operation.weights[0] if operation.weights else None
    if kind == Kind.BIAS:
        return Part(kind, layer, kernels.add_bias, weights, monotone=True)
    if kind == Kind.SCALE:
        return Part(kind, layer, kernels.scale_channels, weights)
    if kind == Kind.ACTIVATE and activation is not None and activation.name in _ACTIVATIONS:
        return Part(kind, layer, _kernel(activation), monotone=activation.monotone)
    if kind in (*_PRODUCTS, *_POOLS, Kind.FLATTEN):
        return Part(kind, layer, weights=weights)
    raise unknown(operation, "numpy")


def _kernel(activation: Activation) -> Callable[..., Array]:
    if activation.name == "leaky_relu":
        return partial(kernels.leaky_relu, negative_slope=activation.negative_slope)
    return _ACTIVATIONS[activation.name]


def _closing(parts: Sequence[Part]) -> int:
    """Number of activations of features at the end."""
    closing = itertools.takewhile(
        lambda each: each.kind == Kind.ACTIVATE and isinstance(each.layer.layer_output_size, int),
        reversed(parts),
    )
    return sum(1 for _ in closing)


def _reorder(parts: Iterable[Part]) -> list[Part]:
    """Do what is done for each number after pooling, when fewer are left.

    What is monotone commutes with max pooling, a bias with any, and so does the bias of
    relu(x + b) = max(x, -b) + b, where a mean of as many -b is -b: dead units shall give 0.
    """
    done: list[Part] = []
    for part in parts:
        place = len(done)
        if part.kind == Kind.MAX_POOL:
            while place and done[place - 1].monotone:
                place -= 1
        elif part.kind == Kind.AVERAGE_POOL:
            if _sums_exactly(part.layer) and (
                [each.apply for each in done[-2:]] == [kernels.add_bias, kernels.relu]
            ):
                bias, _ = done[-2:]
                done[-2:] = bias._replace(apply=kernels.clamp_at_bias, monotone=False), bias
                place -= 1
            elif done and done[-1].apply is kernels.add_bias:
                place -= 1
        done.insert(place, part)
    return done


def _sums_exactly(layer: Layer) -> bool:
    """Tell whether equal numbers in a window have a sum without rounding: two, and two of these."""
    assert isinstance(layer, WindowedLayer)
    return layer.rows.size <= 2 and layer.columns.size <= 2


def _last_maps(
    parts: Sequence[Part], end: int, last_layer: Layer | None, input_shape: MapShape
) -> MapShape:
    """Return the shape of the maps before the part at `end`, which flattens, or of the output."""
    last: Shape = input_shape
    if end < len(parts):
        flattens = parts[end].layer
        pools = any(part.kind in _POOLS and part.layer is flattens for part in parts)
        last = (1, 1, 1) if pools else flattens.layer_input_size
    elif last_layer is not None:
        last = last_layer.layer_output_size
    return maps_of(last)


def _extents(parts: Sequence[Part], last: MapShape) -> list[Extent]:
    """Extents before each part that works on maps and after the last, worked out from the end.

    Rows and columns that nothing reads are not computed.
    """
    extents = [Extent(last[0], 1, last[1])]
    for part in reversed(parts):
        extents.insert(0, _extent_before(part, extents[0]))
    return extents


def _extent_before(part: Part, after: Extent) -> Extent:
    layer = part.layer
    if part.kind not in _WINDOWED or not isinstance(layer, WindowedLayer):
        return after
    padded = after.before(*_windows(layer))
    height, width, _ = layer.input_maps
    if layer.padded:
        return Extent(height, padded.phases, -(-width // padded.phases))
    return padded


def _windows(layer: WindowedLayer) -> tuple[Window, Window]:
    """Windows down and across; the stride of a single position makes no difference, and is 1."""
    if isinstance(layer.layer_output_size, int):
        return layer.rows, layer.columns
    size = layer.output_maps
    return (
        layer.rows._replace(stride=1) if size[0] == 1 else layer.rows,
        layer.columns._replace(stride=1) if size[1] == 1 else layer.columns,
    )


def _map_steps(parts: Sequence[Part], extents: Sequence[Extent], channels: int) -> Iterator[Step]:
    for part, after in zip(parts, extents[1:], strict=True):
        layer = part.layer
        if part.apply is not None:
            yield Step(part.apply, part.weights, after.floats * channels)
            continue
        assert isinstance(layer, WindowedLayer)
        rows, columns = _windows(layer)
        if layer.padded:
            yield _pad_step(part, after.before(rows, columns), channels)
        if part.kind == Kind.CONVOLVE:
            lower = partial(kernels.patches, rows=rows, columns=columns)
            yield Step(lower, None, _lowered(layer, after) * channels)
            channels = layer.output_maps[2]
            yield Step(kernels.convolve, part.weights, after.floats * channels, channels)
        elif part.kind == Kind.DEPTHWISE:
            lowered = rows.inputs(after.rows) * after.phases * after.columns * columns.size
            yield Step(partial(kernels.kernel_columns, columns=columns), None, lowered * channels)
            convolve = partial(kernels.convolve_channels, rows=rows)
            yield Step(convolve, part.weights, after.floats * channels)
        else:
            pool = partial(kernels.pool, rows=rows, columns=columns, reduce=_POOLS[Kind(part.kind)])
            yield Step(pool, None, after.floats * channels)
        if part.kind == Kind.AVERAGE_POOL:
            scale = partial(kernels.scale, factors=_shares(layer, after))
            yield Step(scale, None, after.floats * channels)


def _lowered(layer: WindowedLayer, after: Extent) -> int:
    """Numbers of a channel in the patches: each row once, or once a tap where it is dilated."""
    rows = layer.rows.inputs(after.rows)
    copies = 1 + layer.rows.size if layer.rows.dilation > 1 else 1
    return rows * copies * after.phases * after.columns * layer.columns.size


def _pad_step(part: Part, padded: Extent, channels: int) -> Step:
    layer = part.layer
    assert isinstance(layer, WindowedLayer)
    (above, _), (left, _) = layer.margins(layer.input_maps)
    run = partial(
        kernels.pad,
        width=layer.input_maps[1],
        before=(above, left),
        rows=padded.rows,
        columns=padded.columns,
        value=LOWEST if part.kind == Kind.MAX_POOL else 0,
    )
    return Step(run, None, padded.floats * channels)


def _shares(layer: WindowedLayer, after: Extent) -> Array | np.float32:
    """What the sums of an average pooling are multiplied by: 1 / number of pixels that exist."""
    if not layer.padded:
        return np.float32(1 / (layer.rows.size * layer.columns.size))
    (above, _), (left, _) = layer.margins(layer.input_maps)
    height, width, _ = layer.input_maps
    columns = np.arange(after.columns) * after.phases + np.arange(after.phases)[:, None]
    vertical = _pixels(layer.rows, np.arange(after.rows), above, height)
    horizontal = _pixels(layer.columns, columns, left, width)
    counts = vertical[None, :, None] * horizontal[:, None, :]
    shares: Array = (1 / counts).astype(np.float32)
    return shares[None, :, :, None, :, None]


def _pixels(window: Window, positions: NDArray[np.intp], before: int, length: int) -> AnyArray:
    """Number of pixels under a window at these positions, and 1 where there is none."""
    first = positions * window.stride - before
    last = np.minimum(first + window.size, length)
    pixels: AnyArray = np.maximum(last - np.maximum(first, 0), 1)
    return pixels


def _flat_step(part: Part) -> Step:
    run = part.apply or (kernels.dense if part.kind == Kind.DENSE else kernels.flatten)
    return Step(run, part.weights, part.layer.layer_output_size)
