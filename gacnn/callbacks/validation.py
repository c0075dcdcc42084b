"""Held-out data: how they are chosen, and the callback that keeps the network best on them."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from gacnn.callbacks.average import WeightAverage
from gacnn.callbacks.callback import Callback
from gacnn.fitness.fitness import Fitness
from gacnn.operators.run import Run
from gacnn.types import Array

VALIDATION_COST = 0.1  # of the images that a generation evaluates, at most


class Validation(Callback):
    """Scores the candidate of a generation on held-out data, and keeps the best.

    The candidate is the solution of a `WeightAverage`, or without one the best of the generation.
    It is scored after every `every` generations, and when the run ends. `evaluations` counts
    how often. judges: whether the last metric of the fitness is an accuracy that is only told.
    """

    def __init__(
        self, fitness: Fitness, average: WeightAverage | None, every: int, *, judges: bool = False
    ) -> None:
        self.fitness, self.average, self.every, self.judges = fitness, average, every, judges
        self.evaluations = 0
        self.accuracy: float | None = None
        self.best_accuracy: float | None = None
        self._data = json.dumps(fitness.fingerprint(), sort_keys=True)
        self.score: Any = None
        self.best_score: Any = None
        self.vector: Array | None = None

    def planned(self, generations: int) -> int:
        """Return how often a run of that many generations scores: also at its start and end."""
        first = generations > 0 and self.every > 1
        return generations // self.every + first + 1

    def on_generation(self, ga: Run) -> None:
        """Score the candidate if it is time."""
        if self.score is None or ga.generations_completed % self.every == 0:
            self.rate(candidate(ga, self.average))

    def rate(self, vector: Array) -> None:
        """Score a solution (num_weights,)."""
        self.evaluations += 1
        try:
            score = self.fitness.full(vector[None])[0]
        except Exception as error:
            error.add_note("on the validation data, for the best solution of the generation")
            raise
        if self.judges:
            *scores, self.accuracy = score.tolist()
            score = scores[0] if len(scores) == 1 else np.array(scores)
        self.score = score
        if np.ndim(score) == 0 and (self.best_score is None or score > self.best_score):
            self.best_score, self.vector = float(score), vector.copy()
            self.best_accuracy = self.accuracy

    def latest(self, solution: Array) -> Any:
        """Return the latest score, for `History`, whatever the solution."""
        return self.score

    def latest_accuracy(self, solution: Array) -> float | None:
        """Return the accuracy that belongs to it."""
        return self.accuracy

    def state(self) -> dict[str, Any]:
        """Return the best so far, and whose it is."""
        kept = {"score": self.score, "best_score": self.best_score, "vector": self.vector}
        accuracies = {"accuracy": self.accuracy, "best_accuracy": self.best_accuracy}
        return {**kept, **accuracies, "evaluations": self.evaluations, "data": self._data}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it up; ValueError where the validation data are others."""
        if state["data"] != self._data:
            raise ValueError("the validation data are not those of the checkpoint; give the same")
        self.score, self.best_score = state["score"], state["best_score"]
        self.vector, self.evaluations = state["vector"], state["evaluations"]
        self.accuracy, self.best_accuracy = state["accuracy"], state["best_accuracy"]


def candidate(ga: Run, average: WeightAverage | None) -> Array:
    """Return the solution (num_weights,) that stands for a generation."""
    if average is not None and average.solution is not None:
        return average.solution
    solution, _, _ = ga.best_solution(pop_fitness=ga.last_generation_fitness)
    return np.asarray(solution)


def validation_interval(num_validation: int, num_solutions: int, batch_size: int) -> int:
    """Return after how many generations to validate, so that it costs little beside the fitness."""
    return max(1, math.ceil(num_validation / (VALIDATION_COST * num_solutions * batch_size)))
