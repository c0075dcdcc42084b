"""Memory that the allocator keeps."""

from __future__ import annotations

import functools

import numpy as np


@functools.cache
def keep_freed_memory() -> None:
    """Free one large array, which tells glibc's malloc that such arrays come and go.

    Otherwise it returns the memory of every step to the system, and getting it back takes longer
    than the step.
    """
    np.empty(31 * 2**20, np.uint8)
