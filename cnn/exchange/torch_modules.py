"""PyTorch modules of layers that PyTorch has none for; it is imported where PyTorch is there."""

from __future__ import annotations

from typing import Any

import torch


class SquareRoot(torch.nn.Module):  # type: ignore[misc] # PyTorch's types are not looked at
    """Square root of what is positive, and 0 elsewhere."""

    def forward(self, x: Any) -> Any:
        """Return the root of each number."""
        return torch.sqrt(torch.relu(x))


class Standardization(torch.nn.Module):  # type: ignore[misc] # PyTorch's types are not looked at
    """(x + shift) * scale for each channel, the second axis, with numbers that are not trained."""

    def __init__(self, scale: Any, shift: Any) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))

    def forward(self, x: Any) -> Any:
        """Return x (N, channels, …) standardised."""
        axes = (1, -1, *(1,) * (x.ndim - 2))
        return (x + self.shift.view(axes)) * self.scale.view(axes)
