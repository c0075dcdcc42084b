"""Tensors in, tensors out: convolution, pooling and activations of many networks at once.

Feature maps are one tensor with five axes,

    (images, rows, columns, members, channels)

- *members*: the networks of the population, or fewer where some or all of them see the same maps.
- In memory they lie in that order, which to PyTorch is one image of members · channels channels in
  `channels_last`; or, behind a batched product, with the members outermost, which is one batch of
  members · images. Kernels take both and keep the order that they find.

Features after flattening are tensors (members, images, features). PyTorch is imported by the
functions, so that this package does not need it.
"""

from __future__ import annotations

import math
from typing import Any

from cnn.layers.activation import NEGATIVE_SLOPE
from cnn.layers.window import Window

FEW_NEURONS = 16
Tensor = Any  # torch.Tensor, where torch is installed

Margins = tuple[tuple[int, int], tuple[int, int]]
"""Padding (above, below), (left, right)."""


def enter(images: Tensor) -> Tensor:
    """Turn images (members, N, H, W, C) into maps; samples (members, N, V) are features already.

    Series (members, N, L, C) are images of one column. They must be a copy: activations work in
    place.
    """
    if images.ndim == 3:
        return images
    images = images if images.ndim == 5 else images.unsqueeze(3)
    return images.permute(1, 2, 3, 0, 4).contiguous()


def leave(values: Tensor) -> Tensor:
    """Turn maps or features into float32 tensors (members, images, …)."""
    moved = values.permute(3, 0, 1, 2, 4) if values.ndim == 5 else values
    return moved.float()


def single(values: Tensor) -> Tensor:
    """Return values in float32: what follows shall not round more."""
    return values.float()


def flatten(maps: Tensor) -> Tensor:
    """Turn maps into features (members, images, rows · columns · channels)."""
    return maps.permute(3, 0, 1, 2, 4).flatten(2)


def pad(maps: Tensor, margins: Margins, value: float) -> Tensor:
    """Lay maps into larger ones that are `value` elsewhere."""
    from torch.nn.functional import pad

    (above, below), (left, right) = margins
    return pad(maps, (0, 0, 0, 0, left, right, above, below), value=value)


# Convolution, in three ways


def shared_patches(maps: Tensor, *, rows: Window, columns: Window, margins: Margins) -> Tensor:
    """Lower maps that all members share to patches (taps + 1, images, output rows, columns).

    The taps run over (kernel row, kernel column, channel), as filters (kh, kw, channels) do in C
    order; the last one is 1, for the bias. With the taps outermost patches are copied in whole
    rows, four times as fast as with the taps innermost, and the product is as fast.
    """
    from torch.nn.functional import pad

    (above, below), (left, right) = margins
    planes = pad(maps[:, :, :, 0].permute(3, 0, 1, 2), (left, right, above, below)).contiguous()
    channels, images, height, width = planes.shape
    channel, image, row, _ = planes.stride()
    down, across = rows.outputs(height), columns.outputs(width)
    windows = planes.as_strided(
        (rows.size, columns.size, channels, images, down, across),
        (rows.dilation * row, columns.dilation, channel, image, rows.stride * row, columns.stride),
    )
    taps = rows.size * columns.size * channels
    lowered = planes.new_empty((taps + 1, images, down, across))
    lowered[:taps].view(windows.shape).copy_(windows)
    lowered[taps] = 1
    return lowered


def multiply_shared(patches: Tensor, filters: Tensor) -> Tensor:
    """Multiply patches that all members share by filters (members, filters, taps + 1): maps."""
    members, depth, taps = filters.shape
    products = patches.view(taps, -1).t() @ filters.view(-1, taps).t()
    return products.view(*patches.shape[1:], members, depth)


def convolve_in_groups(
    maps: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Window,
    columns: Window,
    margins: Margins,
) -> Tensor:
    """Convolve maps (…, sets, channels) with filters (members, filters, kh, kw, channels).

    It is one grouped convolution: each set of maps is a group, and serves as many consecutive
    members as there are members to a set.
    """
    from torch.nn.functional import conv2d

    (above, below), (left, right) = margins
    if above != below or left != right:
        maps, above, left = pad(maps, margins, 0), 0, 0
    members, depth = filters.shape[:2]
    convolved = conv2d(
        maps.flatten(3).permute(0, 3, 1, 2),
        filters.flatten(0, 1).permute(0, 3, 1, 2),
        None if bias is None else bias.flatten(),
        stride=(rows.stride, columns.stride),
        padding=(above, left),
        dilation=(rows.dilation, columns.dilation),
        groups=maps.shape[3],
    )
    return convolved.permute(0, 2, 3, 1).unflatten(3, (members, depth))


