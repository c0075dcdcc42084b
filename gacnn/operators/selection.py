"""Selection of parents beside PyGAD's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gacnn.operators.blocks import rows_of, threads_of
from gacnn.operators.operator import Selection
from gacnn.operators.run import Run
from gacnn.types import Array, Indices


@dataclass
class TruncationSelection(Selection):
    """The best solutions become the parents, the best one first.

    Mühlenbein & Schlierkamp-Voosen 1993, Predictive models for the breeder genetic algorithm.
    PyGAD's "sss" chooses the same.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=2,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     parent_selection_type=gacnn.TruncationSelection(),
        ... )
        >>> ga.run()
        >>> ga.last_generation_parents.shape
        (2, 10)
    """

    returns_new: ClassVar[bool] = True

    def select(self, fitness: Array, num_parents: int, run: Run) -> tuple[Array, Indices]:
        """Return parents (num_parents, n) and their indices."""
        order = np.array(run.sort_solutions_nsga2(fitness)[:num_parents])
        return rows_of(run.population, order, threads_of(run)), order
