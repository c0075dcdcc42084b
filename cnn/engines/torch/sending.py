"""Weights on their way to the device: what lies together in memory goes up together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn.engines.torch.kernels import Tensor
from cnn.types import Array

PIECE = 2**22  # numbers that are copied to locked memory while others go up


def sent(arrays: Sequence[Array], device: Any, dtype: Any) -> list[Tensor]:
    """Return tensors of arrays on a device.

    Views of the vectors of a population lie there as they do here. A GPU takes them from locked
    memory, where all cores copy them: twice to four times as fast as array by array.
    """
    import torch

    if device.type != "cuda":
        return [torch.from_numpy(_writeable(array)).to(device, dtype) for array in arrays]
    tensors: list[Tensor] = [None] * len(arrays)
    for places in _by_owner(arrays).values():
        views = [arrays[place] for place in places]
        flat, offsets = _block(views)
        if flat is None:
            block = [_staged(torch.from_numpy(_writeable(view)), device) for view in views]
        else:
            whole = _staged(torch.from_numpy(flat), device)
            block = [
                whole.as_strided(view.shape, [step // 4 for step in view.strides], offset)
                for view, offset in zip(views, offsets, strict=True)
            ]
        for place, tensor in zip(places, block, strict=True):
            tensors[place] = tensor.to(dtype)
    return tensors


def _writeable(array: Array) -> Array:
    return array if array.flags.writeable else array.copy()  # PyTorch warns of others


def _by_owner(arrays: Sequence[Array]) -> dict[int, list[int]]:
    """Return the positions of arrays by the memory that they are views of."""
    places: dict[int, list[int]] = {}
    for place, array in enumerate(arrays):
        places.setdefault(id(_owner(array)), []).append(place)
    return places


def _owner(array: Array) -> Array:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _block(views: Sequence[Array]) -> tuple[Array | None, list[int]]:
    """Return the memory of views of one owner as a vector, and where in it each begins.

    None where the views are not float32 in order, or leave out more than they show.
    """
    owner = _owner(views[0])
    if owner.dtype != np.float32 or not (owner.flags.c_contiguous and owner.flags.writeable):
        return None, []
    if any(not view.flags.writeable or min(view.strides, default=0) < 0 for view in views):
        return None, []
    begin = owner.__array_interface__["data"][0]
    firsts = [(view.__array_interface__["data"][0] - begin) // 4 for view in views]
    lasts = [
        first + sum((n - 1) * step // 4 for n, step in zip(view.shape, view.strides, strict=True))
        for first, view in zip(firsts, views, strict=True)
    ]
    low, high = min(firsts), max(lasts) + 1
    if high - low > 2 * sum(view.size for view in views):
        return None, []
    return owner.reshape(-1)[low:high], [first - low for first in firsts]


def _staged(values: Tensor, device: Any) -> Tensor:
    """Copy a tensor to a GPU, through locked memory where it is large."""
    import torch

    if values.numel() <= PIECE or not values.is_contiguous():
        return values.to(device)
    flat, there = values.view(-1), torch.empty(values.shape, dtype=values.dtype, device=device)
    for source, target in zip(flat.split(PIECE), there.view(-1).split(PIECE), strict=True):
        locked = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
        target.copy_(locked.copy_(source), non_blocking=True)
    return there
