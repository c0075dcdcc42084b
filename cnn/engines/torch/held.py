"""Images on the device: a block at a time from NumPy, or held there for a session."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnn.engines.torch import kernels
from cnn.engines.torch.kernels import Tensor
from cnn.types import AnyArray

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


def copied_blocks(images: AnyArray, dtype: Any, *, own: bool) -> Source:
    """Return what copies blocks of images from NumPy, for a device that shares its memory.

    own: they are each member's own (members, N, …).
    """
    import torch

    def block(part: slice, members: slice) -> Tensor:
        taken = images[members, part] if own else images[None, part]
        return kernels.enter(torch.from_numpy(_float32(taken)).to(dtype))

    return block


def blocks_on(device: Any, images: AnyArray, dtype: Any, *, own: bool) -> Source:
    """Return what copies blocks of images that are on the device, all of them.

    own: they are each member's own (members, N, …), such as the frames of games: these are others
    every time, and not kept for a session.
    """
    whole = _uploaded(images, device) if own else on_device(images, device)[None]

    def block(part: slice, members: slice) -> Tensor:
        return kernels.enter(whole[members if own else slice(1), part].to(dtype, copy=True))

    return block


def _float32(images: AnyArray) -> AnyArray:
    with np.errstate(all="ignore"):
        return np.array(images, np.float32, order="C")


def on_device(images: AnyArray, device: Any) -> Tensor:
    """Return all images on the device, bytes as bytes and all else as float32.

    In a session those that are there already are not copied again.
    """
    key = str(device), id(images)
    with _lock:
        if key in _held:
            return _held[key][1]
        tensor = _uploaded(images, device)
        if key[0] in _sessions:
            _held[key] = weakref.ref(images, lambda _: _forget(key)), tensor
        return tensor


def _uploaded(images: AnyArray, device: Any) -> Tensor:
    import torch

    copied = images.copy() if images.dtype == np.uint8 else _float32(images)
    return torch.from_numpy(copied).to(device)


def _forget(key: tuple[str, int]) -> None:
    with _lock:
        _held.pop(key, None)
