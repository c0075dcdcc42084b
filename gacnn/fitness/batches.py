"""The images of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cnn import checks
from gacnn.types import Array

Augmentation = Callable[[Array, np.random.Generator], Array]


class _Batch(NamedTuple):
    """Images and targets, their indices among all, and how much each counts in a mean."""

    X: Array
    y: Array
    chosen: Array
    weights: Array


def _batch(batch_size: int, number: int) -> int:
    size = checks.whole(batch_size, "batch_size")
    if size > number:
        raise ValueError(
            f"batch_size must be at most the number of images to train on, {number}, not {size}"
        )
    return size
