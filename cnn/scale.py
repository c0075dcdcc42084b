"""What pixels mean: the numbers that stand for black and white."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import checks

_MOST = float(np.finfo(np.float32).max)
_NEAR = 1e-6  # of the span, that numbers may lie outside by rounding
_DARK = 64  # bytes of which none reaches this may be others than bytes
_FAR = 250  # times the brightest pixel: where white is more than that, others were meant
_CURE = "if other numbers are black and white, say so by scale=cnn.datasets.Scale(black, white)"


class Range(NamedTuple):
    """What is looked at to tell what pixels mean.

    kind: their type, as a message says it; whole: whether all are whole numbers.
    """

    kind: str
    lowest: float
    highest: float
    whole: bool

    @classmethod
    def of(cls, array: NDArray[Any], name: str) -> Range:
        """Return the range of real numbers; ValueError where there are none, or NaN."""
        if array.size == 0:
            raise ValueError(f"{name} is empty: its shape is {array.shape}; give at least one")
        kind, ends = array.dtype.newbyteorder("="), (float(array.min()), float(array.max()))
        if not all(abs(end) <= _MOST for end in ends):
            raise ValueError(
                f"{name} must be finite in float32, but it is {kind} from {ends[0]:g} to "
                f"{ends[1]:g}; np.nan_to_num replaces what is not"
            )
        whole = kind.kind in "bui" or all(
            np.array_equal(each, np.floor(each)) for each in np.atleast_1d(array)
        )
        return cls(f"{kind}", *ends, whole)

    def __str__(self) -> str:
        return f"{self.kind} from {self.lowest:.6g} to {self.highest:.6g}"


def joined(ranges: Iterable[Range]) -> Range:
    """Return the range of all."""
    return reduce(_both, ranges)


def _both(first: Range, second: Range) -> Range:
    kinds = [first.kind, *([second.kind] if second.kind not in first.kind.split(", ") else [])]
    return Range(
        ", ".join(kinds),
        min(first.lowest, second.lowest),
        max(first.highest, second.highest),
        first.whole and second.whole,
    )


@dataclass(frozen=True)
class Scale:
    """How pixels become the numbers that a network takes: black becomes 0 and white 1.

    black, white: the numbers that stand for them, such as 0 and 255. `dataclasses.asdict` makes a
    dictionary for JSON of it, and `Scale(**dictionary)` makes it again.

    >>> scale = Scale(0, 255)
    >>> print(scale)
    bytes, divided by 255
    >>> scale.apply([0, 51, 255], "X").tolist()
    [0.0, 0.20000000298023224, 1.0]
    """

    black: float = 0
    white: float = 1

    def __post_init__(self) -> None:
        for name in ("black", "white"):
            object.__setattr__(self, name, checks.number(getattr(self, name), name))
        if self.black == self.white:
            raise ValueError(f"white must be another number than black, {self.black:g}")

    def __str__(self) -> str:
        if self == BYTES:
            return "bytes, divided by 255"
        bits = round(math.log2(abs(self.white) + 1))
        if self.black == 0 and bits > 8 and self.white == 2**bits - 1:
            return f"numbers of {bits} bits, divided by {self.white:,.0f}"
        numbers = f"numbers from {self.black:g} to {self.white:g}"
        if self.black == 0:
            rest = "left as they are" if self.white == 1 else f"divided by {self.white:g}"
        else:
            rest = "moved to 0 to 1"
        return f"{numbers}, {rest}"

    @classmethod
    def of(cls, pixels: ArrayLike, name: str) -> Scale:
        """Return what pixels mean, by their range and type together.

        Whole numbers that reach beyond 1 are bytes, or of 10 to 32 bits if they reach beyond 255;
        other numbers are from 0 to 1. Warns where that is not certain, and raises ValueError, with
        the cure, where nothing is likely. `name`: what messages call the pixels.
        """
        return decided(Range.of(checks.real(pixels, name), name), name)

    def apply(self, pixels: ArrayLike, name: str) -> NDArray[np.float32]:
        """Return pixels as float32 of the same shape, in [0, 1].

        Raises ValueError, with the cure, for pixels that cannot be meant so: some are outside of
        black and white, or all are numbers from 0 to 1 where white is far more. Warns of whole
        numbers that are far from white, such as an image that is almost black.
        """
        array = checks.real(pixels, name)
        self.check(Range.of(array, name), name)
        return self.applied(array.astype(np.float32))

    def applied(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn pixels that are checked into those of a network, in place."""
        if self.black:
            pixels -= self.black
        if self.white - self.black != 1:
            pixels /= self.white - self.black
        return pixels

    def check(self, found: Range, name: str) -> None:
        """Raise or warn as `apply` does for pixels of this range."""
        low, high = sorted((self.black, self.white))
        near = _NEAR * (high - low)
        inside = low - near <= found.lowest and found.highest <= high + near
        small = low >= 0 and 0 < found.highest <= max(high / _FAR, float(high > 8))
        shares = found.kind == "bool" or (found.highest <= 1 and not found.whole and high > 15)
        bytes_in_more = found.kind == "uint8" and high > 255
        if not inside or bytes_in_more or (small and shares and high > 1):
            raise ValueError(
                f"{name} must be as its scale says, {self}, but it is {found}; {self._cure(found)}"
            )
        if small or (low == -1 and found.lowest >= 0):
            checks.warn(f"{name} is {found}: taken as {self} all the same; {_CURE}")

    def _cure(self, found: Range) -> str:
        try:
            own, _ = _guess(found, "")
        except ValueError:
            own = Scale(found.lowest, max(found.highest, found.lowest + 1))
        if self.black == own.black == 0:
            factor = self.white / own.white
            change = f"multiply it by {factor:g}" if factor > 1 else f"divide it by {1 / factor:g}"
            return f"{change}, or give the scale it has, scale=cnn.datasets.{own!r}"
        return f"give it in these numbers, or the scale it has, scale=cnn.datasets.{own!r}"


