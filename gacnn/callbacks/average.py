"""The average of the last generations."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn import checks
from gacnn.callbacks.callback import Callback
from gacnn.operators.gene_space import fit_to_space
from gacnn.operators.run import Run
from gacnn.types import Array


class WeightAverage(Callback):
    """Averages the populations of the last generations into one solution.

    The mean over the population is averaged with exponentially falling weights, over about the
    last `share` of the generations so far: noise of single generations cancels (Polyak & Juditsky
    1992, Acceleration of stochastic approximation by averaging; Izmailov et al. 2018, Averaging
    weights leads to wider optima). `solution` is the average (n,). When the run ends it takes the
    place of the worst of the last population, and its fitness is computed. `share` is above 0 and
    at most 1.

    Examples:
        >>> average = gacnn.WeightAverage()
        >>> ga = gacnn.GA(
        ...     num_generations=20,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[average],
        ... )
        >>> ga.run()
        >>> bool((ga.population == average.solution).all(axis=1).any())
        True
    """

    def __init__(self, share: float = 0.05) -> None:
        if not 0 < checks.number(share, "share") <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {share!r}")
        self.share = share
        self._forget()

    def _forget(self) -> None:
        self.solution: Array | None = None
        self._mean: Array | None = None
        self._generations = 0

    def on_start(self, ga: Run) -> None:
        """Begin another average."""
        self._forget()

    def on_generation(self, ga: Run) -> None:
        """Add a generation to the average."""
        present = ga.population.mean(axis=0, dtype=np.float64)
        self._generations += 1
        if self._mean is None:
            self._mean = present
        else:
            self._mean += (present - self._mean) / (1 + self.share * (self._generations - 1))
        self.solution = fit_to_space(self._mean, ga)

    def finish(self, ga: Run) -> None:
        """Put the average into the last population."""
        if self.solution is not None:
            fitness = ga.last_generation_fitness
            worst = ga.sort_solutions_nsga2(fitness, find_best_solution=True)[-1]
            ga.population[worst] = self.solution
            ga.last_generation_fitness = ga.with_fitness_of(worst)

    def state(self) -> dict[str, Any]:
        """Return the average."""
        return {"mean": self._mean, "solution": self.solution, "generations": self._generations}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the average."""
        self._mean, self.solution = state["mean"], state["solution"]
        self._generations = state["generations"]