def convolve_channels(
    maps: Tensor,
    kernels: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Window,
    columns: Window,
    margins: Margins,
) -> Tensor:
    """Convolve each channel of maps (…, sets, channels) by kernels (members, kh, kw, channels).

    Every channel is a group. Each set serves as many consecutive members as there are members to
    a set, and is convolved to as many channels beside each other.
    """
    from torch.nn.functional import conv2d

    (above, below), (left, right) = margins
    if above != below or left != right:
        maps, above, left = pad(maps, margins, 0), 0, 0
    sets, channels = maps.shape[3:]
    members, tall, wide, _ = kernels.shape
    beside = kernels.view(sets, -1, tall, wide, channels).permute(0, 4, 1, 2, 3)
    convolved = conv2d(
        maps.flatten(3).permute(0, 3, 1, 2),
        beside.reshape(members * channels, 1, tall, wide),
        None if bias is None else bias.view(sets, -1, channels).mT.flatten(),
        stride=(rows.stride, columns.stride),
        padding=(above, left),
        dilation=(rows.dilation, columns.dilation),
        groups=sets * channels,
    )
    apart = convolved.permute(0, 2, 3, 1).unflatten(3, (sets, channels, -1))
    return apart.transpose(4, 5).flatten(3, 4)


def convolve_to_maxima(
    maps: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    phases: int,
    rows: Window,
    columns: Window,
    margins: Margins,
) -> Tensor:
    """Convolve, and take the largest of each window of a pooling whose windows do not overlap.

    filters: (members, phases · filters, …) as `at_all_phases` lays them. The convolution moves by
    the pooling's stride, and its outputs within a window are channels beside each other: few
    filters become many, which `conv2d` does twice as fast, the zeros included.
    """
    import torch

    several = convolve_in_groups(maps, filters, bias, rows=rows, columns=columns, margins=margins)
    largest, *others = several.unflatten(4, (phases, -1)).unbind(4)
    for other in others:
        largest = torch.maximum(largest, other)
    return largest


