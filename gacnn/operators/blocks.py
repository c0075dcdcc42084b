"""Passes over large populations, a block at a time and in several threads.

Blocks are the same for any number of threads, and so is what comes out.
"""

from __future__ import annotations

import numpy as np

from cnn import checks
from cnn.engines.numpy.threads import available_threads, work_at
from gacnn.operators.run import Run
from gacnn.types import Array, Indices

BLOCK = 2**18  # genes, one MiB of float32; with another number a seed gives other bits


def threads_of(run: Run) -> int:
    """Return how many threads the operators of a run may use: as many as its evaluator says.

    Raises ValueError, or TypeError, where that is no number of them.
    """
    given = run.evaluator.threads
    return available_threads() if given is None else checks.whole(given, "fitness_func.threads")


def blocks(length: int, width: int) -> list[slice]:
    """Return slices that cover `length` rows of `width` genes, of about `BLOCK` genes each."""
    step = max(1, BLOCK // max(1, width))
    return [slice(first, min(first + step, length)) for first in range(0, length, step)]


def rows_of(genes: Array, rows: Indices, threads: int) -> Array:
    """Return some rows of genes (P, n), a copy."""
    taken = np.empty((len(rows), genes.shape[1]), genes.dtype)

    def take(block: slice) -> None:
        genes.take(rows[block], axis=0, out=taken[block], mode="wrap")  # "raise" would buffer

    work_at(take, blocks(*taken.shape), threads)
    return taken


def copies_of(row: Array, number: int, threads: int) -> Array:
    """Return a row (n,) so many times: (number, n)."""
    copies = np.empty((number, len(row)), row.dtype)

    def fill(block: slice) -> None:
        copies[block] = row

    work_at(fill, blocks(*copies.shape), threads)
    return copies


def weighted_sum(weights: Array, genes: Array, threads: int) -> Array:
    """Return the sum (n,) of rows of genes (K, n), times weights (K,)."""
    total = np.empty(genes.shape[1], np.result_type(weights, genes))

    def add(block: slice) -> None:
        np.matmul(weights, genes[:, block], out=total[block])

    work_at(add, blocks(*genes.shape[::-1]), threads)
    return total


def differing(genes: Array, threads: int) -> Array:
    """Return which genes (n,) are not the same in all rows of genes (K, n)."""
    differ = np.empty(genes.shape[1], bool)

    def compare(block: slice) -> None:
        part = genes[:, block]
        (part != part[0]).any(axis=0, out=differ[block])

    work_at(compare, blocks(*genes.shape[::-1]), threads)
    return differ
