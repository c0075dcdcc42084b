"""What the inputs of a network were like in its training, and whether others are like them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cnn import checks
from cnn.types import AnyArray

_LARGER = 8.0  # times the largest number of the training
_SMALLER = 12.0  # times smaller than the largest number of most of its samples
_NEGATIVE = 0.25  # of the largest number: a negative one as large is none by rounding
_SLIGHT = 0.05  # likewise, where most samples have one
_CHANCE = 0.001  # that samples like those of the training are all without a negative number


class InputRange(NamedTuple):
    """The numbers that a network was trained on.

    lowest, highest: of all; typical: the largest size of a number in a sample, in the median over
    the samples; positive: the share of the samples without a negative number, as one more of them
    would have it.
    """

    lowest: float
    typical: float
    highest: float
    positive: float = 1.0

    @classmethod
    def of(cls, X: AnyArray) -> InputRange:
        """Return the range of samples (N, …)."""
        lows, highs = _extremes(X)
        sizes = np.maximum(-lows, highs)
        positive = np.count_nonzero(lows >= -_SLIGHT * sizes.max()) + 1
        ends = float(lows.min()), float(np.median(sizes)), float(highs.max())
        return cls(*ends, positive / (len(X) + 1))

    @classmethod
    def stored(cls, values: Any) -> InputRange | None:
        """Return the range of JSON's list, or None; ValueError or TypeError for anything else."""
        if values is None:
            return None
        return cls(*(checks.number(value, "input_range") for value in values))

    def difference(self, X: AnyArray) -> str:
        """Return how samples (N, …) differ from these, in words; nothing where they may be like."""
        lows, highs = _extremes(X)
        sizes = np.maximum(-lows, highs)
        largest = max(-self.lowest, self.highest)
        if np.median(sizes) > _LARGER * largest > 0:
            return "far larger numbers"
        if 0 < sizes.max() < self.typical / _SMALLER:
            return "far smaller numbers"
        if self.lowest >= 0 and lows.min() < -_NEGATIVE * largest < 0:
            return "negative numbers, other"
        if lows.min() >= 0 and highs.max() > 0 and self.positive ** len(X) < _CHANCE:
            return "no negative numbers, other"
        return ""

    def check(self, X: AnyArray, name: str, cure: str) -> None:
        """Warn where samples (N, …) cannot have been prepared like those of the training."""
        difference = self.difference(X)
        if difference:
            checks.warn(
                f"{name} holds {difference} than those that the network was trained on, from "
                f"{self.lowest:.3g} to {self.highest:.3g}: {cure}"
            )


def _extremes(X: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return the least and the greatest number of each sample."""
    rows = X.reshape(len(X), -1)
    return rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)
