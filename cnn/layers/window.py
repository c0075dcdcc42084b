"""Where a kernel looks along one axis."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """Where a kernel looks along one axis: `size` taps, `dilation` apart, moved by `stride`."""

    size: int
    stride: int = 1
    dilation: int = 1

    @property
    def reach(self) -> int:
        """Distance from the first tap to the last."""
        return self.dilation * (self.size - 1)

    def outputs(self, length: int) -> int:
        """Number of positions on an axis of this length; 0 or less where it does not fit."""
        return (length - self.reach - 1) // self.stride + 1

    def inputs(self, outputs: int) -> int:
        """Shortest axis that has this number of positions."""
        return (outputs - 1) * self.stride + self.reach + 1
