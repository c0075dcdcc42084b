"""The types of arrays and files that signatures name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.types import FilePath as FilePath

Array = NDArray[Any]
Indices = NDArray[np.intp]
