"""Selection of parents beside PyGAD's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gacnn.operators.operator import Operator
from gacnn.types import Array


@dataclass
class TruncationSelection(Operator):
    """The best solutions become the parents, the best one first.

    Mühlenbein & Schlierkamp-Voosen 1993, Predictive models for the breeder genetic algorithm.
    PyGAD's "sss" chooses the same.
    """

    setting: ClassVar[str] = "parent_selection_type"

    def __call__(self, fitness: Array, num_parents: int, ga: Any) -> tuple[Array, Array]:
        """Return parents (num_parents, n) and their indices."""
        order = np.array(ga.sort_solutions_nsga2(np.asarray(fitness))[:num_parents])
        return ga.population[order], order
