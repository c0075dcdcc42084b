"""How long a generation takes, tried before a run and measured in it, and what that makes of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import EVENTS, Callback
from gacnn.callbacks.progress import ProgressBar
from gacnn.callbacks.validation import Validation
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.fitness import Fitness
from gacnn.operators.run import Run
from gacnn.training.plan import Plan
from gacnn.types import Array

TRIED = 3  # generations that are timed, at least
TRIAL = 0.5  # seconds for which others are timed
MOST = 1000  # of them: very small networks need no more
LONG = 1.0  # seconds from which on one generation is enough
_UNTRIED = {*EVENTS, "stop_criteria", "save_solutions", "save_best_solutions"}
_SILENT = {"suppress_warnings": True, "logger": logging.Logger("trial", logging.CRITICAL + 1)}
MOMENTS = ((2.0, 0.1), (10.0, 0.3))  # when a cost is told: seconds, but at most of the limit
NEWS = 0.1  # by how much it must have changed to be told again


class Forecast:
    """Says what a run will cost, and once more where it turns out to be another."""

    def __init__(self, plan: Callable[..., Plan], bar: ProgressBar) -> None:
        self.plan, self.bar = plan, bar
        self.said: list[Plan] = []

    def tell(self, ga: Run, seconds: float) -> None:
        """Say it, for generations of so many seconds."""
        plan = self.plan(seconds, done=ga.generations_completed, spent=ga.seconds)
        limited = plan.likely_generations != plan.num_generations
        now = plan.likely_generations if limited else plan.seconds
        if self.said:
            before = self.said[-1].likely_generations if limited else self.said[-1].seconds
            if now is None or before is None or abs(now - before) <= NEWS * before:
                return
        self.said.append(plan)
        if not self.bar.disable:
            self.bar.say(f"now {plan.estimate}" if len(self.said) > 1 else plan.estimate)


class Clock(Callback):
    """Times the generations of a run, with all that lies between them.

    The first generation, which warms up, does not count. told: called with the seconds of a
    generation at two moments, seconds after that one: soon, and when more is known. seconds: as
    they are known so far.
    """

    is_part_of_run = False

    def __init__(self, told: Callable[[Run, float], None], moments: Sequence[float]) -> None:
        self.told = told
        self.seconds: float | None = None
        self._moments = list(moments)
        self._first: tuple[int, float] | None = None
        self._began: float | None = None

    def on_fitness(self, ga: Run, population_fitness: Array) -> None:
        """Begin with the first generation, after the evaluation of the initial population."""
        if self._began is None:
            self._began = time.perf_counter()

    def on_generation(self, ga: Run) -> None:
        """Note the time, and tell it if it is time."""
        now, done = time.perf_counter(), ga.generations_completed
        if self._first is None and self._began is not None:
            self._first, self.seconds = (done, now), now - self._began
            passed = self.seconds if self.seconds > LONG else 0.0  # one that is long will do
        elif self._first is not None:
            passed = now - self._first[1]
            self.seconds = passed / (done - self._first[0])
        else:
            return
        due = [moment for moment in self._moments if moment <= passed]
        if due:
            del self._moments[: len(due)]
            assert self.seconds is not None
            self.told(ga, self.seconds)


class _Stopwatch(Callback):
    """Times generations, the first apart, which warms up, unless it is long."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._began: float | None = None
        self._warm = 0.0

    def on_fitness(self, ga: Run, population_fitness: Array) -> None:
        if self._began is None:
            self._began = time.perf_counter()

    def on_generation(self, ga: Run) -> str | None:
        now, done = time.perf_counter(), ga.generations_completed
        assert self._began is not None
        if done == 1:
            self._warm = now
            self.seconds = now - self._began
        else:
            self.seconds = (now - self._warm) / (done - 1)
        is_enough = done >= TRIED and now - self._began >= TRIAL
        return "stop" if is_enough or self.seconds > LONG else None


class _Trial(Evaluator):
    """A fitness that draws a batch of its own for every call and ranks nothing on all data."""

    def __init__(self, fitness: Fitness) -> None:
        self.fitness, self.model = fitness, fitness.model
        self.reevaluates = fitness.reevaluates

    def __call__(self, vectors: Array) -> Array:
        scores: Array = self.fitness(vectors)
        return scores

    def layer_inputs(self, vector: Array) -> list[Array | None]:
        return self.fitness.layer_inputs(vector)

    def session(self) -> AbstractContextManager[Any]:
        return self.fitness.session()


def seconds_per_generation(fitness: Fitness, population: Array, settings: dict[str, Any]) -> float:
    """Return the time of a generation here, of half a second of them, or of one if it is long.

    They change neither the population nor what a run with the fitness will do. Raises
    KeyboardInterrupt after the generation in which Ctrl-C is pressed.
    """
    tried = {name: value for name, value in settings.items() if name not in _UNTRIED}
    clock = _Stopwatch()
    trial = GA(
        num_generations=MOST,
        fitness_func=_Trial(fitness),
        initial_population=np.array(population),
        callbacks=[clock],
        **{**tried, **_SILENT},
    )
    trial.run()
    if trial.interrupted or clock.seconds is None:
        raise KeyboardInterrupt
    return clock.seconds


def seconds_of_looks(validation: Validation | None, population: Array) -> float:
    """Return the time that looks at the validation data add to a generation, on average."""
    if validation is None:
        return 0.0
    vector = np.array(population[0])
    validation.fitness.full(vector[None])  # warms up
    began = time.perf_counter()
    validation.fitness.full(vector[None])
    return (time.perf_counter() - began) / validation.every
