"""Crossover and recombination of networks, beside PyGAD's own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from cnn import Model, checks
from cnn.layers.vector import split
from cnn.model import check_model
from gacnn.operators.arrays import mating_pairs
from gacnn.operators.blocks import copies_of, differing, threads_of, weighted_sum
from gacnn.operators.gene_space import fit_to_space, space_bounds
from gacnn.operators.operator import Crossover, Mutation, annealed, check_schedule, generator
from gacnn.operators.run import Run, model_of
from gacnn.types import Array


@dataclass
class WeightedRecombination(Crossover):
    """All offspring are one weighted mean of all parents: the centre that mutation spreads.

    The best parent of the first generation is the first centre: independent networks have no
    meaningful mean.

    Args:
        weights: "log", that fall with the logarithm of the rank (Hansen & Ostermeier 2001,
            Completely derandomized self-adaptation in evolution strategies), or "equal", the same
            for all parents (Rechenberg's intermediate recombination): the parents are then the
            better part of the population. "fitness": the centre moves by the mean over the parents
            of their distance to it, times their standardised fitness, an estimate of the gradient
            (Wierstra et al. 2014, Natural evolution strategies; Salimans et al. 2017, Evolution
            strategies as a scalable alternative to reinforcement learning): the parents are then
            all solutions, none of which is kept, and the mutation mirrored.
        learning_rate: how far the centre moves to where the parents say, 1 all the way.
        final_learning_rate: what it falls to, exponentially, during the run; None for no fall.
        weight_decay: the share of the centre that is lost in every generation, times the learning
            rate, where the parents differ; it holds back the random walk of weights that matter
            little.
        final_weight_decay: what it falls to, as a mutation's falling sigma asks for; None for no
            fall.

    Examples:
        >>> recombination = gacnn.WeightedRecombination("log")
        >>> recombination.rank_weights(4).round(2).tolist()  # of the best parent to the worst
        [0.53, 0.29, 0.14, 0.04]
    """

    weights: Literal["log", "equal", "fitness"] = "log"
    learning_rate: float = 1.0
    final_learning_rate: float | None = None
    weight_decay: float = 0.0
    final_weight_decay: float | None = None
    centre: Array | None = field(default=None, init=False, repr=False)

    remembers: ClassVar[tuple[str, ...]] = ("centre",)
    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.one_of(self.weights, "weights", ("log", "equal", "fitness"))
        check_schedule(self.learning_rate, self.final_learning_rate, "learning_rate")
        check_schedule(self.weight_decay, self.final_weight_decay, "weight_decay")

    def cross(self, parents: Array, num_offspring: int, run: Run) -> Array:
        """Return offspring (num_offspring, n), all of them the centre."""
        fitness = np.asarray(run.last_generation_fitness)[run.last_generation_parents_indices]
        if fitness.ndim > 1:
            raise ValueError(
                f"WeightedRecombination needs one objective, not {fitness.shape[1]}: choose "
                'another crossover_type, such as "uniform"'
            )
        parents = parents.astype(np.result_type(parents, np.float32), copy=False)
        if self.centre is None:
            self._check_all_are_parents(num_offspring, run)
            self.centre = parents[fitness.argmax()].copy()
        else:
            rate = annealed(self.learning_rate, self.final_learning_rate, run)
            decay = annealed(self.weight_decay, self.final_weight_decay, run)
            step = self._step(self.centre, parents, fitness, threads_of(run))
            if decay:
                differ = differing(parents, threads_of(run))
                step -= parents.dtype.type(decay) * np.where(differ, self.centre, 0)
            self.centre = self.centre + parents.dtype.type(rate) * step
        bounds = space_bounds(run)
        if bounds is not None:
            np.clip(self.centre, *bounds, out=self.centre)
        centre = self.centre
        mutation = run.mutation_type
        will_fit = isinstance(mutation, Mutation) and mutation.fits_space
        if not will_fit or run.population.dtype.kind != "f":  # PyGAD cuts off an integer's decimals
            centre = fit_to_space(centre, run)
        return copies_of(centre, num_offspring, threads_of(run))

    def _check_all_are_parents(self, num_offspring: int, run: Run) -> None:
        """Warn where the mean over the parents estimates no gradient."""
        number = len(run.population)
        chosen = len(set(np.asarray(run.last_generation_parents_indices).tolist()))
        if self.weights == "fitness" and (chosen < number or num_offspring < number):
            warnings.warn(
                'weights="fitness" estimates a gradient only where all solutions are parents, each '
                f"once, and none is kept: give num_parents_mating={number}, keep_elitism=0, "
                'keep_parents=0 and parent_selection_type="truncation"',
                stacklevel=2,
            )

    def _step(self, centre: Array, parents: Array, fitness: Array, threads: int) -> Array:
        """Return the way from the centre (n,) to where the parents (K, n) say."""
        if self.weights == "fitness":
            weights = standardised(fitness) / len(parents)
        else:
            order = np.argsort(-fitness, kind="stable")
            weights = np.empty(len(parents))
            weights[order] = self.rank_weights(len(parents))
        weights = weights.astype(parents.dtype)
        step: Array = weighted_sum(weights, parents, threads) - weights.sum() * centre
        return step

    def rank_weights(self, num_parents: int) -> Array:
        """Return the weights (num_parents,) of the best to the worst parent; their sum is 1."""
        weights = np.ones(num_parents)
        if self.weights == "log":
            weights = np.log(num_parents + 0.5) - np.log(np.arange(1, num_parents + 1))
        shares: Array = weights / weights.sum()
        return shares


def standardised(fitness: Array) -> Array:
    """Return fitness (K,) minus its mean, over its standard deviation; 0 where all are equal.

    Minus infinity counts as the worst finite fitness, plus infinity as the best.
    """
    fitness = fitness.astype(float)
    finite = np.isfinite(fitness)
    if not finite.any():
        return np.zeros(len(fitness))
    fitness = np.clip(fitness, fitness[finite].min(), fitness[finite].max())
    deviation = fitness - fitness.mean()
    spread = deviation.std()
    return deviation / spread if spread > 0 else np.zeros(len(fitness))


@dataclass
class BlendCrossover(Crossover):
    """Every gene is drawn from the interval between two parents, widened by `alpha` on each side.

    alpha is a share of the interval: BLX-0.5 keeps the spread of the population. Eshelman &
    Schaffer 1993, Real-coded genetic algorithms and interval-schemata.

    Examples:
        >>> gacnn.BlendCrossover(alpha=0.2)  # a crossover_type for `gacnn.GA` and `train`
        BlendCrossover(alpha=0.2)
    """

    alpha: float = 0.5

    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checks.number(self.alpha, "alpha", 0)

    def cross(self, parents: Array, num_offspring: int, run: Run) -> Array:
        """Return offspring (num_offspring, n)."""
        rng, probability = generator(run), run.crossover_probability
        first, second = mating_pairs(num_offspring, len(parents), rng, probability)
        genes = blend(parents[first], parents[second], self.alpha, rng)
        return fit_to_space(genes, run)


def blend(mothers: Array, fathers: Array, alpha: float, rng: np.random.Generator) -> Array:
    """Return offspring (K, n) between or, by a share of `alpha`, beyond two parents (K, n)."""
    dtype = np.result_type(mothers, np.float32)
    share = rng.random(mothers.shape, np.float32)
    share *= np.float32(1 + 2 * alpha)
    share -= np.float32(alpha)
    start = mothers.astype(dtype, copy=False)
    return np.asarray(start + share * (fathers - start), dtype)


class _BlockCrossover(Crossover):
    """Whole blocks of genes come from one of two parents, at the toss of a coin each."""

    model: Model | None

    returns_new: ClassVar[bool] = True

    def cross(self, parents: Array, num_offspring: int, run: Run) -> Array:
        """Return offspring (num_offspring, n)."""
        rng, probability = generator(run), run.crossover_probability
        blocks = self.blocks(model_of(run, self) if self.model is None else check_model(self.model))
        if len(blocks) != parents.shape[1]:
            raise ValueError(
                f"model has {len(blocks)} trainable weights, but solutions {parents.shape[1]} genes"
            )
        first, second = mating_pairs(num_offspring, len(parents), rng, probability)
        return block_crossover(parents[first], parents[second], blocks, rng)

    def blocks(self, model: Model) -> Array:
        """Return the block (num_weights,) that each weight belongs to, from 0."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the model where there is one; otherwise that of the fitness function is it."""
        return {} if self.model is None else {"model": self.model}


def block_crossover(
    mothers: Array, fathers: Array, blocks: Array, rng: np.random.Generator
) -> Array:
    """Return offspring (K, n) with each of the blocks (n,) from one of two parents (K, n)."""
    coins = rng.random((len(mothers), int(blocks.max()) + 1)) < 0.5
    return np.where(coins[:, blocks], mothers, fathers)


@dataclass
class FilterCrossover(_BlockCrossover):
    """Whole filters of convolutions and units of dense layers, with their bias, change places.

    Montana & Davis 1989, Training feedforward neural networks using genetic algorithms
    ("crossover-nodes"). model: needed only where the fitness function has none.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(3)])
        >>> gacnn.FilterCrossover().blocks(model).tolist()  # the unit of each weight and bias
        [0, 1, 2, 0, 1, 2, 0, 1, 2]
    """

    model: Model | None = field(default=None, repr=False)

    def blocks(self, model: Model) -> Array:
        """Return the filter or unit (num_weights,) that each weight belongs to."""
        return _numbered(model, units=True)


@dataclass
class LayerCrossover(_BlockCrossover):
    """Whole layers change places: Montana & Davis's "crossover-nodes", a layer at a time.

    model: needed only where the fitness function has none.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(1), cnn.Dense(2), cnn.Dense(1)])
        >>> gacnn.LayerCrossover().blocks(model).tolist()  # the layer of each weight and bias
        [0, 0, 0, 0, 1, 1, 1]
    """

    model: Model | None = field(default=None, repr=False)

    def blocks(self, model: Model) -> Array:
        """Return the layer (num_weights,) that each weight belongs to."""
        return _numbered(model, units=False)


def _numbered(model: Model, *, units: bool) -> Array:
    """Number the layers, or their units, and return the number of each weight."""
    blocks = np.empty(model.num_weights, np.intp)
    next_block = 0
    layers = model.trainable_layers
    for layer, (weights, *bias) in zip(layers, split(layers, blocks), strict=True):
        by_unit = np.moveaxis(weights, layer.unit_axis, -1)
        count = by_unit.shape[-1] if units else 1
        for array in (by_unit, *bias):
            array[...] = next_block + np.arange(count)
        next_block += count
    return blocks
