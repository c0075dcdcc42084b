"""Where the outputs of blocks go: to NumPy as they are, or what a reduction makes of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from cnn.engines.reduction import Reduction, Total
from cnn.engines.torch.held import entries_on
from cnn.engines.torch.kernels import Tensor
from cnn.types import Array

Made = Callable[[Tensor, slice], Tensor]
"""Makes something of outputs (members, images, …) for those images of the batch."""


Maker = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Makes it of outputs, targets (images, …) and weights (images,)."""


class Results(Protocol):
    """Takes the outputs of some members for a block of images, a group of members at a time."""

    members: int
    images: int

    def begin(self) -> None:
        """Forget what blocks of another size have left, for which the memory did not do."""
        ...

    def place(self, members: slice, images: slice) -> Tensor:
        """Return what is to be filled for these members and images."""
        ...

    def fill(self, place: Tensor, part: slice, values: Tensor, images: slice) -> None:
        """Put the outputs (members, images, …) of a part of the members there."""
        ...

    def keep(self, place: Tensor, members: slice, images: slice) -> None:
        """Take over what was filled."""
        ...

    def finish(self) -> None:
        """Write what is still on the device."""
        ...


class Outputs:
    """Fills an array (members, images, …) of NumPy's.

    direct: the device shares its memory; otherwise outputs come from there once for a block.
    make: what is written of the outputs; None for themselves.
    """

    def __init__(self, out: Array, device: Any, *, direct: bool, make: Made | None = None) -> None:
        import torch

        self.members, self.images = out.shape[:2]
        series = out.ndim == 4  # whose maps are one column
        self._target = torch.from_numpy(out[:, :, :, None] if series else out)
        self._device = device
        self._direct, self._make = direct, make

    def begin(self) -> None:
        """All is written again."""

    def place(self, members: slice, images: slice) -> Tensor:
        """Return the array's own memory, or as much on the device."""
        import torch

        wanted = self._target[members, images]
        return wanted if self._direct else torch.empty(wanted.shape, device=self._device)

    def fill(self, place: Tensor, part: slice, values: Tensor, images: slice) -> None:
        """Write outputs, or what is made of them."""
        place[part] = values if self._make is None else self._make(values, images)

    def keep(self, place: Tensor, members: slice, images: slice) -> None:
        """Copy what is on the device."""
        if not self._direct:
            self._target[members, images].copy_(place)

    def finish(self) -> None:
        """All is written."""


class Totals:
    """Sums what is made of outputs over the blocks of images, in their order, on the device."""

    def __init__(self, out: Array, images: int, device: Any, make: Made) -> None:
        import torch

        self.members, self.images = len(out), images
        self._target, self._make = torch.from_numpy(out), make
        self._kind = {"device": device, "dtype": _sums_on(device)}
        self._blocks: dict[int, Tensor] = {}  # by the first image

    def begin(self) -> None:
        """Forget the sums."""
        self._blocks.clear()

    def place(self, members: slice, images: slice) -> Tensor:
        """Return sums for some members."""
        import torch

        first, shape = images.start, self._target.shape
        if first not in self._blocks:
            self._blocks.setdefault(first, torch.zeros(shape, **self._kind))
        return self._blocks[first][members]

    def fill(self, place: Tensor, part: slice, values: Tensor, images: slice) -> None:
        """Write what is made of outputs."""
        place[part] = self._make(values, images)

    def keep(self, place: Tensor, members: slice, images: slice) -> None:
        """They are in place."""

    def finish(self) -> None:
        """Add up the blocks."""
        import torch

        blocks = [self._blocks[first] for first in sorted(self._blocks)]
        self._target.copy_(torch.stack(blocks).sum(0) if blocks else torch.zeros_like(self._target))


def results_of(reduction: Reduction, out: Array, device: Any, *, direct: bool) -> Results:
    """Return what makes a reduction of outputs into out (members, …)."""
    make, wide = _maker(reduction), np.float32 if device.type == "mps" else np.float64
    kind = wide if reduction.total == Total.SQUARES else np.int64
    targets = entries_on(device, reduction.targets, kind, reduction.rows)
    weights = None
    if reduction.weights is not None:
        weights = entries_on(device, reduction.weights, wide, reduction.rows)

    def made(values: Tensor, images: slice) -> Tensor:
        each = make(values, targets[images], None if weights is None else weights[images])
        finite = values.isfinite().flatten(1).all(1)
        return each.where(finite.view(-1, *(1 for _ in each.shape[1:])), float("nan"))

    if reduction.total == Total.LOG_PROBA:
        return Outputs(out, device, direct=direct, make=made)
    return Totals(out, reduction.images, device, made)


def _maker(reduction: Reduction) -> Maker:
    if reduction.total == Total.LOG_PROBA:
        return partial(_log_proba, reduction.temperature)
    if reduction.total == Total.CROSS_ENTROPY:
        return partial(_cross_entropy, reduction.temperature, reduction.smoothing)
    return {Total.HITS: _hits, Total.CONFUSION: _confusion, Total.SQUARES: _squares}[
        reduction.total
    ]


def _tempered(temperature: float, values: Tensor) -> Tensor:
    return values if temperature == 1 else (values / temperature).log_softmax(2)


def _log_proba(temperature: float, values: Tensor, labels: Tensor, _: Tensor | None) -> Tensor:
    return _of_label(_tempered(temperature, values), labels)


def _of_label(values: Tensor, labels: Tensor) -> Tensor:
    return values.gather(2, labels[None, :, None].expand(len(values), -1, 1)).squeeze(2)


def _cross_entropy(
    temperature: float, smoothing: float, values: Tensor, labels: Tensor, weights: Tensor | None
) -> Tensor:
    softer = _tempered(temperature, values)
    each = _of_label(softer, labels)
    if smoothing:
        each = (1 - smoothing) * each + smoothing * softer.mean(2)
    return _sum(each, weights)


def _hits(values: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    return _sum(values.argmax(2) == labels, weights)


def _confusion(values: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    from torch.nn.functional import one_hot

    classes, kind = values.shape[2], _sums_on(values.device)
    true = one_hot(labels, classes).to(kind)
    if weights is not None:
        true = true * weights[:, None]
    return true.mT @ one_hot(values.argmax(2), classes).to(kind)


def _squares(values: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
    errors = values.to(_sums_on(values.device)) - targets
    return _sum(errors.square().mean(2), weights)


def _sum(each: Tensor, weights: Tensor | None) -> Tensor:
    wide = each.to(_sums_on(each.device))
    return (wide if weights is None else wide * weights).sum(1)


def _sums_on(device: Any) -> Any:
    """Return the type of sums: Apple's GPUs have no float64."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64
