"""The types of arrays and files that signatures name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
"""An array of float32, in which networks hold weights and give outputs."""

AnyArray = NDArray[Any]
"""An array of whatever real numbers were given."""

Labels = NDArray[np.intp]
"""Class labels, integers from 0 on."""

Indices = NDArray[np.intp]
"""Positions in an array."""

FilePath = str | os.PathLike[str]
"""Where a file is: a string, or a `pathlib.Path`."""

Size = int | Sequence[int]
"""One whole number for both directions, or two: (vertical, horizontal)."""

Padding = str | int | Sequence[int]
""""valid", "same", or how much on each side: a whole number, or (vertical, horizontal)."""
