"""Normal noise on populations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cnn.engines.numpy.threads import work_at
from gacnn.operators.blocks import BLOCK, blocks
from gacnn.types import Array


class _Part(NamedTuple):
    """Noise that is drawn at once: of some genes, some rows, of one row a version.

    Where it is mirrored, of one row for each pair of versions.
    """

    genes: slice
    versions: int
    rows: slice

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.stop - self.rows.start, self.genes.stop - self.genes.start


def add_noise(
    genes: Array,
    rng: np.random.Generator,
    factors: Sequence[Any] = (),
    *,
    mirrored: bool = False,
    probability: float = 1.0,
    versions: Sequence[tuple[slice, int]] = (),
    threads: int = 1,
) -> Array:
    """Return genes (members, n) plus standard normal noise, float32, times the factors.

    Args:
        genes: what the noise is added to; left as it is.
        rng: draws the noise of the first block; its children draw that of the others, so that the
            noise is the same for any number of threads.
        factors: scalars, arrays (n,), or (members, 1) where every member has noise of its own.
        mirrored: whether member 2i + 1 gets the noise of member 2i with the other sign; the last
            of an odd number is on its own.
        probability: the chance of a gene to be disturbed.
        versions: slices of genes, all of them together, and how many versions of the noise there
            are for each, which consecutive members share; a number that divides the members.
            Nothing for noise of each member's own.
        threads: how many may work.
    """
    genes = np.ascontiguousarray(genes)
    members, n = genes.shape
    disturbed = np.empty(genes.shape, np.result_type(genes, np.float32))
    tasks = _tasks(versions or [(slice(0, n), members)], mirrored=mirrored)
    generators = [rng, *rng.spawn(len(tasks) - 1)]

    def disturb(place: int) -> None:
        for part in tasks[place]:
            noise = _drawn(part, generators[place], factors, probability)
            before, after = (_of_versions(each, part) for each in (genes, disturbed))
            if mirrored:
                pairs = slice(2 * part.rows.start, 2 * part.rows.stop)
                _add_mirrored(before[pairs], noise[:, None], after[pairs])
            else:
                np.add(before[part.rows], noise[:, None], out=after[part.rows])

    work_at(disturb, range(len(tasks)), threads)
    return disturbed


def normal_noise(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    mirrored: bool = False,
    probability: float = 1.0,
) -> Array:
    """Return standard normal noise of the shape (rows, n), float32, as `add_noise` draws it."""
    nothing = np.zeros(shape, np.float32)
    return add_noise(nothing, rng, mirrored=mirrored, probability=probability)


def _tasks(versions: Sequence[tuple[slice, int]], *, mirrored: bool) -> list[list[_Part]]:
    """Return what there is to draw, in order, in groups of about a block each."""
    groups: list[list[_Part]] = [[]]
    size = 0
    for genes, count in versions:
        drawn = -(-count // 2) if mirrored else count
        for rows in blocks(drawn, genes.stop - genes.start):
            part = _Part(genes, count, rows)
            own = math.prod(part.shape)
            if groups[-1] and size + own > BLOCK:
                groups.append([])
                size = 0
            groups[-1].append(part)
            size += own
    return groups


def _drawn(
    part: _Part, rng: np.random.Generator, factors: Sequence[Any], probability: float
) -> Array:
    noise: Array = rng.standard_normal(part.shape, np.float32)
    if probability < 1:
        noise *= rng.random(part.shape, np.float32) < probability
    for factor in factors:
        if np.ndim(factor) == 0:
            noise *= factor
        else:
            noise *= factor[part.genes if factor.ndim == 1 else part.rows]
    return noise


def _of_versions(genes: Array, part: _Part) -> Array:
    """Return a part's genes of all members as (versions, members of each, genes): a view."""
    members, n = genes.shape
    sharing = members // max(1, part.versions)
    return genes.reshape(part.versions, sharing, n)[:, :, part.genes]


def _add_mirrored(genes: Array, noise: Array, out: Array) -> None:
    """Write genes plus noise to even rows and genes minus noise to odd ones."""
    np.add(genes[::2], noise, out=out[::2])
    np.subtract(genes[1::2], noise[: len(genes) // 2], out=out[1::2])
