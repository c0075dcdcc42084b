"""Selection, crossover and mutation as functions of whole arrays.

An operator is `operator(parents, num_offspring, rng) -> offspring`: (K, n) to (num_offspring, n)
of the same dtype, with a `numpy.random.Generator`. Costs are linear in members times genes.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gacnn.types import Array, Indices

if TYPE_CHECKING:
    from numpy.random import Generator

Numbers = float | Array  # one for all, or one for each

_COMPARED = 2**24  # numbers that are compared at a time
_BLOCK_GENES = 2**16  # a block of offspring that stays in the second-level cache


def spin_wheel(probabilities: Array, pointers: Array) -> Indices:
    """Return the slice of a wheel that each pointer in [0, 1) falls into.

    `probabilities` (P,) are the widths of the slices; `pointers` (K,) give indices (K,).
    """
    order = np.argsort(probabilities)
    edges = np.cumsum(probabilities[order])
    slots = np.searchsorted(edges, pointers, side="right")
    return order[np.minimum(slots, len(order) - 1)]  # edges may end a rounding error below 1


def win_tournaments(ranks: Array, candidates: Indices) -> Indices:
    """Return the candidate of lowest rank in each tournament, the first one if several tie.

    `ranks` (P,), 0 is best; `candidates` (tournaments, K) are indices into it.
    """
    winners = ranks[candidates].argmin(axis=1)
    return np.take_along_axis(candidates, winners[:, None], axis=1)[:, 0]


def front_numbers(fitness: Array) -> Indices:
    """Return the Pareto front of every solution (P,), 0 for those that none dominates.

    `fitness` is (P, objectives), higher is better; a front is what none outside the earlier
    fronts dominates (Deb et al. 2002, non-dominated sorting). PyGAD also sorts the best fitness
    of all generations when a long run ends, so that P x P numbers may be too many.
    """
    if fitness.shape[1] == 2:
        return _fronts_of_two(*fitness.T.tolist())
    rows = max(1, _COMPARED // fitness.size)
    dominators = np.zeros(len(fitness), int)
    for start in range(0, len(fitness), rows):
        dominators += _dominated(fitness[start : start + rows], fitness)
    fronts = np.full(len(fitness), -1)
    while (fronts < 0).any():
        front = np.flatnonzero((dominators == 0) & (fronts < 0))
        fronts[front] = fronts.max() + 1
        for start in range(0, len(front), rows):
            dominators -= _dominated(fitness[front[start : start + rows]], fitness)
    return fronts


def _dominated(some: Array, fitness: Array) -> Indices:
    """Return by how many of some each solution is dominated (P,)."""
    mine, other = some[:, None, :], fitness[None, :, :]
    dominates = np.all(mine >= other, axis=2) & np.any(mine > other, axis=2)
    return np.asarray(dominates.sum(axis=0))


def _fronts_of_two(first: list[float], second: list[float]) -> Indices:
    """Return the fronts for two objectives: the best in the first one come before the others.

    So a solution is dominated by one in a front if the front's best in the second is as good
    (Jensen 2003, Reducing the run-time complexity of multiobjective EAs).
    """
    fronts, front, previous = np.empty(len(first), int), 0, None
    lowest: list[float] = []  # minus the best, front by front
    for index in np.lexsort((np.negative(second), np.negative(first))).tolist():
        if (first[index], second[index]) != previous:
            front = bisect.bisect_right(lowest, -second[index])
            lowest[front : front + 1] = [-second[index]]
            previous = first[index], second[index]
        fronts[index] = front
    return fronts


def crowding_distances(front_of: Array, fitness: Array) -> NDArray[np.float64]:
    """Return how far apart the neighbours of every solution are in its Pareto front (P,).

    `front_of` (P,) numbers the fronts of `fitness` (P, objectives). The gap between the two
    neighbours along an objective, over the span of the objective in the population, is summed
    over the objectives; the ends of a front are infinitely far (Deb et al. 2002).
    """
    distances = np.zeros(len(fitness))
    for values in fitness.T:
        order = np.lexsort((values, front_of))
        ranked, fronts, span = values[order], front_of[order], np.ptp(values)
        gaps = np.full(len(order), np.inf)
        inner = np.flatnonzero(fronts[2:] == fronts[:-2]) + 1
        gaps[inner] = (ranked[inner + 1] - ranked[inner - 1]) / (span if span else 1)
        distances[order] += gaps
    return distances


# Crossover


def mating_pairs(
    num_offspring: int, num_parents: int, rng: Generator, probability: float | None = None
) -> tuple[Indices, Indices]:
    """Return the first and the second parent of every offspring.

    Neighbours mate in turn. With a `probability` each parent is willing with that chance, and
    two of the willing mate; a single one mates with itself, and when there is none the parent
    whose turn it is stands for both.
    """
    turns = np.arange(num_offspring)
    first, second = turns % num_parents, (turns + 1) % num_parents
    if probability is None:
        return first, second
    willing = rng.binomial(num_parents, probability, size=num_offspring)
    mothers = rng.integers(num_parents, size=num_offspring)
    steps = rng.integers(1, max(2, num_parents), size=num_offspring)
    fathers = np.where(willing > 1, (mothers + steps) % num_parents, mothers)
    return np.where(willing > 0, mothers, first), np.where(willing > 0, fathers, first)


def single_point_crossover(
    parents: Array, num_offspring: int, rng: Generator, probability: float | None = None
) -> Array:
    """Return offspring with the first parent's genes before a random point, the second's after.

    `parents` (K, n) give offspring (num_offspring, n); the point is uniform in [0, n).
    """
    first, second = mating_pairs(num_offspring, len(parents), rng, probability)
    points = rng.integers(parents.shape[1], size=num_offspring)
    offspring: Array = parents[second]
    for child, parent, point in zip(offspring, first.tolist(), points.tolist(), strict=True):
        child[:point] = parents[parent, :point]
    return offspring


def two_points_crossover(
    parents: Array, num_offspring: int, rng: Generator, probability: float | None = None
) -> Array:
    """Return offspring with the second parent's genes between two random points.

    `parents` (K, n) give offspring (num_offspring, n); the points are two different values in
    [0, n], every pair equally likely.
    """
    first, second = mating_pairs(num_offspring, len(parents), rng, probability)
    num_genes = parents.shape[1]
    points = rng.integers(num_genes + 1, size=num_offspring)
    others = rng.integers(num_genes, size=num_offspring)
    others += others >= points
    lows, highs = np.minimum(points, others).tolist(), np.maximum(points, others).tolist()
    offspring: Array = parents[first]
    for child, parent, low, high in zip(offspring, second.tolist(), lows, highs, strict=True):
        child[low:high] = parents[parent, low:high]
    return offspring


def uniform_crossover(
    parents: Array, num_offspring: int, rng: Generator, probability: float | None = None
) -> Array:
    """Return offspring that take every gene from one of two parents at the toss of a coin.

    `parents` (K, n), numbers, C-contiguous, give offspring (num_offspring, n).
    """
    first, second = mating_pairs(num_offspring, len(parents), rng, probability)
    num_genes = parents.shape[1]
    words = parents.view(f"u{parents.itemsize}")
    offspring = np.empty((num_offspring, num_genes), dtype=words.dtype)
    for rows in _blocks(num_offspring, num_genes):
        one = rows.start if rows.stop - rows.start == 1 else None  # row, that takes no copies
        mothers = words.take(first[rows], axis=0) if one is None else words[first[one]][None]
        fathers = words.take(second[rows], axis=0) if one is None else words[second[one]][None]
        # mother ^ (mother ^ father) is the father: no branch for the processor to mispredict
        block = np.bitwise_xor(mothers, fathers, out=offspring[rows])
        block *= _toss_coins(len(block), num_genes, rng)
        block ^= mothers
    return offspring.view(parents.dtype)


scattered_crossover = uniform_crossover


def _blocks(num_rows: int, num_genes: int) -> Iterator[slice]:
    step = max(1, _BLOCK_GENES // num_genes)
    return (slice(start, start + step) for start in range(0, num_rows, step))


def _toss_coins(num_rows: int, num_genes: int, rng: Generator) -> NDArray[np.uint8]:
    width = -(-num_genes // 8)
    coins = np.frombuffer(rng.bytes(num_rows * width), dtype=np.uint8).reshape(num_rows, width)
    return np.unpackbits(coins, axis=1, count=num_genes)


# Mutation


def choose_genes(counts: Array, num_genes: int, rng: Generator) -> Indices:
    """Choose `counts[i]` different genes of each row i, every such set equally likely.

    Returns sorted positions in the flattened (rows, num_genes) array. Every gene is taken with
    one rate that gives each row a few too many, and the surplus is dropped at random: given
    their number the genes taken are a random set, and so is what is left of them. A draw that
    leaves a row short is repeated. Raises ValueError where a row has too few genes.
    """
    most = int(np.max(counts, initial=0))
    if most > num_genes:
        raise ValueError(f"cannot choose {most} different genes out of {num_genes}")
    rate = (most + 4 * np.sqrt(most) + 4) / num_genes
    bounds = np.arange(len(counts) + 1) * num_genes
    while True:
        genes = _bernoulli_positions(len(counts) * num_genes, rate, rng)
        edges = np.searchsorted(genes, bounds)
        surplus = np.diff(edges) - counts
        if surplus.min(initial=0) >= 0:
            return genes[~_mark(edges, surplus, rng)]


def _bernoulli_positions(total: int, rate: float, rng: Generator) -> Indices:
    """Take each of `total` positions with probability `rate`, or all if that is a half or more.

    The gaps between positions taken are geometric: one draw per position taken, none for others.
    """
    if rate >= 0.5:
        return np.arange(total)
    expected = total * rate
    gaps = rng.standard_exponential(int(expected + 6 * np.sqrt(expected) + 10))
    gaps *= -1 / np.log1p(-rate)
    positions = gaps.astype(np.intp)
    positions[1:] += 1
    np.cumsum(positions, out=positions)
    return positions[: np.searchsorted(positions, total)]


def _mark(edges: Indices, counts: Array, rng: Generator) -> NDArray[np.bool_]:
    """Mark `counts[i]` random items of each segment between `edges`, drawn until all differ.

    Where more than half of a segment is to be marked, the others are drawn instead.
    """
    sizes = np.diff(edges)
    inverted = counts > sizes / 2
    missing = np.where(inverted, sizes - counts, counts)
    marked = np.zeros(edges[-1], dtype=np.bool_)
    stamps = np.empty(edges[-1], dtype=np.intp)
    while missing.any():
        segments = np.repeat(np.arange(len(sizes)), missing)
        draws = (rng.random(len(segments)) * sizes[segments]).astype(np.intp) + edges[segments]
        stamps[draws] = np.arange(len(draws))
        fresh = (stamps[draws] == np.arange(len(draws))) & ~marked[draws]
        marked[draws] = True
        missing = missing - np.bincount(segments[fresh], minlength=len(sizes))
    return marked ^ np.repeat(inverted, sizes)


def gene_counts(
    num_rows: int,
    num_genes: int,
    rng: Generator,
    count: Numbers | None,
    probability: Numbers | None = None,
) -> Array:
    """Return how many genes of each row mutate: `count`, or as many as `probability` hits.

    Both are one number or one for each row; a probability takes precedence.
    """
    if probability is not None:
        return rng.binomial(num_genes, probability, size=num_rows)
    return np.broadcast_to(np.asarray(count), num_rows)


def random_mutation(
    offspring: Array,
    counts: Array,
    change: Callable[[Array, Indices, Generator], Array],
    rng: Generator,
) -> Array:
    """Replace `counts[i]` random genes of each row i of `offspring` (rows, n), in place.

    `change(values, genes, rng)` returns the new values for the present `values` of `genes`,
    positions in the flattened array.
    """
    genes = choose_genes(counts, offspring.shape[1], rng)
    flat = offspring.reshape(-1)
    flat[genes] = change(flat.take(genes), genes, rng)
    return offspring


def uniform_values(low: Numbers, high: Numbers, size: int, rng: Generator) -> Array:
    """Return `size` float64 values uniform in [low, high); bounds are numbers or (size,)."""
    values = rng.random(size)
    values *= np.subtract(high, low)
    values += low
    return values


def other_values(allowed: Array, values: Array, genes: Indices, rng: Generator) -> Array:
    """Return for each of `values` one of the `allowed` ones, sorted, that differs from it.

    All that differ are equally likely, whatever the `genes`; a lone allowed value is returned.
    """
    if len(allowed) == 1:
        return np.repeat(allowed, len(values))
    at = np.searchsorted(allowed, values)
    present = allowed[np.minimum(at, len(allowed) - 1)] == values
    picks = (rng.random(len(values)) * (len(allowed) - present)).astype(np.intp)
    picks += present & (picks >= at)
    others: Array = allowed[picks]
    return others


def rearrange(
    offspring: Array, eligible: Iterable[Indices], arrangement: str, rng: Generator
) -> Array:
    """Move the genes of `offspring` (rows, n) around within each eligible set, in place.

    `eligible` are positions in the flattened array, a set for each row; `arrangement` is
    "swap" (disjoint random pairs; one of an odd number stays), "inversion" or "scramble".
    """
    arrange = {"swap": _swap, "inversion": _invert, "scramble": _scramble}[arrangement]
    flat = offspring.reshape(-1)
    for positions in eligible:
        flat[positions] = flat[arrange(positions, rng)]
    return offspring


def _swap(positions: Indices, rng: Generator) -> Indices:
    if len(positions) == 2:
        return positions[::-1]
    half = len(positions) // 2
    mixed = rng.permutation(len(positions))
    first, second = mixed[:half], mixed[half : 2 * half]
    sources = positions.copy()
    sources[first], sources[second] = positions[second], positions[first]
    return sources


def _invert(positions: Indices, rng: Generator) -> Indices:
    return positions[::-1]


def _scramble(positions: Indices, rng: Generator) -> Indices:
    return rng.permutation(positions)


def random_pairs(num_rows: int, num_genes: int, rng: Generator) -> Indices:
    """Return two different random positions of each row of a flattened (rows, genes) array."""
    first = rng.integers(num_genes, size=num_rows)
    second = (first + rng.integers(1, num_genes, size=num_rows)) % num_genes
    return np.stack([first, second], axis=1) + np.arange(num_rows)[:, None] * num_genes


def random_halves(num_rows: int, num_genes: int, rng: Generator) -> Indices:
    """Return the positions of a run of half the genes, from a random start, for each row."""
    starts = rng.integers(int(np.ceil(num_genes / 2 + 1)), size=num_rows)
    starts += np.arange(num_rows) * num_genes
    return starts[:, None] + np.arange(num_genes // 2)
