"""Gaussian mutation: fixed, annealed, self-adaptive, mirrored, and with adapted covariance."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from cnn import Model, checks
from cnn.engines.numpy.threads import single_threaded_blas
from gacnn.operators.blocks import threads_of
from gacnn.operators.crossover import WeightedRecombination
from gacnn.operators.gene_space import fit_to_space
from gacnn.operators.nesting import (
    checked_counts,
    checked_inputs,
    fan_in_scale,
    input_bases,
    layer_slices,
    nested_counts,
)
from gacnn.operators.noise import Versions, add_noise
from gacnn.operators.operator import Mutation, annealed, check_schedule, generator, positive
from gacnn.operators.run import Run, model_of
from gacnn.types import Array


class GaussianNoise(Mutation):
    """Base of normal noise. Genes are rounded or clipped to the gene space."""

    fits_space: ClassVar[bool] = True


@dataclass
class GaussianMutation(GaussianNoise):
    """Normal noise of standard deviation `sigma` is added to the genes of the offspring.

    Rechenberg 1973, Evolutionsstrategie. Genes are rounded or clipped to the gene space.

    With `nested`, consecutive offspring share a version of a layer, and every version occurs with
    as many of the next layer: a nested design (Montgomery, Design and analysis of experiments,
    ch. 14). Early layers, which have few weights and cost much, run once for all offspring that
    share them. With mirrored noise, what a layer does to the fitness cancels, to first order, out
    of the estimates for layers with another count. It goes with crossover_type="recombination" by
    fitness and nothing kept.

    With `input_span`, the noise of a dense layer is in the span of what that layer takes for the
    images of the coming generation, in the network of the centre. The gradient of its weights is in
    there too, so that what is left out tells nothing: of a layer of 2,049 inputs and bias and 10
    units, for 8 images, 80 directions are left of 20,490. The smaller the batch the fewer. Other
    layers, and those that take less than twice as many inputs as there are images, have plain
    noise. It goes with recombination too, and with a `gacnn.Fitness` or an `Evaluator` that has
    `layer_inputs`. Noise of the outputs of units in the place of their weights is node perturbation
    (Widrow & Lehr 1990, 30 years of adaptive neural networks; Fiete & Seung 2006, Gradient learning
    in spiking neural networks by dynamic perturbation of conductances).

    Args:
        sigma: standard deviation of the noise.
        final_sigma: what sigma falls to, exponentially, during the run; None for no fall.
        scale: a factor for each gene (n,); "fan_in" for each weight's 1 / sqrt(inputs of its unit),
            see `fan_in_scale`; None for 1.
        mirrored: whether offspring 2i + 1 gets the noise of offspring 2i with the other sign
            (Brockhoff et al. 2010, Mirrored sampling and sequential selection for evolution
            strategies).
        probability: the chance of a gene to be disturbed.
        nested: how many versions of each trainable layer there are among the offspring, from the
            first layer to the last, such as (16, 16, 64, 128); True chooses them from the weights
            and the cost of the layers.
        input_span: whether the noise of dense layers is in the span of their inputs.

    Raises:
        ValueError: in the run, where the counts do not fit the layers and the offspring, and where
            the fitness cannot tell what layers take.

    Examples:
        >>> gacnn.GaussianMutation(0.1, final_sigma=0.01, mirrored=True).settings()["mirrored"]
        True
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> result = gacnn.GACNN(model, 8, random_seed=0).train(
        ...     [[0, 1], [1, 0]],
        ...     [0, 1],
        ...     num_generations=3,
        ...     crossover_type="uniform",
        ...     mutation_type=gacnn.GaussianMutation(0.3, probability=0.5),
        ...     verbose=False,
        ... )
        >>> result.ga.generations_completed
        3
    """

    sigma: float = 0.05
    final_sigma: float | None = None
    scale: Array | Literal["fan_in"] | None = None
    mirrored: bool = False
    probability: float = 1.0
    nested: bool | Sequence[int] = False
    input_span: bool = False

    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_schedule(self.sigma, self.final_sigma, "sigma")
        self.mirrored = checks.flag(self.mirrored, "mirrored")
        if not 0 < checks.number(self.probability, "probability") <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, not {self.probability!r}")
        if isinstance(self.scale, str):
            checks.one_of(self.scale, "scale", ("fan_in",))
        elif self.scale is not None:
            scale = checks.shaped(self.scale, "scale", (None,), "genes")
            self.scale = checks.finite(scale, "scale").astype(np.float32)
        self.nested = _checked_nested(self.nested)
        self.input_span = checks.flag(self.input_span, "input_span")
        if self.input_span and (self.probability < 1 or not isinstance(self.scale, str | None)):
            raise ValueError(
                "input_span needs noise of all weights of a layer alike: leave probability at 1, "
                'and scale at "fan_in" or None'
            )

    def mutate(self, offspring: Array, run: Run) -> Array:
        """Return the offspring (members, n) disturbed."""
        factors: list[Any] = [np.float32(annealed(self.sigma, self.final_sigma, run))]
        if self.scale is not None:
            factors.append(self._factors(run))
        with single_threaded_blas() if self.input_span else nullcontext():  # the same sums
            disturbed = add_noise(
                offspring,
                generator(run),
                factors,
                mirrored=self.mirrored,
                probability=self.probability,
                versions=self._versions(offspring, run),
                threads=threads_of(run),
            )
        return fit_to_space(disturbed, run)

    def _versions(self, offspring: Array, run: Run) -> list[Versions]:
        """Return the versions of each layer; none where every offspring has noise of its own."""
        if self.nested is False and not self.input_span:
            return []
        name = "nested" if self.nested is not False else "input_span"
        if not isinstance(run.crossover_type, WeightedRecombination):
            raise ValueError(
                f'{name} needs crossover_type="recombination", not {run.crossover_type!r}: only '
                "offspring of one centre share what their noise leaves alike"
            )
        model, members = model_of(run, self), len(offspring)
        slices = layer_slices(model)
        if slices[-1].stop != run.num_genes:
            raise ValueError(
                f"{name} needs solutions of the model's {slices[-1].stop} weights, not of "
                f"{run.num_genes} genes"
            )
        if self.nested is False:
            counts = (members,) * len(slices)
        elif self.nested is True:
            counts = nested_counts(model, members)
        else:
            counts = checked_counts(self.nested, model, members, mirrored=self.mirrored)
        bases = self._bases(offspring[0], model, run) if self.input_span else [None] * len(slices)
        return list(itertools.starmap(Versions, zip(slices, counts, bases, strict=True)))

    def _bases(self, centre: Array, model: Model, run: Run) -> list[Array | None]:
        run.draw_ahead()
        inputs = run.evaluator.layer_inputs(centre)
        if inputs is None:
            raise ValueError(
                f"input_span needs a fitness_func that tells what layers take, not "
                f"{type(run.evaluator).__name__}: take one from GACNN.fitness or gacnn.Fitness, or "
                "give your own gacnn.Evaluator a layer_inputs"
            )
        return input_bases(checked_inputs(inputs, model), model)

    def _factors(self, run: Run) -> Array:
        factors = fan_in_scale(model_of(run, self)) if isinstance(self.scale, str) else self.scale
        if factors is None or len(factors) != run.num_genes:
            raise ValueError(
                f"scale must have a factor for each of {run.num_genes} genes, not {self.scale!r}"
            )
        return factors


def _checked_nested(nested: Any) -> bool | tuple[int, ...]:
    """Return True, False, or the counts of `GaussianMutation.nested`; ValueError otherwise."""
    if isinstance(nested, bool):
        return nested
    if not isinstance(nested, list | tuple) or not nested:
        raise ValueError(
            "nested must be True, False, or how many versions there are of each trainable layer, "
            f"such as (16, 64), not {nested!r}"
        )
    return tuple(checks.whole(count, f"nested[{i}]") for i, count in enumerate(nested))


@dataclass
class MirroredMutation(GaussianMutation):
    """`GaussianMutation` with mirrored=True: the noise comes in pairs of opposite sign.

    Args:
        sigma: as for `GaussianMutation`, as are the others.
        final_sigma: what sigma falls to during the run; None for no fall.
        scale: a factor for each gene, "fan_in" or None.
        mirrored: left as it is.
        probability: the chance of a gene to be disturbed.
        nested: versions of each trainable layer, or True.
        input_span: whether the noise of dense layers is in the span of their inputs.

    Examples:
        >>> gacnn.MirroredMutation(0.1).mirrored
        True
    """

    mirrored: bool = True


@dataclass
class SelfAdaptiveMutation(GaussianNoise):
    """Every solution has a sigma of its own, which is inherited, mutated and selected with it.

    A child takes the sigma of the parent whose turn it is to mate, multiplies it by
    exp(learning_rate * a normal number), and is disturbed with the outcome. Schwefel 1981,
    Numerical optimization of computer models; Beyer & Schwefel 2002, Evolution strategies: a
    comprehensive introduction. sigma: of the first generation; learning_rate: None for
    1 / sqrt(n); minimum: below which no sigma falls. `sigmas` (P,) are those of the population.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     mutation_type=gacnn.SelfAdaptiveMutation(0.5),
        ... )
        >>> ga.run()
        >>> ga.mutation_type.sigmas.shape
        (8,)
    """

    sigma: float = 0.05
    learning_rate: float | None = None
    minimum: float = 1e-4
    sigmas: Array | None = field(default=None, init=False, repr=False)

    remembers: ClassVar[tuple[str, ...]] = ("sigmas",)
    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive(self.sigma, "sigma")
        if self.learning_rate is not None:
            checks.number(self.learning_rate, "learning_rate", 0)
        checks.number(self.minimum, "minimum", 0)

    def mutate(self, offspring: Array, run: Run) -> Array:
        """Return the offspring (members, n) disturbed."""
        rng = generator(run)
        if self.sigmas is None or len(self.sigmas) != len(run.population):
            self.sigmas = np.full(len(run.population), self.sigma)
        parents = np.asarray(run.last_generation_parents_indices)
        given = self.learning_rate
        rate = offspring.shape[1] ** -0.5 if given is None else float(given)
        sigmas = self.sigmas[parents[np.arange(len(offspring)) % len(parents)]]
        sigmas = sigmas * np.exp(rate * rng.standard_normal(len(offspring)))
        sigmas = np.maximum(sigmas, self.minimum)
        factors = [sigmas.astype(np.float32)[:, None]]
        disturbed = add_noise(offspring, rng, factors, threads=threads_of(run))
        kept = _kept(run)[: len(run.population) - len(offspring)]
        self.sigmas = np.concatenate([self.sigmas[kept], sigmas])
        return fit_to_space(disturbed, run)


def _kept(run: Run) -> Array:
    """Return the indices of the solutions that stay, best or parents first, as PyGAD puts them."""
    if run.keep_elitism == 0 and run.keep_parents == -1:
        return np.asarray(run.last_generation_parents_indices)
    return np.array(run.sort_solutions_nsga2(np.asarray(run.last_generation_fitness)))


@dataclass
class CumulativeMutation(GaussianNoise):
    """Normal noise whose sigma follows the length of the path that the centre has taken.

    Cumulative step-size adaptation: sigma grows while steps of the centre point the same way and
    shrinks while they cancel. Hansen & Ostermeier 2001, Completely derandomized self-adaptation
    in evolution strategies, with the constants of Hansen 2016, The CMA evolution strategy: a
    tutorial. It needs crossover_type="recombination", and the better part of the population as
    parents. sigma: of the first generation; mirrored: as for `GaussianMutation`. `present_sigma`
    is that of the last generation.

    Examples:
        >>> class Sphere(gacnn.Evaluator):
        ...     def __call__(self, vectors):
        ...         return -np.square(vectors - 3).sum(axis=1)
        >>> ga = gacnn.GA(
        ...     num_generations=300,
        ...     num_parents_mating=8,
        ...     fitness_func=Sphere(),
        ...     sol_per_pop=16,
        ...     num_genes=10,
        ...     keep_elitism=0,
        ...     crossover_type="recombination",
        ...     mutation_type=gacnn.CumulativeMutation(0.5),
        ...     random_seed=0,
        ... )
        >>> ga.run()
        >>> bool(ga.mutation_type.present_sigma < 1e-3)  # it has homed in
        True
    """

    sigma: float = 0.05
    mirrored: bool = False
    present_sigma: float | None = field(default=None, init=False, repr=False)
    centre: Array | None = field(default=None, init=False, repr=False)
    path: Array | None = field(default=None, init=False, repr=False)

    remembers: ClassVar[tuple[str, ...]] = ("present_sigma", "centre", "path")
    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.sigma = positive(self.sigma, "sigma")
        self.mirrored = checks.flag(self.mirrored, "mirrored")

    def mutate(self, offspring: Array, run: Run) -> Array:
        """Return the offspring (members, n) disturbed."""
        recombination = run.crossover_type
        if not isinstance(recombination, WeightedRecombination):
            raise ValueError(
                f'{type(self).__name__} needs crossover_type="recombination", not {recombination!r}'
            )
        if recombination.weights == "fitness":
            raise ValueError(f'{type(self).__name__} needs weights="log" or "equal"')
        if not len(offspring):  # all solutions are kept
            return offspring
        centre = offspring[0]
        if self.centre is None or self.present_sigma is None:
            self._begin(centre)
        else:
            fitness = np.asarray(run.last_generation_fitness)[run.last_generation_parents_indices]
            parents = run.last_generation_parents[np.argsort(-fitness, kind="stable")]
            self._adapt(parents, recombination.rank_weights(len(parents)))
        self.centre = centre.copy()
        factors = [np.float32(self.present_sigma) * self._deviations()]
        disturbed = add_noise(
            offspring, generator(run), factors, mirrored=self.mirrored, threads=threads_of(run)
        )
        return fit_to_space(disturbed, run)

    def _begin(self, centre: Array) -> None:
        self.present_sigma, self.path = self.sigma, np.zeros_like(centre)

    def _deviations(self) -> Any:
        return np.float32(1)

    def _adapt(self, parents: Array, weights: Array) -> None:
        """Lengthen the path by the way from the centre to the weighted parents; change sigma."""
        assert self.present_sigma is not None
        n, mass = parents.shape[1], 1 / np.square(weights).sum()
        rate = (mass + 2) / (n + mass + 5)
        damping = 1 + 2 * max(0.0, math.sqrt((mass - 1) / (n + 1)) - 1) + rate
        step = (weights @ parents - self.centre) / self.present_sigma / self._deviations()
        self.path = (1 - rate) * self.path + math.sqrt(rate * (2 - rate) * mass) * step
        expected = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))
        surprise = float(np.linalg.norm(self.path)) / expected - 1
        self.present_sigma *= math.exp(min(1.0, rate / damping * surprise))


@dataclass
class SeparableMutation(CumulativeMutation):
    """`CumulativeMutation` with a standard deviation for each gene that is adapted too.

    Ros & Hansen 2008, A simple modification in CMA-ES achieving linear time and space complexity
    (sep-CMA-ES). sigma and mirrored are as for `CumulativeMutation`.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> result = gacnn.GACNN(model, 8, random_seed=0).train(
        ...     [[0, 1], [1, 0]],
        ...     [0, 1],
        ...     num_generations=20,
        ...     mutation_type=gacnn.SeparableMutation(0.5),
        ...     verbose=False,
        ... )
        >>> result.ga.mutation_type.variances.shape == (model.num_weights,)
        True
    """

    variances: Array | None = field(default=None, init=False, repr=False)
    variance_path: Array | None = field(default=None, init=False, repr=False)

    remembers: ClassVar[tuple[str, ...]] = (
        *CumulativeMutation.remembers,
        "variances",
        "variance_path",
    )

    def _begin(self, centre: Array) -> None:
        super()._begin(centre)
        self.variances, self.variance_path = np.ones_like(centre), np.zeros_like(centre)

    def _deviations(self) -> Any:
        assert self.variances is not None
        return np.sqrt(self.variances)

    def _adapt(self, parents: Array, weights: Array) -> None:
        n, mass = parents.shape[1], 1 / np.square(weights).sum()
        memory = (4 + mass / n) / (n + 4 + 2 * mass / n)
        faster = (n + 2) / 3
        one = min(1.0, faster * 2 / ((n + 1.3) ** 2 + mass))
        many = min(1 - one, faster * 2 * (mass - 2 + 1 / mass) / ((n + 2) ** 2 + mass))
        step = (weights @ parents - self.centre) / self.present_sigma
        chosen = (parents - self.centre) / self.present_sigma
        super()._adapt(parents, weights)
        self.variance_path = (1 - memory) * self.variance_path + math.sqrt(
            memory * (2 - memory) * mass
        ) * step
        self.variances = (
            (1 - one - many) * self.variances
            + one * np.square(self.variance_path)
            + many * (weights @ np.square(chosen))
        ).astype(np.float32)
