"""What a training will do and cost, said before it starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnn import tables
from gacnn.algorithm.ga import GA
from gacnn.callbacks.callback import EVENTS, Callback
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.fitness import Fitness
from gacnn.operators.names import OPERATORS
from gacnn.operators.run import Run
from gacnn.types import Array

TRIED = 3  # generations that are timed
LONG = 1.0  # seconds from which on one generation is enough
_UNTRIED = {*EVENTS, "stop_criteria", "save_solutions", "save_best_solutions"}
_SILENT = {"suppress_warnings": True, "logger": logging.Logger("trial", logging.CRITICAL + 1)}


@dataclass(frozen=True)
class Distribution:
    """What a generation costs on the workers of an executor, and what it costs here.

    workers: those that have done a task; tasks of a generation; sent, received: bytes of a
    generation, those of vectors and batches, and of scores; data: bytes that travel once to each
    worker; seconds, seconds_here: of a generation there, and with the same shards in this process.
    """

    workers: int
    tasks: int
    sent: int
    received: int
    data: int
    seconds: float
    seconds_here: float

    @property
    def pays(self) -> bool:
        """Whether the workers are quicker than this process."""
        return self.seconds < self.seconds_here

    def __str__(self) -> str:
        workers = "1 worker" if self.workers == 1 else f"{self.workers:,} workers"
        tasks = "1 task" if self.tasks == 1 else f"{self.tasks:,} tasks"
        verdict = "" if self.pays else ": slower there, so leave the executor out"
        return (
            f"a generation is {tasks}, {_bytes(self.sent)} out and {_bytes(self.received)} back, "
            f"and once {_bytes(self.data)} of data to each worker; it takes {workers} "
            f"{_short(self.seconds)}, and {_short(self.seconds_here)} here{verdict}"
        )


@dataclass(frozen=True)
class Plan:
    """What `GACNN.train` will do and cost.

    The last three come from the time of a few generations. They are None until any have been
    timed, but for what no time limit leaves open.

    Args:
        num_weights: genes of a solution.
        num_solutions: networks of the population.
        population_bytes: what the population takes.
        num_images: images to train on.
        num_validation: images that are held out.
        batch_size: images of a generation.
        sampling: how they are drawn, "uniform" or "importance".
        num_generations: at most; None where only the time limit ends the run.
        time_limit: seconds, or None.
        patience: generations without improvement that end the run; None for any number.
        settings: those that `gacnn.GA` will be given.
        likely_generations: those for which the limits leave time.
        image_evaluations: networks times images over these, validation included.
        seconds: how long they take.
        distribution: what `GACNN.plan` has found out about the workers of an executor.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> X, y = np.eye(2), np.arange(2)
        >>> plan = gacnn.GACNN(model, 8, random_seed=0).plan(X, y, num_generations=100)
        >>> plan.num_weights, plan.image_evaluations
        (6, 1618)
    """

    num_weights: int
    num_solutions: int
    population_bytes: int
    num_images: int
    num_validation: int
    batch_size: int
    sampling: str
    num_generations: int | None
    time_limit: float | None
    patience: int | None
    settings: dict[str, Any]
    likely_generations: int | None
    image_evaluations: int | None
    seconds: float | None
    distribution: Distribution | None = None

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
        lines += [] if self.distribution is None else [str(self.distribution)]
        return "\n".join([*lines, *([] if self.seconds is None else [self.estimate])])

    @property
    def estimate(self) -> str:
        """What the run is likely to cost, in a line; empty until some of it has been timed."""
        if self.seconds is None or self.image_evaluations is None:
            return ""
        evaluations = f"{_counted(self.image_evaluations)} image evaluations"
        if self.likely_generations != self.num_generations:
            evaluations = f"about {self.likely_generations:,} generations, about {evaluations}"
        return f"{evaluations}, about {_duration(self.seconds)}"

    def _generations(self) -> str:
        if self.time_limit is None:
            return f"{self.num_generations:,} generations"
        limit = _duration(self.time_limit)
        if self.num_generations is None:
            return f"as many generations as {limit} allow"
        return f"at most {self.num_generations:,} generations, or {limit},"

    def _repr_html_(self) -> str:
        rows = {
            "networks": f"{self.num_solutions:,} of {self.num_weights:,} weights",
            "memory": f"{self.population_bytes / 2**20:.1f} MiB",
            "images to train on": f"{self.num_images:,}",
            "images to validate on": f"{self.num_validation:,}",
            "batch": f"{self.batch_size:,}, {_DRAWN[self.sampling]}",
            "generations": self._generations().replace(" generations", "").rstrip(","),
            "patience": "none" if self.patience is None else f"{self.patience:,}",
            **{name: described(self.settings[name]) for name in OPERATORS},
            **({} if self.distribution is None else {"workers": str(self.distribution)}),
            "estimate": self.estimate or "none yet",
        }
        return tables.as_html((), rows.items(), names=2)


_DRAWN = {"uniform": "drawn evenly", "importance": "drawn by importance"}


def described(operator: Any) -> str:
    """Return an operator as its name, or with its settings."""
    return operator if isinstance(operator, str) else repr(operator)


def _counted(number: int) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 10**6 else f"{number:,}"


def _bytes(number: int) -> str:
    for size, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} bytes"


def _short(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"


def _duration(seconds: float) -> str:
    """Return seconds in words: of a short time with a decimal, of a long one without."""
    number = f"{seconds:,.1f}" if seconds < 9.95 else f"{seconds:,.0f}"
    return f"{number.removesuffix('.0')} second{'' if number in ('1', '1.0') else 's'}"


class Clock(Callback):
    """Times the first generations of a run: `seconds` is then that of the shortest.

    known: called with it, once it is known: after a few generations, or one that is long.
    """

    is_part_of_run = False

    def __init__(self, known: Callable[[float], str | None]) -> None:
        self.known = known
        self.seconds: float | None = None
        self._times: list[float] = []
        self._since: float | None = None

    def on_fitness(self, ga: Run, population_fitness: Array) -> None:
        """Begin with the first generation, after the evaluation of the initial population."""
        if self._since is None:
            self._since = time.perf_counter()

    def on_generation(self, ga: Run) -> str | None:
        """Note the time since the generation before."""
        if self.seconds is not None or self._since is None:
            return None
        now = time.perf_counter()
        self._times.append(now - self._since)
        self._since = now
        if len(self._times) < TRIED and self._times[-1] <= LONG:
            return None
        self.seconds = min(self._times)
        return self.known(self.seconds)


class _Trial(Evaluator):
    """A fitness that draws a batch of its own for every call and ranks nothing on all data."""

    def __init__(self, fitness: Fitness) -> None:
        self.fitness, self.model = fitness, fitness.model
        self.reevaluates = fitness.reevaluates

    def __call__(self, vectors: Array) -> Array:
        scores: Array = self.fitness(vectors)
        return scores

    def session(self) -> AbstractContextManager[Any]:
        return self.fitness.session()


def seconds_per_generation(fitness: Fitness, population: Array, settings: dict[str, Any]) -> float:
    """Return the time of a generation here: the shortest of a few, or of one if it is long.

    They change neither the population nor what a run with the fitness will do. Raises
    KeyboardInterrupt after the generation in which Ctrl-C is pressed.
    """
    tried = {name: value for name, value in settings.items() if name not in _UNTRIED}
    clock = Clock(lambda seconds: "stop")
    trial = GA(
        num_generations=TRIED,
        fitness_func=_Trial(fitness),
        initial_population=np.array(population),
        callbacks=[clock],
        **{**tried, **_SILENT},
    )
    trial.run()
    if trial.interrupted or clock.seconds is None:
        raise KeyboardInterrupt
    return clock.seconds
