"""What a training will do and cost, said before it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from cnn import tables
from gacnn.evaluate import Fitness
from gacnn.registry import OPERATORS

Array = NDArray[Any]


@dataclass(frozen=True)
class Plan:
    """What `GACNN.train` will do and cost.

    num_weights: genes of a solution; population_bytes: of the population; image_evaluations:
    networks times images over all generations, validation included, or None where a time limit
    ends the run; seconds: estimated from the time of one generation here, or the time limit.
    settings: those that `gacnn.GA` will be given.
    """

    num_weights: int
    num_solutions: int
    population_bytes: int
    num_images: int
    num_validation: int
    batch_size: int
    sampling: str
    num_generations: int | None
    patience: int | None
    image_evaluations: int | None
    seconds: float
    settings: dict[str, Any]

    def __str__(self) -> str:
        generations = "generations until the time limit"
        if self.num_generations is not None:
            generations = f"{self.num_generations:,} generations"
        lines = [
            f"{self.num_solutions} networks of {self.num_weights:,} weights "
            f"({self.population_bytes / 2**20:.1f} MiB); {self.num_images:,} images to train on, "
            f"{self.num_validation:,} to validate",
            f"{generations} on batches of {self.batch_size:,}, {_DRAWN[self.sampling]}",
        ]
        if self.patience is not None:
            lines[1] += f"; stops after {self.patience:,} without improvement"
        lines += [f"{name}: {described(self.settings[name])}" for name in OPERATORS]
        cost = f"about {self.seconds:,.0f} seconds"
        if self.image_evaluations is not None:
            cost = f"{self.image_evaluations / 1e6:,.1f} million image evaluations, {cost}"
        return "\n".join([*lines, cost])

    def _repr_html_(self) -> str:
        rows = {
            "networks": f"{self.num_solutions:,} of {self.num_weights:,} weights",
            "memory": f"{self.population_bytes / 2**20:.1f} MiB",
            "images to train on": f"{self.num_images:,}",
            "images to validate on": f"{self.num_validation:,}",
            "batch": f"{self.batch_size:,}, {_DRAWN[self.sampling]}",
            "generations": _count(self.num_generations, "until the time limit"),
            "patience": _count(self.patience, "none"),
            **{name: described(self.settings[name]) for name in OPERATORS},
            "image evaluations": _count(self.image_evaluations, "until the time limit"),
            "seconds": f"about {self.seconds:,.0f}",
        }
        return tables.as_html((), rows.items(), names=2)


_DRAWN = {"uniform": "drawn evenly", "importance": "drawn by importance"}


def _count(number: int | None, otherwise: str) -> str:
    return otherwise if number is None else f"{number:,}"


def described(operator: Any) -> str:
    """Return an operator as its name, or with its settings."""
    return operator if isinstance(operator, str) else repr(operator)


def seconds_per_generation(fitness: Fitness, population: Array) -> float:
    """Return the time that a generation's fitness takes here: the better of two."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        fitness(population)
        times.append(time.perf_counter() - start)
    return min(times)
