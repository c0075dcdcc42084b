"""The program of a network: which kernels do its operations, worked out once from the shapes.

Measured on a core that multiplies matrices at 185 GFLOP/s, in blocks, PyTorch 2.13:

- The first layer, which all members share, of 128 filters and more together: `conv2d` 52, 106, 109
  and 161 GFLOP/s with 9, 25, 27 and 72 taps, a product of patches, these included, 78, 136, 133
  and 144. The patches are made once for all members, and `mm` without a bias is a third faster
  than `addmm`: the bias is one more tap.
- A layer behind, of 8 to 32 filters a member: one grouped convolution in `channels_last` 130 to
  170, with channels first 65 to 130, `conv2d` for each member 50 to 175 (as fast from 64 images
  on where there are many channels), a batched product of patches 15 to 60, and one of rows
  that overlap, images innermost as in NumPy's engine, 60 to 130.
- A shared layer of 8 filters and few channels: laid at the four places of a pooling's window, as
  32 filters, `conv2d` takes half the time, though it multiplies by zeros too.
- Max pooling in `channels_last`: `torch.maximum` of slices 28 GB/s, `max_pool2d` 14, `amax` 1.
- Blocks in our own threads, PyTorch on one thread each: its own threads spin while they wait, and
  took 3 to 20 times as long when other processes had the cores.
- `torch.compile` of what members do not share: 5 to 30 % less time; with `cpp_wrapper` a block is
  one call that does not hold Python's lock.

`benchmarks/population_forward.py` times whole networks.

On an H200, 1,024 networks of the MNIST case, 1,000 images: grouped convolutions 584 ms, batched
products of patches 119, both compiled as CUDA graphs 627 and 188, the kernel of `fused.py` 28. The
others read and write patches and maps in memory, 30 GB and more; `benchmarks/accelerator.py` times
whole networks beside JAX and PyTorch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from cnn.engines.operations import check_chain, unknown
from cnn.engines.torch import kernels
from cnn.engines.torch.kernels import Tensor
from cnn.layers.activation import Activation
from cnn.layers.layer import Kind, Operation, Shape
from cnn.layers.window import Window
from cnn.layers.windowed import WindowedLayer

_PRODUCTS = Kind.CONVOLVE, Kind.DEPTHWISE, Kind.DENSE
_FUSED = Kind.CONVOLVE, Kind.DENSE
_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
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
    """An operation, with the bias that follows it."""

    operation: Operation
    bias: int | None = None  # the number of its weight array

    @property
    def weights(self) -> tuple[int, ...]:
        """Numbers of the weight arrays that it takes."""
        return self.operation.weights + (() if self.bias is None else (self.bias,))

    @property
    def monotone(self) -> bool:
        """Whether it commutes with max pooling."""
        activation = self.operation.activation
        return activation is not None and activation.monotone


class Step(NamedTuple):
    """One kernel call; `floats` counts what it returns for one image and one set of maps.

    prepare: makes of its weight arrays (members, …) the tensors (members, …) that `run` takes;
    None where it takes none.
    """

    run: Callable[..., Tensor]
    floats: int
    weights: tuple[int, ...] = ()
    prepare: Callable[..., tuple[Tensor, ...]] | None = None


class Program(NamedTuple):
    """The parts of a network; the last `closing` of them are activations, done in float32."""

    parts: tuple[Part, ...]
    closing: int
    floats: int  # of an image that enters
    left: int  # of the output for one image
    input_shape: Shape
    compiled: dict[Any, Any]  # what was compiled so far, for populations and blocks
    plans: dict[Any, Any]  # those of the populations that were met


def lower(operations: Sequence[Operation], input_shape: Shape, engine: str) -> Program:
    """Work out the program of a chain of operations on inputs of this shape.

    Raises ValueError for an operation that this engine, of that name, does not know.
    """
    check_chain(operations, engine)
    for operation in operations:
        if not _known(operation):
            raise unknown(operation, engine)
    parts = _reordered(_with_biases(operations))
    ends = itertools.takewhile(lambda part: part.operation.kind == Kind.ACTIVATE, reversed(parts))
    closing = sum(1 for _ in ends)
    left = operations[-1].layer.layer_output_size if operations else input_shape
    floats = _floats(input_shape), _floats(left)
    return Program(tuple(parts), closing, *floats, input_shape, {}, {})


def _floats(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


def _known(operation: Operation) -> bool:
    if operation.kind == Kind.ACTIVATE:
        return operation.activation is not None and operation.activation.name in _ACTIVATIONS
    return operation.kind in list(Kind)


def _activation(activation: Activation | None) -> Callable[[Tensor], Tensor]:
    assert activation is not None
    if activation.name == "leaky_relu":
        return partial(kernels.leaky_relu, negative_slope=activation.negative_slope)
    return _ACTIVATIONS[activation.name]


def _with_biases(operations: Sequence[Operation]) -> list[Part]:
    """Return the operations, the bias of a layer together with its product."""
    parts: list[Part] = []
    for operation in operations:
        before = parts[-1].operation if parts else None
        if (
            operation.kind == Kind.BIAS
            and before is not None
            and before.kind in _PRODUCTS
            and before.layer is operation.layer
        ):
            parts[-1] = Part(before, operation.weights[0])
        else:
            parts.append(Part(operation))
    return parts


def _reordered(parts: Sequence[Part]) -> list[Part]:
    """Put monotone activations behind max pooling, where fewer numbers are left."""
    done: list[Part] = []
    for part in parts:
        place = len(done)
        if part.operation.kind == Kind.MAX_POOL:
            while place and done[place - 1].monotone:
                place -= 1
        done.insert(place, part)
    return done


# Steps: parts with the way to do them that suits a population


class Products(NamedTuple):
    """How layers multiply: "grouped", "batched" or "fused", and with what precision."""

    kind: str
    precision: str = "float32"


def steps_of(
    part: Part, following: Sequence[Part], *, sets: int, filters: int, products: Products
) -> tuple[list[Step], int]:
    """Return the kernel calls of a part, and how many parts they do, of those that follow too.

    sets: how many different inputs it has, and filters: those of all members together (1 where it
    has none).
    """
    operation, layer = part.operation, part.operation.layer
    floats = _floats(layer.layer_output_size)
    if products.kind == "fused" and operation.kind in _FUSED:
        return _fused(part, following, products.precision)
    if operation.kind == Kind.CONVOLVE:
        together = _pooled_convolution(part, following, sets=sets, filters=filters)
        if together is not None:
            return [together], 2
        return _convolution(part, sets, filters, products.kind == "batched"), 1
    if operation.kind == Kind.DEPTHWISE:
        assert isinstance(layer, WindowedLayer)
        run = partial(kernels.convolve_channels, **_looks(layer))
        return [Step(run, floats, part.weights, _as_they_are)], 1
    if operation.kind == Kind.DENSE:
        return [Step(kernels.multiply, floats, part.weights, _neurons_first)], 1
    if operation.kind == Kind.BIAS:
        return [Step(kernels.add_bias, floats, part.weights, _as_they_are)], 1
    if operation.kind == Kind.SCALE:
        return [Step(kernels.scale_channels, floats, part.weights, _as_they_are)], 1
    if operation.kind == Kind.ACTIVATE:
        return [Step(_activation(operation.activation), floats)], 1
    if operation.kind == Kind.FLATTEN:
        return [Step(kernels.flatten, floats)], 1
    return [_pooling(layer, operation.kind, floats)], 1


def _as_they_are(*arrays: Tensor) -> tuple[Tensor, ...]:
    return arrays


def _neurons_first(weights: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
    return weights.mT.contiguous(), *bias


SHARED_FILTERS = 128
SHARED_TAPS = 64
"""From so many filters on, of all members together, with fewer taps than so many, patches and one
product beat `conv2d`: by a half with 9 taps, a third with 25 or 27; with 72 it is the other way."""


def _convolution(part: Part, sets: int, filters: int, batched: bool) -> list[Step]:
    layer = part.operation.layer
    assert isinstance(layer, WindowedLayer)
    down, across, depth = layer.output_maps
    taps = layer.rows.size * layer.columns.size * layer.input_maps[2]
    looks = _looks(layer)
    if sets == 1 and (batched or (filters >= SHARED_FILTERS and taps < SHARED_TAPS)):
        return [
            Step(partial(kernels.shared_patches, **looks), down * across * (taps + 1)),
            Step(kernels.multiply_shared, down * across * depth, part.weights, _with_bias_tap),
        ]
    if not batched:
        run = partial(kernels.convolve_in_groups, **looks)
        return [Step(run, down * across * depth, part.weights, kernels.of_maps)]
    run = partial(kernels.convolve_in_batches, **looks)
    return [Step(run, down * across * (depth + taps), part.weights, kernels.of_maps)]


FEW_FILTERS = 8
PHASES = 4
"""Up to so many filters of a shared layer are laid at up to so many places of a max pooling."""


def _pooled_convolution(
    part: Part, following: Sequence[Part], *, sets: int, filters: int
) -> Step | None:
    """Return the one call that a convolution and the pooling after it make, where that is faster.

    It is for few filters of one network, or of several that share the layer.
    """
    layer, pool = part.operation.layer, following[0].operation.layer if following else None
    if (
        sets > 1
        or filters > FEW_FILTERS
        or not following
        or following[0].operation.kind != Kind.MAX_POOL
    ):
        return None
    assert isinstance(layer, WindowedLayer)
    assert isinstance(pool, WindowedLayer)
    down, across = pool.rows.size, pool.columns.size
    moves = {layer.rows.stride, layer.rows.dilation, layer.columns.stride, layer.columns.dilation}
    apart = (down, across) == (pool.rows.stride, pool.columns.stride)
    if pool.padded or not apart or moves != {1} or not 1 < down * across <= PHASES:
        return None
    run = partial(
        kernels.convolve_to_maxima,
        phases=down * across,
        rows=Window(layer.rows.size + down - 1, down),
        columns=Window(layer.columns.size + across - 1, across),
        margins=layer.margins(layer.input_maps),
    )
    floats = down * across * _floats(pool.layer_output_size)
    return Step(run, floats, part.weights, partial(kernels.at_all_phases, down, across))


def _fused(part: Part, following: Sequence[Part], precision: str) -> tuple[list[Step], int]:
    """Return a product with the activation and the pooling behind it as one call, or some."""
    from cnn.engines.torch import fused

    layer, after, taken = part.operation.layer, fused.After(), 1
    floats = _floats(layer.layer_output_size)
    if part.operation.kind == Kind.DENSE:
        run = partial(fused.multiply, precision=precision)
        return [Step(run, floats, part.weights, _neurons_first)], 1
    assert isinstance(layer, WindowedLayer)
    for next_part in following[:3]:
        joined = _joined(after, next_part)
        if joined is None:
            break
        after, taken = joined, taken + 1
        if next_part.operation.activation is None:  # of a pooling
            floats = _floats(next_part.operation.layer.layer_output_size)
    steps = []
    looks = _looks(layer)
    margins = looks.pop("margins")
    height, width, channels = layer.input_maps
    if any(map(any, margins)):
        padded = (height + sum(margins[0])) * (width + sum(margins[1])) * channels
        steps.append(Step(partial(kernels.pad, margins=margins, value=0), padded))
    run = partial(fused.convolve, **looks, after=after, precision=precision)
    return [*steps, Step(run, floats, part.weights, _as_they_are)], taken


def _joined(after: Any, part: Part) -> Any:
    """Return what follows a product with a part more, or None where the kernel does not do it."""
    activation, pool = part.operation.activation, part.operation.layer
    pooled = after.down * after.across > 1
    if activation is not None:
        name = activation.name
        if after.activation or name not in ("relu", "leaky_relu") or (pooled and after.mean):
            return None
        slope = activation.negative_slope if name == "leaky_relu" else 0.0
        return after._replace(activation=name, slope=slope)
    if part.operation.kind not in (Kind.MAX_POOL, Kind.AVERAGE_POOL) or pooled:
        return None
    assert isinstance(pool, WindowedLayer)
    apart = (pool.rows.size, pool.columns.size) == (pool.rows.stride, pool.columns.stride)
    if pool.padded or not apart or (pool.rows.dilation, pool.columns.dilation) != (1, 1):
        return None
    mean = part.operation.kind == Kind.AVERAGE_POOL
    return after._replace(down=pool.rows.size, across=pool.columns.size, mean=mean)


def _looks(layer: WindowedLayer) -> dict[str, Any]:
    """Return how a layer looks at its input: windows and padding."""
    margins = layer.margins(layer.input_maps)
    return {"rows": layer.rows, "columns": layer.columns, "margins": margins}


def _with_bias_tap(filters: Tensor, bias: Tensor | None = None) -> tuple[Tensor, ...]:
    """Return filters (members, filters, taps + 1), the bias last."""
    import torch

    taps = filters.flatten(2)
    last = taps.new_zeros(taps.shape[:2]) if bias is None else bias
    return (torch.cat([taps, last[:, :, None]], dim=2),)


def _pooling(layer: Any, kind: str, floats: int) -> Step:
    assert isinstance(layer, WindowedLayer)
    largest = kind == Kind.MAX_POOL
    if layer.padded:
        padded = kernels.padded_max_pool if largest else kernels.padded_average_pool
        return Step(partial(padded, **_looks(layer)), floats)
    pool = kernels.max_pool if largest else kernels.average_pool
    return Step(partial(pool, rows=layer.rows, columns=layer.columns), floats)
