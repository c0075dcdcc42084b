"""Images on the device: a block at a time from NumPy, or held there for a session."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cnn.engines.torch import kernels
from cnn.engines.torch.kernels import Tensor
from cnn.types import AnyArray, Indices

Source = Callable[[slice, slice], Tensor]
"""What gives some images of some members, as kernels take them; those of all know no members."""

_lock = threading.RLock()
_sessions: dict[str, int] = {}  # how many there are, for each device
_held: dict[tuple[str, int], tuple[Any, Tensor]] = {}  # by device and identity of the array


@contextmanager
def holding(device: str) -> Iterator[None]:
    """Keep on a device the images that networks are run on inside, as long as their arrays live."""
    with _lock:
        _sessions[device] = _sessions.get(device, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _sessions[device] -= 1
            if not _sessions[device]:
                del _sessions[device]
                for key in [key for key in _held if key[0] == device]:
                    del _held[key]


def copied_blocks(
    images: AnyArray, device: Any, dtype: Any, rows: Indices | None = None, *, own: bool = False
) -> Source:
    """Return what copies blocks of images, or of those rows, from NumPy to the device.

    own: they are each member's own (members, N, …).
    """
    import torch

    kind = _kind_of(images)

    def block(part: slice, members: slice) -> Tensor:
        chosen = part if rows is None else rows[part]
        taken = images[members, chosen] if own else images[chosen][None]
        return kernels.enter(torch.from_numpy(_copied(taken, kind)).to(device, dtype))

    return block


def blocks_on(
    images: AnyArray, device: Any, dtype: Any, rows: Indices | None = None, *, own: bool = False
) -> Source:
    """Return what copies blocks of images on the device, all of them or those rows.

    In a session all images are there, if half of what is free holds them, but for images of each
    member's own, such as the frames of games, which are others every time: else a block at a time.
    """
    import torch

    kind = _kind_of(images)
    if own or not _stays(images, device, kind):
        return copied_blocks(images, device, dtype, rows, own=own)
    whole = on_device(images, device, kind)
    chosen = None if rows is None else torch.from_numpy(rows).to(device)

    def block(part: slice, _: slice) -> Tensor:
        taken = whole[part if chosen is None else chosen[part]]
        return kernels.enter(taken[None].to(dtype, copy=chosen is None))

    return block


def entries_on(device: Any, values: AnyArray, kind: DTypeLike, rows: Indices | None) -> Tensor:
    """Return an entry for each image, of that type, or for those rows, on the device."""
    import torch

    if not _stays(values, device, kind):
        part = values if rows is None else values[rows]
        return torch.from_numpy(_copied(part, kind)).to(device)
    there = on_device(values, device, kind)
    return there if rows is None else there[torch.from_numpy(rows).to(device)]


def on_device(array: AnyArray, device: Any, kind: DTypeLike) -> Tensor:
    """Return an array on the device, as that type; in a session the one that is there already."""
    import torch

    key = str(device), id(array)
    with _lock:
        if key in _held:
            return _held[key][1]
        tensor = torch.from_numpy(_copied(array, kind)).to(device)
        if key[0] in _sessions:
            _held[key] = weakref.ref(array, lambda _: _forget(key)), tensor
        return tensor


def _kind_of(images: AnyArray) -> DTypeLike:
    """Return the type of images on a device: bytes stay bytes."""
    return np.uint8 if images.dtype == np.uint8 else np.float32


def _copied(values: AnyArray, kind: DTypeLike) -> AnyArray:
    with np.errstate(all="ignore"):
        return np.array(values, kind, order="C")


def _stays(array: AnyArray, device: Any, kind: DTypeLike) -> bool:
    """Tell whether a session keeps an array on the device."""
    import torch

    key = str(device), id(array)
    with _lock:
        if key in _held or key[0] not in _sessions:
            return key in _held
    if device.type != "cuda":
        return True
    free: int = torch.cuda.mem_get_info(device)[0]
    return array.size * np.dtype(kind).itemsize <= free // 2


def _forget(key: tuple[str, int]) -> None:
    with _lock:
        _held.pop(key, None)
