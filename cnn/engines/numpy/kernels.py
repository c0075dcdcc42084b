"""Arrays in, arrays out: convolution, pooling and activations of many networks at once.

Inside this engine a stack of feature maps is one float32 array with six axes,

    (members, phases, rows, channels, columns, images)

- *members*: the networks of the population, or fewer where some or all of them see the same maps.
- *images* come last, so that every operation runs along memory, whatever the kernel.
- *phases* and *columns* are the width, dealt out like cards: of S phases, phase s holds the
  columns s, s + S, s + 2S, … A convolution or a pooling with stride t reads S phases and writes
  S / t, and in this order each of its taps is one slice of one phase: no operation ever strides
  over columns. S is the product of the strides that follow; the lowering works it out.

Columns past the true width may lie in the array; nothing that counts reads them. Features after
flattening are arrays (members, features, images).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from cnn.layers.activation import NEGATIVE_SLOPE
from cnn.layers.window import Window
from cnn.types import Array

SMALL_PRODUCT = 10**6  # multiplications
BAND_ROWS = 4  # of a product by band matrices; more multiply more zeros, fewer take more calls


def enter(images: NDArray[np.generic], rows: int, phases: int, columns: int) -> Array:
    """Turn images (members, N, H, W, C) into maps (members, phases, rows, C, columns, N).

    Rows and columns past those are left out; columns past the width W are zeros. Series (members,
    N, L, C) are images of one column.
    """
    images = images if images.ndim == 5 else images[:, :, :, None]
    members, number, height, width, channels = images.shape
    size = height * width * channels
    staged = np.empty((members, number, size + 16), np.float32)  # no two share a cache set
    staged[:, :, :size] = images.reshape(members, number, size)
    pixels = staged[:, :, :size].reshape(images.shape)
    maps = np.zeros((members, phases, rows, channels, columns, number), np.float32)
    for phase in range(phases):
        taken = pixels[:, :, :rows, phase : phase + phases * columns : phases]
        maps[:, phase, :, :, : taken.shape[3]] = taken.transpose(0, 2, 4, 3, 1)
    return maps


def enter_features(samples: NDArray[np.generic]) -> Array:
    """Turn samples (members, N, inputs) into features (members, inputs, N)."""
    return np.array(samples.swapaxes(1, 2), np.float32, order="C")  # a copy also of one sample


def leave(maps: Array) -> Array:
    """Turn maps of one phase into arrays (members, rows, columns, channels, images)."""
    return maps[:, 0].transpose(0, 1, 3, 2, 4)


def flatten(maps: Array) -> Array:
    """Turn maps of one phase into features (members, rows·columns·channels, images)."""
    members, _, rows, channels, columns, images = maps.shape
    return leave(maps).reshape(members, rows * columns * channels, images)


def pad(
    maps: Array,
    *,
    width: int,
    before: tuple[int, int],
    rows: int,
    columns: int,
    value: float,
) -> Array:
    """Lay maps into larger ones, `rows` by `phases · columns`, that are `value` elsewhere.

    `before`: the rows above and the columns to the left of them; `width`: their true width.
    """
    members, phases, height, channels, _, images = maps.shape
    top, left = before
    padded = np.full((members, phases, rows, channels, columns, images), value, np.float32)
    taken = max(0, min(height, rows - top))
    for phase in range(phases):
        start, target = divmod(phase + left, phases)
        filled = min((width - phase + phases - 1) // phases, columns - start)
        if filled > 0:
            source = maps[:, phase, :taken, :, :filled]
            padded[:, target, top : top + taken, :, start : start + filled] = source
    return padded


def phase_columns(window: Window, outputs: int, phases: int) -> int:
    """Columns a phase of the input needs for `phases` output phases of `outputs` columns."""
    return outputs + (window.stride * (phases - 1) + window.reach) // (window.stride * phases)


def _spans(window: Window, phases: int) -> Iterator[tuple[int, slice, slice, int]]:
    """For each tap: the tap, output phases, the input phases they read, and from which column.

    A tap has one span, or more where its phases do not all read from the same column on.
    """
    stride, total = window.stride, window.stride * phases
    for tap in range(window.size):
        first = 0
        while first < phases:
            start, source = divmod(stride * first + window.dilation * tap, total)
            last = min(phases, first + -(-(total - source) // stride))
            read = slice(source, source + (last - first - 1) * stride + 1, stride)
            yield tap, slice(first, last), read, start
            first = last


def patches(maps: Array, *, rows: Window, columns: Window) -> Array:
    """Lower maps to the patches that a convolution multiplies.

    Returns (members, phases, output rows, taps, output columns, images). The taps run over
    (kernel row, kernel column, channel), as filters (kh, kw, channels) do in C order. Kernel
    columns are copied; kernel rows are a strided view, unless `rows` is dilated: a third of the
    memory of im2col for a 3 x 3 kernel. Source: Cho & Brand 2017, arXiv:1706.06873.
    """
    lowered = kernel_columns(maps, columns=columns)
    members, phases, height, across, channels, width, images = lowered.shape
    taps = across * channels
    member, plane, row, _, channel, _, item = lowered.strides
    outputs = rows.outputs(height)
    windows = as_strided(
        lowered,
        (members, phases, outputs, rows.size, taps, width * images),
        (member, plane, rows.stride * row, rows.dilation * row, channel, item),
    )
    return windows.reshape(members, phases, outputs, rows.size * taps, width, images)


def kernel_columns(maps: Array, *, columns: Window) -> Array:
    """Copy what each column of a kernel sees.

    Returns (members, phases, rows, kernel columns, channels, output columns, images).
    """
    members, phases_in, height, channels, columns_in, images = maps.shape
    phases = phases_in // columns.stride
    width = columns_in - phase_columns(columns, 0, phases)
    lowered = np.empty((members, phases, height, columns.size, channels, width, images), np.float32)
    for tap, made, read, start in _spans(columns, phases):
        lowered[:, made, :, tap] = maps[:, read, :, :, start : start + width]
    return lowered


def convolve_channels(lowered: Array, weights: Array, *, rows: Window) -> Array:
    """Multiply each channel of what `kernel_columns` returns by kernels (members, kh, kw, C).

    A few rows of the output at a time are one product: of a band matrix, which has the kernel in
    every row, by the rows that they see. That is BLAS, at three times the speed of a multiplication
    and an addition of whole maps for each tap. Sets serve members as in `convolve`.
    """
    sets, phases, height, across, channels, width, images = lowered.shape
    family = -(-len(weights) // sets)
    outputs = rows.outputs(height)
    band = min(outputs, BAND_ROWS)
    banded = _banded(weights, band, rows)
    matrix = banded.reshape(-1, family, 1, channels, band, banded.shape[3])
    products = np.empty((sets, family, phases, outputs, channels, width * images), np.float32)
    for first in range(0, outputs, band):
        count = min(band, outputs - first)
        seen = lowered[:, None, :, first * rows.stride :][:, :, :, : rows.inputs(count)]
        taps = seen.shape[3] * across
        by_channel = seen.reshape(sets, 1, phases, taps, channels, width * images).swapaxes(3, 4)
        made = products[:, :, :, first : first + count].swapaxes(3, 4)
        np.matmul(matrix[..., :count, :taps], by_channel, out=made)
    return products.reshape(-1, phases, outputs, channels, width, images)


def _banded(weights: Array, band: int, rows: Window) -> Array:
    """Lay kernels (members, kh, kw, channels) into matrices of as many rows.

    Returns (members, channels, band, taps): each row has the kernel where its output sees it.
    """
    members, _, wide, channels = weights.shape
    banded = np.zeros((members, channels, band, rows.inputs(band), wide), np.float32)
    kernels = np.moveaxis(weights, 3, 1)
    for row in range(band):
        first = row * rows.stride
        banded[:, :, row, first : first + rows.reach + 1 : rows.dilation] = kernels
    return banded.reshape(members, channels, band, -1)


def convolve(windows: Array, weights: Array) -> Array:
    """Multiply patches by filters (members, filters, …): maps, one channel a filter.

    Each set of patches serves as many consecutive members as there are members to a set, and one
    member's filters serve all sets. Where one set serves them all, one product does for the
    filters of all members.
    """
    sets, phases, rows, taps, columns, images = windows.shape
    members, filters = weights.shape[:2]
    family, depth = (1, members * filters) if sets == 1 else (-(-members // sets), filters)
    matrix = weights.reshape(-1, family, depth, taps)
    pieces = _pieces(depth * taps * images, columns)
    length = columns // pieces * images
    products = np.empty((sets, family, phases, rows, depth, pieces, length), np.float32)
    np.matmul(
        matrix[:, :, None, None, None],
        windows.reshape(sets, 1, phases, rows, taps, pieces, length).swapaxes(4, 5),
        out=products.swapaxes(4, 5),
    )
    if sets > 1:
        return products.reshape(-1, phases, rows, filters, columns, images)
    split = products.reshape(phases, rows, members, filters, columns, images)
    return split.transpose(2, 0, 1, 3, 4, 5)


def _pieces(multiplications: int, columns: int) -> int:
    """Into how many pieces of columns to cut a product of so many multiplications a column.

    OpenBLAS multiplies small matrices where they lie; larger ones it packs first, which takes a
    quarter longer.
    """
    divisors = (count for count in range(1, columns) if columns % count == 0)
    fitting = (count for count in divisors if multiplications * columns // count <= SMALL_PRODUCT)
    return next(fitting, columns)


def pool(maps: Array, *, rows: Window, columns: Window, reduce: np.ufunc) -> Array:
    """Reduce every window of the maps with np.maximum or np.add, rows first and then columns.

    Windows that do not overlap are reduced in place: the maps are gone, and the result is a view.
    """
    last = (rows.outputs(maps.shape[2]) - 1) * rows.stride + 1
    first, *others = (maps[:, :, tap : tap + last : rows.stride] for tap in range(rows.size))
    bands = first
    for band in others:
        apart = rows.size <= rows.stride or bands is not first
        bands = reduce(bands, band, out=bands if apart else None)
    phases = bands.shape[1] // columns.stride
    width = bands.shape[4] - phase_columns(columns, 0, phases)
    start_of_all = bands[:, :: columns.stride, :, :, :width]
    pooled = start_of_all
    if columns.size > columns.stride:
        pooled = np.empty(pooled.shape, np.float32)
    for tap, made, read, start in _spans(columns, phases):
        if tap > 0:
            before = start_of_all if tap == 1 else pooled
            reduce(
                before[:, made], bands[:, read, :, :, start : start + width], out=pooled[:, made]
            )
    return pooled


def dense(features: Array, weights: Array) -> Array:
    """Multiply features (sets, inputs, images) by weights (members, inputs, neurons).

    Each set serves as many consecutive members as there are members to a set, and one member's
    weights serve all sets.
    """
    sets, inputs, images = features.shape
    members, _, neurons = weights.shape
    matrix = weights.swapaxes(1, 2).reshape(-1, -(-members // sets), neurons, inputs)
    products: Array = np.matmul(matrix, features[:, None])
    return products.reshape(-1, neurons, images)


# What follows works in place, where the shape stays: on maps, or on features.


def add_bias(x: Array, bias: Array) -> Array:
    """Add a bias (members, channels) to every channel."""
    x += _over_channels(bias, x)
    return x


def scale_channels(x: Array, factors: Array) -> Array:
    """Multiply every channel by its factor (members, channels)."""
    x *= _over_channels(factors, x)
    return x


def clamp_at_bias(x: Array, bias: Array) -> Array:
    """Raise what lies under -bias up to it: relu(x + bias) is this, and then `add_bias`.

    In between, pooling has fewer numbers to add the bias to.
    """
    axis = _channel_axis(x)
    floor = np.empty((len(bias), *(1,) * (axis - 1), *x.shape[axis:]), np.float32)
    floor[...] = -_over_channels(bias, x)
    return np.maximum(x, floor, out=x)


def _channel_axis(x: Array) -> int:
    return 3 if x.ndim == 6 else 1


def _over_channels(bias: Array, x: Array) -> Array:
    axis = _channel_axis(x)
    return bias.reshape(len(bias), *(1,) * (axis - 1), -1, *(1,) * (x.ndim - axis - 1))


def scale(x: Array, factors: Array | np.float32) -> Array:
    """Multiply by a number, or by one for each position."""
    x *= factors
    return x


def relu(x: Array) -> Array:
    """max(x, 0). With an array of zeros, because a scalar makes np.maximum three times slower."""
    return np.maximum(x, np.zeros(x.shape[_channel_axis(x) :], np.float32), out=x)


def leaky_relu(x: Array, negative_slope: float = NEGATIVE_SLOPE) -> Array:
    """Return x where it is positive, negative_slope · x elsewhere (Maas et al. 2013)."""
    np.maximum(x, np.float32(negative_slope) * x, out=x)
    return x


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), which goes to 0 and 1 without overflow."""
    x *= -1  # np.negative of NumPy 2.4 is wrong in place where every fourth number is taken
    np.exp(x, out=x)
    x += 1
    return np.reciprocal(x, out=x)


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x, out=x)


def step(x: Array) -> Array:
    """Sign: -1, 0 or 1."""
    return np.sign(x, out=x)


def square_root(x: Array) -> Array:
    """Square root of max(x, 0)."""
    return np.sqrt(relu(x), out=x)


def softmax(x: Array) -> Array:
    """exp(x) / sum of exp(x) over the channels, stable for large x."""
    axis = _channel_axis(x)
    x -= x.max(axis, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis, keepdims=True)
    return x


def log_softmax(x: Array) -> Array:
    """Logarithm of softmax over the channels, exact where softmax itself would round to 0."""
    axis = _channel_axis(x)
    x -= x.max(axis, keepdims=True)
    x -= np.log(np.exp(x).sum(axis, keepdims=True))
    return x


def log_sigmoid_pair(x: Array) -> Array:
    """Features (members, 1, images) as log(1 - sigmoid(x)) and log(sigmoid(x)), two channels."""
    return np.concatenate([-np.logaddexp(0, x), -np.logaddexp(0, -x)], axis=1)
