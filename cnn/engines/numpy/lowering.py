"""The program of a network: the kernel calls it needs, worked out once from the shapes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn.engines.numpy import kernels
from cnn.engines.numpy.kernels import Array, Window
from cnn.layers.layer import (
    ACTIVATIONS,
    Activation,
    ActivationLayer,
    Layer,
    MapShape,
    Shape,
    WeightedLayer,
)
from cnn.layers.windowed import Conv2D, PoolingLayer, WindowedLayer

LOWEST = float(np.finfo(np.float32).min)


class Operation(NamedTuple):
    """What a layer does, in parts that can change places: bias, activation and pooling commute."""

    kind: str  # "convolve", "dense", "bias", "activate", "pool", "flatten"
    layer: Layer
    apply: Callable[..., Array] | None = None
    weights: int | None = None  # index of the weight array that it takes
    monotone: bool = False


class Step(NamedTuple):
    """One kernel call; `floats` counts what it returns for one image and one member."""

    run: Callable[..., Array]
    weights: int | None
    floats: int


class Program(NamedTuple):
    """The steps of a network; the last `closing` of them need no weights."""

    enter: Callable[[NDArray[Any]], Array]
    steps: tuple[Step, ...]
    closing: int
    floats: int  # of an image that enters


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
            columns.columns(self.columns, self.phases),
        )


def compile_program(chain: Sequence[Layer], *, logarithms: bool = False) -> Program:
    """Work out the program of linked layers, with or without their input layer.

    With `logarithms` it ends in log-probabilities: a last softmax, or a sigmoid of one neuron,
    is replaced by its logarithm, and any other end is taken as logits.
    """
    inner = [layer for layer in chain if layer.previous_layer is not None]
    shape: Shape = inner[0].layer_input_size if inner else chain[-1].layer_output_size
    operations = _reorder(_operations(inner))
    if logarithms:
        operations = _with_logarithms(operations, chain[-1])
    if isinstance(shape, int):
        enter: Callable[[NDArray[Any]], Array] = kernels.enter_features
        floats = shape
        steps = [_flat_step(operation) for operation in operations]
    else:
        end = next((i for i, op in enumerate(operations) if op.kind == "flatten"), len(operations))
        extents = _extents(operations[:end], operations[end : end + 1], inner, shape)
        enter = partial(kernels.enter, **extents[0]._asdict())
        floats = extents[0].floats * shape[2]
        steps = list(_map_steps(operations[:end], extents, shape[2]))
        steps += [_flat_step(operation) for operation in operations[end:]]
    return Program(enter, tuple(steps), _closing(operations), floats)


def _closing(operations: Sequence[Operation]) -> int:
    """Number of activations of features at the end."""
    closing = itertools.takewhile(
        lambda each: each.kind == "activate" and isinstance(each.layer.layer_output_size, int),
        reversed(operations),
    )
    return sum(1 for _ in closing)


def _operations(chain: Sequence[Layer]) -> Iterator[Operation]:
    position = 0
    for layer in chain:
        if isinstance(layer, WeightedLayer):
            convolves = isinstance(layer, Conv2D)
            yield Operation("convolve" if convolves else "dense", layer, weights=position)
            if layer.use_bias:
                yield Operation("bias", layer, kernels.add_bias, position + 1, monotone=True)
            if layer.activation_function is not None:
                yield _activation(layer, ACTIVATIONS[layer.activation_function])
            position += len(layer.weight_shapes())
        elif isinstance(layer, ActivationLayer):
            yield _activation(layer, layer.activation)
        elif isinstance(layer, PoolingLayer):
            yield Operation("pool", layer)
            if isinstance(layer.layer_output_size, int):
                yield Operation("flatten", layer)
        elif not isinstance(layer.layer_input_size, int):
            yield Operation("flatten", layer)


def _activation(layer: Layer, activation: Activation) -> Operation:
    return Operation("activate", layer, activation.apply, monotone=activation.monotone)


def _reorder(operations: Iterator[Operation]) -> list[Operation]:
    """Do what is done for each number after pooling, when fewer are left.

    What is monotone commutes with max pooling, a bias with any, and so does the bias of
    relu(x + b) = max(x, -b) + b, where a mean of as many -b is -b: dead units shall give 0.
    """
    done: list[Operation] = []
    for operation in operations:
        place = len(done)
        if isinstance(operation.layer, PoolingLayer) and operation.kind == "pool":
            if operation.layer.reduce is np.maximum:
                while place and done[place - 1].monotone:
                    place -= 1
            elif _sums_exactly(operation.layer) and (
                [each.apply for each in done[-2:]] == [kernels.add_bias, kernels.relu]
            ):
                bias, _ = done[-2:]
                done[-2:] = bias._replace(apply=kernels.clamp_at_bias, monotone=False), bias
                place -= 1
            elif done and done[-1].apply is kernels.add_bias:
                place -= 1
        done.insert(place, operation)
    return done


def _sums_exactly(layer: PoolingLayer) -> bool:
    """Tell whether equal numbers in a window have a sum without rounding: two, and two of these."""
    return layer.rows.size <= 2 and layer.columns.size <= 2


def _with_logarithms(operations: list[Operation], last: Layer) -> list[Operation]:
    ending = operations[-1].apply if operations else None
    if ending is kernels.sigmoid and last.layer_output_size == 1:
        return [*operations[:-1], operations[-1]._replace(apply=kernels.log_sigmoid_pair)]
    kept = operations[:-1] if ending is kernels.softmax else operations
    return [*kept, Operation("activate", last, kernels.log_softmax)]


def _extents(
    operations: Sequence[Operation],
    end: Sequence[Operation],
    chain: Sequence[Layer],
    shape: MapShape,
) -> list[Extent]:
    """Extents before each operation on maps and after the last, worked out from the end.

    Rows and columns that nothing reads are not computed.
    """
    last: Shape = chain[-1].layer_output_size if chain else shape
    if end:
        last = end[0].layer.layer_input_size
    if end and isinstance(end[0].layer, PoolingLayer):
        last = 1, 1, 1
    assert isinstance(last, tuple)
    extents = [Extent(last[0], 1, last[1])]
    for operation in reversed(operations):
        extents.insert(0, _extent_before(operation, extents[0]))
    return extents


def _extent_before(operation: Operation, after: Extent) -> Extent:
    layer = operation.layer
    if operation.kind not in ("convolve", "pool") or not isinstance(layer, WindowedLayer):
        return after
    padded = after.before(*_windows(layer))
    height, width, _ = layer.layer_input_size
    if layer.padded:
        return Extent(height, padded.phases, -(-width // padded.phases))
    return padded


def _windows(layer: WindowedLayer) -> tuple[Window, Window]:
    """Windows down and across; the stride of a single position makes no difference, and is 1."""
    size = layer.layer_output_size
    if isinstance(size, int):
        return layer.rows, layer.columns
    return (
        layer.rows._replace(stride=1) if size[0] == 1 else layer.rows,
        layer.columns._replace(stride=1) if size[1] == 1 else layer.columns,
    )


def _map_steps(
    operations: Sequence[Operation], extents: Sequence[Extent], channels: int
) -> Iterator[Step]:
    for operation, after in zip(operations, extents[1:], strict=False):
        layer = operation.layer
        if not isinstance(layer, WindowedLayer) or operation.apply is not None:
            assert operation.apply is not None
            yield Step(operation.apply, operation.weights, after.floats * channels)
            continue
        windows: dict[str, Any] = dict(zip(("rows", "columns"), _windows(layer), strict=True))
        if layer.padded:
            padded = after.before(*_windows(layer))
            yield _pad_step(operation, padded, channels)
        if isinstance(layer, Conv2D):
            yield Step(partial(kernels.patches, **windows), None, _lowered(layer, after) * channels)
            channels = layer.num_filters
            yield Step(kernels.convolve, operation.weights, after.floats * channels)
        elif isinstance(layer, PoolingLayer):
            pool = partial(kernels.pool, **windows, reduce=layer.reduce)
            yield Step(pool, None, after.floats * channels)
            if layer.reduce is np.add:
                scale = partial(kernels.scale, factors=_shares(layer, after))
                yield Step(scale, None, after.floats * channels)


def _lowered(layer: Conv2D, after: Extent) -> int:
    """Numbers of a channel in the patches: each row once, or once a tap where it is dilated."""
    rows = layer.rows.inputs(after.rows)
    copies = 1 + layer.rows.size if layer.rows.dilation > 1 else 1
    return rows * copies * after.phases * after.columns * layer.columns.size


def _pad_step(operation: Operation, padded: Extent, channels: int) -> Step:
    layer = operation.layer
    assert isinstance(layer, WindowedLayer)
    (above, _), (left, _) = layer.margins(layer.layer_input_size)
    maximum = isinstance(layer, PoolingLayer) and layer.reduce is np.maximum
    run = partial(
        kernels.pad,
        width=layer.layer_input_size[1],
        before=(above, left),
        rows=padded.rows,
        columns=padded.columns,
        value=LOWEST if maximum else 0,
    )
    return Step(run, None, padded.floats * channels)


def _shares(layer: PoolingLayer, after: Extent) -> Array | np.float32:
    """What the sums of an average pooling are multiplied by: 1 / number of pixels that exist."""
    if not layer.padded:
        return np.float32(1 / (layer.rows.size * layer.columns.size))
    (above, _), (left, _) = layer.margins(layer.layer_input_size)
    height, width, _ = layer.layer_input_size
    columns = np.arange(after.columns) * after.phases + np.arange(after.phases)[:, None]
    vertical = _pixels(layer.rows, np.arange(after.rows), above, height)
    horizontal = _pixels(layer.columns, columns, left, width)
    counts = vertical[None, :, None] * horizontal[:, None, :]
    shares: Array = (1 / counts).astype(np.float32)
    return shares[None, :, :, None, :, None]


def _pixels(window: Window, positions: NDArray[np.intp], before: int, length: int) -> NDArray[Any]:
    """Number of pixels under a window at these positions, and 1 where there is none."""
    first = positions * window.stride - before
    last = np.minimum(first + window.size, length)
    pixels: NDArray[Any] = np.maximum(last - np.maximum(first, 0), 1)
    return pixels


def _flat_step(operation: Operation) -> Step:
    named: dict[str, Callable[..., Array]] = {"dense": kernels.dense, "flatten": kernels.flatten}
    run = operation.apply or named[operation.kind]
    return Step(run, operation.weights, operation.layer.layer_output_size)
