"""What operators and callbacks may read of a run."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from cnn import Model
from gacnn.fitness.evaluator import Evaluator
from gacnn.types import Array, Indices


class Run(Protocol):
    """A genetic algorithm as operators and callbacks see it: `gacnn.GA` is one.

    Arrays belong to the run: change copies, or return what shall replace them. Names and meanings
    are PyGAD's, where it has them.

    Examples:
        >>> def report(ga: gacnn.Run) -> None:
        ...     print(ga.generations_completed, len(ga.population))
        >>> ga = gacnn.GA(
        ...     num_generations=2,
        ...     num_parents_mating=2,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     on_generation=report,
        ... )
        >>> ga.run()
        1 8
        2 8
    """

    population: Array
    """The solutions (P, n)."""

    num_genes: int
    """n."""

    gene_space: Any
    """PyGAD's: None, a list of values, or a dict of low, high and step."""

    generations_completed: int
    """How many generations are done, before a resume included."""

    num_generations: int
    """Of this call of `run()`."""

    last_generation_fitness: Array
    """Of the population, (P,) or (P, objectives); higher is better."""

    last_generation_parents: Array
    """The parents (K, n) that were selected last."""

    last_generation_parents_indices: Indices
    """Where they are in the population (K,)."""

    num_fitness_evaluations: int
    """How many solutions have been scored since `run()` began, before a resume included."""

    keep_elitism: int
    """How many of the best solutions stay; where it is 0, `keep_parents` counts."""

    keep_parents: int
    """How many parents stay: -1 for all."""

    crossover_type: Any
    """PyGAD's name, a function, or the operator itself."""

    mutation_type: Any
    """The same of the mutation."""

    crossover_probability: float | None
    """The chance of a parent to mate; None for 1."""

    numpy_random_generator: np.random.RandomState
    """All that is random derives from it; `gacnn.operators.operator.generator` makes a fast one."""

    callbacks: list[Any]
    """The `gacnn.Callback` objects, in the order in which they are called."""

    settings: dict[str, Any]
    """The arguments that the algorithm was built with, the initial population aside."""

    has_ended: bool
    """Whether the loop is over: what follows is the ranking and `on_stop`."""

    @property
    def evaluator(self) -> Evaluator:
        """What the solutions are scored with."""
        ...

    @property
    def progress(self) -> float:
        """The share of the run that is done, from 0 to 1."""
        ...

    @property
    def seconds(self) -> float:
        """How long the run has taken, before a resume included."""
        ...

    @property
    def start_seconds(self) -> float:
        """How many of the `seconds` `on_start` took, before the first evaluation."""
        ...

    def draw_ahead(self) -> None:
        """Draw what the coming generation is scored on now, before the mutation."""
        ...

    def sort_solutions_nsga2(self, fitness: Array, find_best_solution: bool = False) -> list[int]:
        """Return the indices of the solutions, the best first."""
        ...

    def best_solution(self, pop_fitness: Array | None = None) -> tuple[Array, Any, int]:
        """Return the best solution (n,), its fitness and its index."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what it takes to go on after the generation just completed: for checkpoints."""
        ...

    def with_fitness_of(self, row: int) -> Array:
        """Return the fitness of the population, that of one row evaluated anew."""
        ...


class PlainRun:
    """A run of `pygad.GA`, with what it lacks of a `Run`; all else is its own."""

    def __init__(self, ga: Any) -> None:
        self._ga = ga

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._ga, name)
        except AttributeError as error:
            if name in Run.__annotations__ or name in vars(Run):
                error.add_note(f"only gacnn.GA has {name}, pygad.GA has not")
            raise

    @property
    def evaluator(self) -> Evaluator:
        """The fitness function, where it is an evaluator."""
        function = self._ga.fitness_func
        return function if isinstance(function, Evaluator) else Evaluator()

    @property
    def progress(self) -> float:
        """The share of the first run; a second one stays at 1."""
        done: float = self._ga.generations_completed / max(1, self._ga.num_generations)
        return min(1.0, done)

    def draw_ahead(self) -> None:
        """Raise ValueError where there is something to draw, which pygad.GA does not do."""
        if self.evaluator.reevaluates:
            raise ValueError(
                "input_span needs to know the coming batch: take gacnn.GA, which draws it before "
                "the mutation, or batch_size=None, all images"
            )


def run_of(ga: Any) -> Run:
    """Return the run that PyGAD hands to an operator: a `gacnn.GA`, or any `pygad.GA`."""
    run: Run = ga if Run in type(ga).__mro__ else PlainRun(ga)
    return run


def model_of(run: Run, needs: object) -> Model:
    """Return the model that a run evaluates; ValueError, for whatever needs it, without one."""
    model = run.evaluator.model
    if not isinstance(model, Model):
        raise ValueError(
            f"{type(needs).__name__} needs the layers of the network: take a fitness_func from "
            "GACNN.fitness or gacnn.Fitness, or give your own gacnn.Evaluator a model"
        )
    return model
