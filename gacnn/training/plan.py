"""What a training will do and cost, said before it starts."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn import tables
from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import EVENTS, Callback
from gacnn.fitness.fitness import Fitness
from gacnn.operators.names import OPERATORS
from gacnn.types import Array

TRIED = 3  # generations that are run to time them
LONG = 1.0  # seconds from which on one generation is enough
_UNTRIED = {*EVENTS, "stop_criteria", "save_solutions", "save_best_solutions"}
_SILENT = {"suppress_warnings": True, "logger": logging.Logger("trial", logging.CRITICAL + 1)}


@dataclass(frozen=True)
class Plan:
    """What `GACNN.train` will do and cost.

    num_weights: genes of a solution; population_bytes: of the population; num_generations: at
    most, or None where only a time limit ends the run; likely_generations: those for which the
    time limit leaves time, estimated like `seconds` from the time of a few generations here,
    without callbacks and checkpoints; image_evaluations: networks times images over the likely
    generations, validation included. settings: those that `gacnn.GA` will be given.
    """

    num_weights: int
    num_solutions: int
    population_bytes: int
    num_images: int
    num_validation: int
    batch_size: int
    sampling: str
    num_generations: int | None
    likely_generations: int
    patience: int | None
    image_evaluations: int
    seconds: float
    settings: dict[str, Any]

    def __str__(self) -> str:
        lines = [
            f"{self.num_solutions} networks of {self.num_weights:,} weights "
            f"({self.population_bytes / 2**20:.1f} MiB); {self.num_images:,} images to train on, "
            f"{self.num_validation:,} to validate",
            f"{self._generations()} on batches of {self.batch_size:,}, {_DRAWN[self.sampling]}",
        ]
        if self.patience is not None:
            lines[1] += f"; stops after {self.patience:,} without improvement"
        lines += [f"{name}: {described(self.settings[name])}" for name in OPERATORS]
        about = "" if self.likely_generations == self.num_generations else "about "
        evaluations = f"{about}{self.image_evaluations / 1e6:,.1f} million image evaluations"
        return "\n".join([*lines, f"{evaluations}, about {self.seconds:,.0f} seconds"])

    def _generations(self) -> str:
        if self.likely_generations == self.num_generations:
            return f"{self.num_generations:,} generations"
        most = "" if self.num_generations is None else f"at most {self.num_generations:,}, "
        return f"{most}about {self.likely_generations:,} generations until the time limit"

    def _repr_html_(self) -> str:
        rows = {
            "networks": f"{self.num_solutions:,} of {self.num_weights:,} weights",
            "memory": f"{self.population_bytes / 2**20:.1f} MiB",
            "images to train on": f"{self.num_images:,}",
            "images to validate on": f"{self.num_validation:,}",
            "batch": f"{self.batch_size:,}, {_DRAWN[self.sampling]}",
            "generations": self._generations().replace(" generations", ""),
            "patience": "none" if self.patience is None else f"{self.patience:,}",
            **{name: described(self.settings[name]) for name in OPERATORS},
            "image evaluations": f"{self.image_evaluations:,}",
            "seconds": f"about {self.seconds:,.0f}",
        }
        return tables.as_html((), rows.items(), names=2)


_DRAWN = {"uniform": "drawn evenly", "importance": "drawn by importance"}


def described(operator: Any) -> str:
    """Return an operator as its name, or with its settings."""
    return operator if isinstance(operator, str) else repr(operator)


class _Trial:
    """A fitness that draws a batch of its own for every call and ranks nothing on all data."""

    evaluates_population = True

    def __init__(self, fitness: Fitness) -> None:
        self.fitness, self.model, self.reevaluate = fitness, fitness.model, fitness.reevaluate

    def __call__(self, vectors: Array) -> Array:
        scores: Array = self.fitness(vectors)
        return scores


class _Clock(Callback):
    """Notes how many seconds each generation takes; a long one is the last."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_fitness(self, ga: Any, population_fitness: Array) -> None:
        """Begin with the first generation, after the evaluation of the initial population."""
        if not self.seconds:
            self._since = time.perf_counter()

    def on_generation(self, ga: Any) -> str | None:
        """Note the time since the generation before."""
        now = time.perf_counter()
        self.seconds.append(now - self._since)
        self._since = now
        return "stop" if self.seconds[-1] > LONG else None


def seconds_per_generation(fitness: Fitness, population: Array, settings: dict[str, Any]) -> float:
    """Return the time of a generation here: the shortest of a few, or of one if it is long.

    They change neither the population nor what a run with the fitness will do. Raises
    KeyboardInterrupt after the generation in which Ctrl-C is pressed.
    """
    tried = {name: value for name, value in settings.items() if name not in _UNTRIED}
    clock = _Clock()
    trial = GA(
        num_generations=TRIED,
        fitness_func=_Trial(fitness),
        initial_population=np.array(population),
        callbacks=[clock],
        **{**tried, **_SILENT},
    )
    trial.run()
    if trial.interrupted:
        raise KeyboardInterrupt
    return min(clock.seconds)
