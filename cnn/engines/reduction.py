"""What is made of the outputs of networks where they are computed, so that they need not travel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import DTypeLike

from cnn.types import AnyArray, Indices


class Total(StrEnum):
    """What is made of a network's outputs (N, …) for images with targets (N, …), weights w (N,)."""

    LOG_PROBA = "log_proba"
    """log p of the label of each image, (N,)."""
    CROSS_ENTROPY = "cross_entropy"
    """Sum of w · log p of the label, ()."""
    HITS = "hits"
    """Sum of w where the largest output is that of the label, ()."""
    CONFUSION = "confusion"
    """Sums of w, (true class, predicted class)."""
    SQUARES = "squares"
    """Sum of w · the mean over outputs of (output - value)², ()."""


@dataclass(frozen=True, eq=False)
class Reduction:
    """What is to be made of the outputs of each network, and which images it is made of.

    It is NaN for a network any of whose outputs is no finite number.

    Attributes:
        total: what is made.
        targets: labels (M,), or values (M, outputs), of all images that there are.
        weights: (M,) float64, or None for 1 each.
        rows: (N,), which of the M images are shown, in this order; None for all.
        temperature: what outputs are divided by before the softmax.
        smoothing: the share of each label that goes to all classes alike, in CROSS_ENTROPY.
    """

    total: Total
    targets: AnyArray
    weights: AnyArray | None = None
    rows: Indices | None = None
    temperature: float = 1.0
    smoothing: float = 0.0

    @property
    def images(self) -> int:
        """How many images a network is shown."""
        return len(self.targets if self.rows is None else self.rows)

    def shape(self, classes: int) -> tuple[int, ...]:
        """Return the shape of what is made for a network."""
        if self.total == Total.LOG_PROBA:
            return (self.images,)
        return (classes, classes) if self.total == Total.CONFUSION else ()

    @property
    def dtype(self) -> DTypeLike:
        """Type of what is made: sums are float64."""
        return np.float32 if self.total == Total.LOG_PROBA else np.float64
