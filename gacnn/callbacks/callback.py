"""Callbacks of `gacnn.GA`: they watch a run, end it, and go on with it after a resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gacnn.operators.run import Run
from gacnn.types import Array

EVENTS = (
    "on_start",
    "on_fitness",
    "on_parents",
    "on_crossover",
    "on_mutation",
    "on_generation",
    "on_stop",
)
ENDLESS = 10**9  # generations: a run of so many is meant to be ended by something else


class Callback:
    """Base of all callbacks: methods that do nothing, named after PyGAD's events.

    Each is given what PyGAD gives its functions, and may return what those may: a replacement
    from `on_fitness`, `on_crossover` and `on_mutation`, (parents, indices) from `on_parents`,
    and "stop" from `on_generation`. Only those that a class defines are called. The methods
    below `on_stop` are no events of PyGAD; `gacnn.GA` says when it calls them.

    Examples:
        >>> class Enough(gacnn.Callback):
        ...     def on_generation(self, ga):
        ...         return "stop" if ga.num_fitness_evaluations >= 100 else None
        >>> ga = gacnn.GA(
        ...     num_generations=1000,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[Enough()],
        ... )
        >>> ga.run()
        >>> ga.num_fitness_evaluations < 110
        True
    """

    is_part_of_run = True
    """Whether a run resumed without it would be another run: not so for a progress bar."""

    image_evaluations: int = 0
    """How many images it has run through a network itself: a training counts them among its own."""

    def on_start(self, ga: Run) -> None:
        """Called once, before the first evaluation: the place to change `ga.population` itself."""

    def on_fitness(self, ga: Run, population_fitness: Array) -> Any:
        """Called when the fitness of the population is known."""

    def on_parents(self, ga: Run, selected_parents: Array) -> Any:
        """Called when the parents are chosen."""

    def on_crossover(self, ga: Run, offspring_crossover: Array) -> Any:
        """Called when crossover has made the offspring."""

    def on_mutation(self, ga: Run, offspring_mutation: Array) -> Any:
        """Called when the offspring are mutated."""

    def on_generation(self, ga: Run) -> Any:
        """Called when the fitness of the new population is known; "stop" ends the run."""

    def on_stop(self, ga: Run, last_population_fitness: Array) -> None:
        """Called once, when the run has ended; not after an exception."""

    def commit(self, ga: Run) -> None:
        """Save: called when all is said about a generation, and again after the last."""

    def finish(self, ga: Run) -> None:
        """Change the last population in place, before it is ranked for `on_stop`.

        Rows that are changed are scored anew, unless their fitness is changed too.
        """

    def close(self) -> None:
        """Let go of what `on_start` took hold of: called at the end also after an exception."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: JSON's types, tuples and arrays of numbers."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint: called in a resumed run, after `on_start`."""


class LambdaCallback(Callback):
    """A callback of functions, each called at the event of its name.

    Args:
        on_start: called with the `Run`, once, before the first evaluation.
        on_fitness: with the run and the fitness of the population.
        on_parents: with the run and the parents.
        on_crossover: with the run and the offspring of crossover.
        on_mutation: with the run and the mutated offspring.
        on_generation: with the run, after every generation; "stop" ends it.
        on_stop: with the run and the fitness of the last population.

    Raises:
        TypeError: for anything that cannot be called.

    Examples:
        >>> best = []
        >>> watch = gacnn.LambdaCallback(
        ...     on_generation=lambda ga: best.append(ga.last_generation_fitness.max())
        ... )
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[watch],
        ... )
        >>> ga.run()
        >>> len(best)
        5
    """

    def __init__(
        self,
        on_start: Callable[[Run], None] | None = None,
        on_fitness: Callable[[Run, Array], Any] | None = None,
        on_parents: Callable[[Run, Array], Any] | None = None,
        on_crossover: Callable[[Run, Array], Any] | None = None,
        on_mutation: Callable[[Run, Array], Any] | None = None,
        on_generation: Callable[[Run], Any] | None = None,
        on_stop: Callable[[Run, Array], None] | None = None,
    ) -> None:
        functions = on_start, on_fitness, on_parents, on_crossover, on_mutation, on_generation
        for event, function in zip(EVENTS, (*functions, on_stop), strict=True):
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{event} must be callable, not {function!r}")
                setattr(self, event, function)
