"""Normal noise on populations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cnn.engines.numpy.threads import work_at
from gacnn.operators.blocks import BLOCK, blocks
from gacnn.types import Array


class Versions(NamedTuple):
    """Noise of some genes, in some versions, which consecutive members share.

    genes: those that it disturbs; number: how many versions there are, which divides the members;
    basis: orthonormal columns (inputs, rank) of a matrix of weights (inputs, units) that the genes
    are: what is drawn is a matrix (rank, units), and the noise its product with the basis. None for
    noise in all directions.
    """

    genes: slice
    number: int
    basis: Array | None = None


class _Part(NamedTuple):
    """Noise that is drawn at once: of some genes, some rows, of one row a version.

    Where it is mirrored, of one row for each pair of versions.
    """

    of: Versions
    rows: slice

    @property
    def shape(self) -> tuple[int, int]:
        genes = self.of.genes
        return self.rows.stop - self.rows.start, genes.stop - genes.start


def add_noise(
    genes: Array,
    rng: np.random.Generator,
    factors: Sequence[Any] = (),
    *,
    mirrored: bool = False,
    probability: float = 1.0,
    versions: Sequence[Versions] = (),
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
        versions: the versions of some genes, all genes together. Nothing for noise of each member's
            own.
        threads: how many may work.
    """
    genes = np.ascontiguousarray(genes)
    members, n = genes.shape
    disturbed = np.empty(genes.shape, np.result_type(genes, np.float32))
    tasks = _tasks(versions or [Versions(slice(0, n), members)], mirrored=mirrored)
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


def _tasks(versions: Sequence[Versions], *, mirrored: bool) -> list[list[_Part]]:
    """Return what there is to draw, in order, in groups of about a block each."""
    groups: list[list[_Part]] = [[]]
    size = 0
    for each in versions:
        drawn = -(-each.number // 2) if mirrored else each.number
        for rows in blocks(drawn, each.genes.stop - each.genes.start):
            part = _Part(each, rows)
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
    noise = _normal(part, rng)
    if probability < 1:
        noise *= rng.random(part.shape, np.float32) < probability
    for factor in factors:
        if np.ndim(factor) == 0:
            noise *= factor
        else:
            noise *= factor[part.of.genes if factor.ndim == 1 else part.rows]
    return noise


def _normal(part: _Part, rng: np.random.Generator) -> Array:
    """Return normal noise (rows, genes), in the span of the basis if there is one."""
    basis = part.of.basis
    if basis is None:
        return rng.standard_normal(part.shape, np.float32)
    rows, genes = part.shape
    inputs, rank = basis.shape
    drawn = rng.standard_normal((rows, rank, genes // inputs), np.float32)
    noise: Array = np.matmul(basis, drawn).reshape(part.shape)
    return noise


def _of_versions(genes: Array, part: _Part) -> Array:
    """Return a part's genes of all members as (versions, members of each, genes): a view."""
    members, n = genes.shape
    own, number, _ = part.of
    return genes.reshape(number, members // max(1, number), n)[:, :, own]


def _add_mirrored(genes: Array, noise: Array, out: Array) -> None:
    """Write genes plus noise to even rows and genes minus noise to odd ones."""
    np.add(genes[::2], noise, out=out[::2])
    np.subtract(genes[1::2], noise[: len(genes) // 2], out=out[1::2])
