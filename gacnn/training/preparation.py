"""What is computed once, before the first generation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from gacnn.callbacks.callback import Callback
from gacnn.fitness.batches import ALL
from gacnn.fitness.fitness import Fitness
from gacnn.operators.run import Run
from gacnn.training.plan import duration

TRIED = 100  # images that tell how long all will take,
MANY = 1000  # where there are so many
LONG = 5.0  # seconds from which on one wants to know


class Preparation(Callback):
    """Has what fixed leading layers return computed in time, not in the first generation.

    fitnesses: whose it is; say: prints a line about what will take long, or None; limit: seconds
    that a run may take, this included.
    """

    is_part_of_run = False

    def __init__(
        self, fitnesses: Sequence[Fitness], say: Callable[[str], Any] | None, limit: float
    ) -> None:
        self.fitnesses, self.say, self.limit = fitnesses, say, limit

    def on_start(self, ga: Run) -> None:
        """Compute it, where it will be used and kept in this process."""
        if self.say is not None:
            seconds = seconds_of_features(self.fitnesses)
            if seconds > LONG:
                self.say(f"now what the fixed layers return: {self._about(seconds)}")
        for each in self.fitnesses:
            if each.keeps_features_here:
                each.scorer.data(ALL)

    def _about(self, seconds: float) -> str:
        about = f"about {duration(seconds)}"
        if self.limit == math.inf:
            return about
        if seconds < self.limit:
            return f"{about} of {duration(self.limit)}"
        return f"{about}, more than the time limit, so that one generation follows"


def seconds_of_features(fitnesses: Sequence[Fitness]) -> float:
    """Return about how long what fixed layers return takes, where it will be kept here."""
    return sum(_seconds(each) for each in fitnesses if each.keeps_features_here)


def _seconds(fitness: Fitness) -> float:
    """Return how long the fixed layers take for all images, judged by some; 0 for a few."""
    scorer = fitness.scorer
    if scorer.features is None or len(scorer.X) < MANY:
        return 0.0
    some = scorer.X[:TRIED]
    began = time.perf_counter()
    scorer.features.computed(some, scorer.engine, scorer.threads, scorer.memory_limit)
    return (time.perf_counter() - began) * len(scorer.X) / len(some)