BYTES = Scale(0, 255)
UNIT = Scale(0, 1)


def given(scale: Scale | None) -> Scale | None:
    """Return a scale that a user has given, or None; TypeError for anything else."""
    if scale is not None and not isinstance(scale, Scale):
        raise TypeError(
            f"scale must be a cnn.datasets.Scale, such as Scale(0, 255), or None, not {scale!r}"
        )
    return scale


def decided(found: Range, name: str) -> Scale:
    """Return what pixels of this range mean; warns, or raises ValueError, as `Scale.of` does."""
    scale, doubt = _guess(found, name)
    if doubt:
        checks.warn(f"{name} is {found}{doubt}: taken as {scale}; {_CURE}")
    return scale


def _guess(found: Range, name: str) -> tuple[Scale, str]:
    """Return a scale, and what makes it doubtful, or nothing."""
    kind, lowest, highest, whole = found
    if lowest < 0:
        if -1 - _NEAR <= lowest < -0.5 and 0.5 < highest <= 1 + _NEAR:
            return Scale(-1, 1), ", with negative ones"
    elif highest == 0 and kind.startswith(("int", "uint")):
        return BYTES, ""
    elif highest <= 1 + _NEAR:
        doubt = ", far from white" if 0 < highest < 1 / _FAR else ""
        return UNIT, ", of which 0 and 1 need no 16 bits" if kind == "uint16" else doubt
    elif highest <= 255 and whole:
        doubt = ", far from white" if highest < _DARK else ""
        return BYTES, ", of which bytes need 8 bits" if kind == "uint16" else doubt
    elif _DARK <= highest <= 255:
        return BYTES, ", with fractions"
    elif 255 < highest < 2**32:
        bits = max(10, int(highest).bit_length())
        bits += bits % 2
        return Scale(0, 2**bits - 1), "" if whole and bits == 16 else f", which {bits} bits hold"
    clip = "clip it by np.clip(…, 0, 1), or " if lowest > -0.5 and highest < 1.5 else ""
    raise ValueError(
        f"{name} must be numbers from 0 to 1 or from 0 to 255, or of 16 bits, but it is {found}; "
        f"{clip}name the numbers that are black and white, such as "
        f"scale=cnn.datasets.Scale({lowest:.6g}, {highest:.6g})"
    )
