"""The vectors of a population, checked and made ready for an engine, a slab of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from cnn import checks
from cnn.engines.engine import Engine
from cnn.engines.families import weight_arrays
from cnn.engines.numpy.threads import available_threads, work_at
from cnn.layers.weighted import WeightedLayer
from cnn.types import AnyArray, Array

CHECKED = 2**20  # numbers that a thread looks at

Run = Callable[[slice, Sequence[Array], AnyArray, int, int], None]
"""Fills out (members, …) for a slab of members, whose weight arrays it is given, with so many
threads and so many bytes."""


def in_slabs(
    run: Run,
    vectors: AnyArray,
    layers: Sequence[WeightedLayer],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    name: str,
    threads: int | None,
    memory_limit: int,
    own_images: bool = False,
) -> AnyArray:
    """Return (P, *shape), filled for as many members at a time as there is memory to copy.

    Args:
        run: what fills it.
        vectors: (P, weights), of any type and order.
        layers: those with weights.
        shape, dtype: of what is made for a member.
        name: of the vectors, for an error.
        threads: cores to use; None for all.
        memory_limit: bytes that copies and `run` may take together.
        own_images: whether each member sees its own.

    Raises:
        ValueError: for NaN and infinities in the vectors.
    """
    workers = checks.whole(available_threads() if threads is None else threads, "threads")
    out = np.empty((len(vectors), *shape), dtype)
    slab, limit = len(vectors), memory_limit
    if not _is_ready(vectors):  # copies, a part at a time
        slab = max(1, limit // 16 // max(1, vectors.shape[1]))
        limit -= limit // 4
    for start in range(0, len(vectors), slab):
        part = vectors[start : start + slab]
        _check_finite(part, name, start, workers)
        if not _is_ready(part):
            with np.errstate(all="ignore"):
                part = np.array(part, np.float32, order="C")
        weights = weight_arrays(layers, part, own_images=own_images)
        run(slice(start, start + slab), weights, out[start : start + slab], workers, limit)
    return out


def checked_memory(memory_limit: int | None, engine: Engine) -> int:
    """Return how many bytes may be taken: what is said, or what suits the engine."""
    return checks.whole(
        engine.memory_limit if memory_limit is None else memory_limit, "memory_limit"
    )


def _check_finite(rows: AnyArray, name: str, first: int, threads: int) -> None:
    """Raise ValueError for a NaN or an infinity; many rows are looked at by several threads."""
    if rows.size <= CHECKED or threads == 1:
        checks.finite(rows, name, first)
        return
    size = max(1, CHECKED // rows.shape[1])
    starts = range(0, len(rows), size)
    work_at(lambda at: checks.finite(rows[at : at + size], name, first + at), starts, threads)


def _is_ready(rows: AnyArray) -> bool:
    """Tell whether engines may take the rows as they are: an unaligned one has other bits."""
    flags = rows.flags
    return rows.dtype == np.float32 and flags.c_contiguous and flags.aligned
