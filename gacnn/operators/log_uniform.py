"""Mutation at all scales at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnn import checks
from gacnn.operators.gene_space import fit_to_space
from gacnn.operators.mutation import GaussianNoise
from gacnn.operators.noise import normal_noise
from gacnn.operators.operator import generator, positive
from gacnn.operators.run import Run
from gacnn.types import Array


@dataclass
class LogUniformMutation(GaussianNoise):
    """Normal noise whose standard deviation is drawn anew for every offspring.

    Its logarithm is uniform, so that every scale between `least` and `sigma` is tried as often as
    another: offspring leave the neighbourhood of a poor optimum while others refine it, and nobody
    need know a good sigma. For few genes. Rowe & Hidovic 2004, An evolution strategy using a
    continuous version of the Gray-code neighbourhood distribution. At first all noise is wide, so
    that the population does not settle at the first optimum that it meets. Genes are rounded or
    clipped to the gene space.

    Args:
        sigma: the greatest standard deviation.
        least: the least one.
        probability: the chance of a gene to be disturbed.
        wide: the share of the run in which the least deviation falls, exponentially, from `sigma`
            to `least`; 0 for all scales from the beginning.

    Raises:
        ValueError: for a `least` above `sigma`, one that is not above 0, or a share above 1.

    Examples:
        >>> class Sphere(gacnn.Evaluator):
        ...     def __call__(self, vectors):
        ...         return -np.square(vectors - 3).sum(axis=1)
        >>> ga = gacnn.GA(
        ...     num_generations=300,
        ...     num_parents_mating=4,
        ...     fitness_func=Sphere(),
        ...     sol_per_pop=16,
        ...     num_genes=10,
        ...     crossover_type="uniform",
        ...     mutation_type=gacnn.LogUniformMutation(),
        ...     random_seed=0,
        ... )
        >>> ga.run()
        >>> bool(ga.last_generation_fitness.max() > -1e-3)  # it has homed in
        True
    """

    sigma: float = 2.0
    least: float = 0.003
    probability: float = 0.5
    wide: float = 0.25

    returns_new: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.sigma, self.least = positive(self.sigma, "sigma"), positive(self.least, "least")
        if self.least > self.sigma:
            raise ValueError(f"least must be at most sigma, {self.sigma:g}, not {self.least:g}")
        if not 0 < checks.number(self.probability, "probability") <= 1:
            raise ValueError(f"probability must be above 0 and at most 1, not {self.probability!r}")
        if checks.number(self.wide, "wide", 0) > 1:
            raise ValueError(f"wide must be at most 1, not {self.wide!r}")

    def mutate(self, offspring: Array, run: Run) -> Array:
        """Return the offspring (members, n) disturbed."""
        rng = generator(run)
        noise = normal_noise(offspring.shape, rng, probability=self.probability)
        done = min(1.0, run.progress / self.wide) if self.wide else 1.0
        least = self.sigma * (self.least / self.sigma) ** done
        noise *= log_uniform(least, self.sigma, len(offspring), rng)[:, None]
        return fit_to_space(offspring + noise, run)


def log_uniform(least: float, greatest: float, number: int, rng: np.random.Generator) -> Array:
    """Return so many float32 numbers between two whose logarithms are uniform."""
    return (least * (greatest / least) ** rng.random(number)).astype(np.float32)
