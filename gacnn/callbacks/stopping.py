"""Callbacks that end a run: when it no longer improves, is good enough, or its time is over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnn import checks
from gacnn.callbacks.callback import Callback
from gacnn.callbacks.history import validating_history
from gacnn.operators.run import Run
from gacnn.types import Array


class EarlyStopping(Callback):
    """Ends a run that no longer improves, or has reached what was wanted.

    NaN is worse than any number. `best_solution`, `best_value` and `best_fitness` tell what was
    best. Every run starts to count anew.

    Args:
        patience: generations in a row that may pass without the value growing by more than
            `min_delta` beyond what it was when it last did; None for any number.
        min_delta: growth that does not count.
        threshold: a value to stop at; None for none. It or patience must be given. With
            mini-batches the fitness of the best solution must reach it on all data too, which are
            looked at when it does on the batch.
        monitor: "fitness" of the generation's best solution, or its "validation", which a
            `History` earlier in the list of callbacks computes.
        restore_best: whether, when the run ends, for whatever reason, the solution with the best
            value takes the place of the worst of the last population, if it is not in it; with
            mini-batches it is ranked with all others on all data.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=1000,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[gacnn.EarlyStopping(patience=20, threshold=-0.1)],
        ... )
        >>> ga.run()
        >>> ga.generations_completed < 1000
        True
    """

    def __init__(
        self,
        patience: int | None = None,
        *,
        min_delta: float = 0.0,
        threshold: float | None = None,
        monitor: str = "fitness",
        restore_best: bool = True,
    ) -> None:
        if patience is None and threshold is None:
            raise ValueError("EarlyStopping never stops without patience or threshold; give one")
        self.patience = None if patience is None else checks.whole(patience, "patience")
        self.min_delta = checks.number(min_delta, "min_delta", 0)
        self.threshold = None if threshold is None else checks.number(threshold, "threshold")
        self.monitor = checks.one_of(monitor, "monitor", ("fitness", "validation"))
        self.restore_best = restore_best
        self._forget()

    def _forget(self) -> None:
        self.best_value: float | None = None
        self.best_solution: Array | None = None
        self.best_fitness: Any = None
        self._reference: float | None = None
        self._waited = 0

    def on_start(self, ga: Run) -> None:
        """Start to count; raises ValueError where nobody computes what is monitored."""
        self._forget()
        if self.monitor == "validation":
            before = ga.callbacks[: ga.callbacks.index(self)]
            if validating_history(ga) not in before:
                raise ValueError(
                    "EarlyStopping(monitor='validation') needs a History(validation=…) "
                    "before it in callbacks"
                )

    def on_generation(self, ga: Run) -> str | None:
        """Note what is best, and stop where it is time."""
        value = self._value(ga)
        if self.best_value is None or value > self.best_value:
            self.best_value = value
            if self.restore_best:
                fitness = ga.last_generation_fitness
                self.best_solution, self.best_fitness, _ = ga.best_solution(pop_fitness=fitness)
        self._waited += 1
        if self._reference is None or value > self._reference + self.min_delta:
            self._reference, self._waited = value, 0
        return "stop" if self._reached(ga, value) or self.is_over(self.state()) else None

    def _reached(self, ga: Run, value: float) -> bool:
        """Tell whether the threshold is reached, on all data and not on one lucky batch only."""
        if self.threshold is None or value < self.threshold:
            return False
        if self.monitor == "validation":
            return True
        solution, _, _ = ga.best_solution(pop_fitness=ga.last_generation_fitness)
        on_all = ga.evaluator.on_all(np.asarray(solution, float)[None])
        return on_all is None or float(on_all[0]) >= self.threshold

    def is_over(self, state: dict[str, Any]) -> bool:
        """Tell whether patience has ended the run that a `state` is of."""
        return self.patience is not None and state["_waited"] >= self.patience

    def _value(self, ga: Run) -> float:
        history = validating_history(ga) if self.monitor == "validation" else None
        value = (
            ga.last_generation_fitness.max(axis=0) if history is None else history[self.monitor][-1]
        )
        if np.ndim(value):
            raise ValueError(
                f"EarlyStopping needs one number to follow, but {self.monitor} has {len(value)}: "
                "follow a validation that returns one"
            )
        return -math.inf if np.isnan(value) else float(value)

    def finish(self, ga: Run) -> None:
        """Put the best solution back."""
        best, fitness = self.best_solution, ga.last_generation_fitness
        if best is None or (ga.population == best).all(axis=1).any():
            return
        worst = ga.sort_solutions_nsga2(fitness, find_best_solution=True)[-1]
        if self.monitor == "validation" or self.best_fitness > fitness[worst]:
            ga.population[worst] = best
            fitness = fitness.astype(np.result_type(fitness, self.best_fitness))
            fitness[worst] = self.best_fitness
            ga.last_generation_fitness = fitness

    def state(self) -> dict[str, Any]:
        """Return what was best and how long ago."""
        return {name: getattr(self, name) for name in self._KEPT}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the count."""
        for name in self._KEPT:
            setattr(self, name, state[name])

    _KEPT = ("best_value", "best_solution", "best_fitness", "_reference", "_waited")


class TimeLimit(Callback):
    """Ends a run after the generation in which it has taken `seconds`, before a resume included.

    What `on_start` does counts, such as to compute what fixed layers return for all images.

    Examples:
        >>> ga = gacnn.GA(
        ...     num_generations=10**9,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[gacnn.TimeLimit(0.1)],
        ... )
        >>> ga.run()
        >>> 0.1 <= ga.seconds < 10
        True
    """

    def __init__(self, seconds: float) -> None:
        endless = isinstance(seconds, float) and seconds == math.inf
        if isinstance(seconds, bool | str):
            raise ValueError(f"seconds must be a number of at least 0, not {seconds!r}")
        self.seconds = math.inf if endless else checks.number(seconds, "seconds", 0)

    def on_generation(self, ga: Run) -> str | None:
        """Stop when it is time."""
        return "stop" if ga.seconds >= self.seconds else None