def of_maps(filters: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
    """Return filters (…, kh, kw, channels), of which those of series have one column."""
    return filters if filters.ndim == 5 else filters.unsqueeze(3), *bias


def at_all_phases(down: int, across: int, filters: Tensor, *bias: Tensor) -> tuple[Tensor, ...]:
    """Lay filters (members, filters, kh, kw, channels) at all places in a pooling's window."""
    filters, *_ = of_maps(filters)
    members, depth, tall, wide, channels = filters.shape
    size = tall + down - 1, wide + across - 1
    laid = filters.new_zeros((members, down * across, depth, *size, channels))
    for phase in range(down * across):
        row, column = divmod(phase, across)
        laid[:, phase, :, row : row + tall, column : column + wide] = filters
    return laid.flatten(1, 2), *(each.repeat(1, down * across) for each in bias)


def convolve_in_batches(
    maps: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Window,
    columns: Window,
    margins: Margins,
) -> Tensor:
    """Do what `convolve_in_groups` does by a batched product of patches, a set at a time."""
    if any(map(any, margins)):
        maps = pad(maps, margins, 0)
    images, height, width, sets, channels = maps.shape
    image, row, column, own, channel = maps.stride()
    down, across = rows.outputs(height), columns.outputs(width)
    steps = rows.stride * row, columns.stride * column
    taps = rows.dilation * row, columns.dilation * column
    windows = maps.as_strided(
        (sets, images, down, across, rows.size, columns.size, channels),
        (own, image, *steps, *taps, channel),
    )
    pixels = windows.reshape(sets, images * down * across, -1)
    products = multiply(pixels, filters.flatten(2), bias)
    return products.unflatten(1, (images, down, across)).permute(1, 2, 3, 0, 4)


def multiply(features: Tensor, weights: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply features (sets, images, inputs) by weights (members, neurons, inputs).

    Each set serves as many consecutive members as there are members to a set: their neurons lie
    beside each other. Few neurons are multiplied from the left, up to eight times as fast.
    """
    sets, images, inputs = features.shape
    members, neurons, _ = weights.shape
    beside = weights.view(sets, -1, inputs)
    if beside.shape[1] <= FEW_NEURONS:
        column = None if bias is None else bias.view(sets, -1, 1)
        left = _product(beside, features.mT, column)
        return left.view(members, neurons, images).mT
    row = None if bias is None else bias.view(sets, 1, -1)
    products = _product(features, beside.mT, row)
    return products.view(sets, images, -1, neurons).transpose(1, 2).flatten(0, 1)


def _product(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    import torch

    return left @ right if bias is None else torch.baddbmm(bias, left, right)


# Pooling


def max_pool(maps: Tensor, *, rows: Window, columns: Window) -> Tensor:
    """Return the largest value of every window: rows first and then columns.

    On a CPU the maxima of whole slices are twice as fast as `torch.nn.functional.max_pool2d`,
    which notes where each one was, unless it is compiled.
    """
    import torch
    from torch.nn.functional import max_pool2d

    if maps.device.type != "cpu" or torch.compiler.is_compiling():
        return _pooled(maps, max_pool2d, rows, columns)
    if (rows.size, columns.size) == maps.shape[1:3]:
        return maps.amax((1, 2), keepdim=True)
    last = (rows.outputs(maps.shape[1]) - 1) * rows.stride + 1
    bands = maps[:, 0 : last : rows.stride]
    for tap in range(1, rows.size):
        bands = torch.maximum(bands, maps[:, tap : tap + last : rows.stride])
    last = (columns.outputs(maps.shape[2]) - 1) * columns.stride + 1
    pooled = bands[:, :, 0 : last : columns.stride]
    for tap in range(1, columns.size):
        pooled = torch.maximum(pooled, bands[:, :, tap : tap + last : columns.stride])
    return pooled


def padded_max_pool(maps: Tensor, *, rows: Window, columns: Window, margins: Margins) -> Tensor:
    """Return the largest value of every window, which padding never is."""
    return max_pool(pad(maps, margins, -math.inf), rows=rows, columns=columns)


def average_pool(maps: Tensor, *, rows: Window, columns: Window) -> Tensor:
    """Return the mean of every window."""
    from torch.nn.functional import avg_pool2d

    return _pooled(maps, avg_pool2d, rows, columns)


def padded_average_pool(maps: Tensor, *, rows: Window, columns: Window, margins: Margins) -> Tensor:
    """Return the mean of the pixels that exist in every window."""
    height, width = maps.shape[1:3]
    above, left = margins[0][0], margins[1][0]
    means = average_pool(pad(maps, margins, 0), rows=rows, columns=columns)
    down = _pixels(rows, means.shape[1], above, height)
    across = _pixels(columns, means.shape[2], left, width)
    area = rows.size * columns.size
    shares = [[area / (tall * wide) for wide in across] for tall in down]
    return means * means.new_tensor(shares)[:, :, None, None]


def _pixels(window: Window, outputs: int, before: int, length: int) -> list[int]:
    """Return how many pixels there are under a window at each position."""
    starts = [place * window.stride - before for place in range(outputs)]
    return [min(start + window.size, length) - max(start, 0) for start in starts]


def _pooled(maps: Tensor, pool: Any, rows: Window, columns: Window) -> Tensor:
    """Pool maps as PyTorch does images, (batch, channels, rows, columns), in `channels_last`."""
    size, stride = (rows.size, columns.size), (rows.stride, columns.stride)
    images, _, _, members, _ = maps.shape
    if maps.is_contiguous():
        batch = maps.flatten(3)
        pooled = pool(batch.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)
        return pooled.unflatten(3, (members, -1))
    batch = maps.permute(3, 0, 1, 2, 4).flatten(0, 1)
    pooled = pool(batch.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)
    return pooled.unflatten(0, (members, images)).permute(1, 2, 3, 0, 4)


# What follows leaves the shape as it is; an activation works in place where it can.


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Add a bias (members, channels) to every channel."""
    return x + (bias if x.ndim == 5 else bias[:, None])


def scale_channels(x: Tensor, factors: Tensor) -> Tensor:
    """Multiply every channel by its factor (members, channels)."""
    return x * (factors if x.ndim == 5 else factors[:, None])


def relu(x: Tensor) -> Tensor:
    """max(x, 0)."""
    return x.relu_()


def leaky_relu(x: Tensor, negative_slope: float = NEGATIVE_SLOPE) -> Tensor:
    """Return x where it is positive, negative_slope · x elsewhere (Maas et al. 2013)."""
    from torch.nn.functional import leaky_relu_

    return leaky_relu_(x, negative_slope)


def sigmoid(x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return x.sigmoid_()


def tanh(x: Tensor) -> Tensor:
    """Hyperbolic tangent."""
    return x.tanh_()


def step(x: Tensor) -> Tensor:
    """Sign: -1, 0 or 1."""
    return x.sign_()


def square_root(x: Tensor) -> Tensor:
    """Square root of max(x, 0)."""
    return x.relu_().sqrt_()


def softmax(x: Tensor) -> Tensor:
    """exp(x) / sum of exp(x) over the channels."""
    return x.softmax(-1) if x.is_contiguous() else x.mT.softmax(-2).mT


def log_softmax(x: Tensor) -> Tensor:
    """Logarithm of softmax over the channels, exact where softmax itself would round to 0."""
    return x.log_softmax(-1) if x.is_contiguous() else x.mT.log_softmax(-2).mT


def log_sigmoid_pair(x: Tensor) -> Tensor:
    """Features of one channel as log(1 - sigmoid(x)) and log(sigmoid(x)), two channels."""
    import torch
    from torch.nn.functional import logsigmoid

    return torch.cat([logsigmoid(-x), logsigmoid(x)], dim=-1)
