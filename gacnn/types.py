"""The types of arrays and files that signatures name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.types import FilePath as FilePath

Array = NDArray[Any]
"""An array of numbers: genes, fitness, images."""

Indices = NDArray[np.intp]
"""Places in a population or among images, integers from 0 on."""
