"""The types of arrays and files that signatures name."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
AnyArray = NDArray[Any]
Labels = NDArray[np.intp]
FilePath = str | os.PathLike[str]
