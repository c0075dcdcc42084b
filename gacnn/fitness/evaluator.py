"""Evaluators: what a genetic algorithm scores with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from cnn import Model, NumpyEngine
from gacnn.types import Array


class Evaluator:
    """Base of the fitness of whole populations; its methods do nothing, but for the call itself.

    `gacnn.GA` takes an evaluator as `fitness_func`, calls it once with all the solutions that it
    has to score, and checkpoints keep its state. To write one's own it takes `__call__`.

    Examples:
        >>> class Sphere(gacnn.Evaluator):
        ...     def __call__(self, vectors):
        ...         return -np.square(vectors).sum(axis=1)
        >>> ga = gacnn.GA(
        ...     num_generations=100,
        ...     num_parents_mating=4,
        ...     fitness_func=Sphere(),
        ...     sol_per_pop=16,
        ...     num_genes=10,
        ...     random_seed=0,
        ... )
        >>> ga.run()
        >>> solution, fitness, _ = ga.best_solution()
        >>> bool(fitness > -0.1)
        True
    """

    model: Model | None = None
    """The network whose weights the solutions are, for operators that need its layers."""

    measure: str = "fitness"
    """What its number is called: a progress bar and pictures say so."""

    threads: int | None = None
    """How many threads a run uses here, its operators too; None for one a core, or as many as
    OMP_NUM_THREADS says."""

    reevaluates: bool = False
    """Whether kept solutions are scored anew in every generation, because what they are scored on
    is another; True in a class that has a `draw` of its own and does not say otherwise."""

    ranks_on_all: bool = True
    """Whether the last population is ranked by `on_all`, which takes a while."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "draw" in cls.__dict__ and "reevaluates" not in cls.__dict__:
            cls.reevaluates = True

    def __call__(self, vectors: Array, /) -> Array:
        """Return the fitness of solutions (P, n): (P,), or (P, objectives); higher is better.

        The vectors are read-only. NaN is refused, minus infinity is the worst there is.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__(vectors)")

    def session(self) -> AbstractContextManager[Any]:
        """Return what a run is wrapped into: BLAS on one thread, if not said otherwise."""
        return NumpyEngine().session()

    def draw(self, rng: np.random.Generator) -> None:
        """Draw what the coming generation is scored on; called once before it is evaluated."""

    def layer_inputs(self, vector: Array) -> list[Array | None] | None:
        """Return what the layers take of what was drawn, in the network of a vector (n,).

        For each trainable layer of `model`: (rows, inputs) where it is dense and takes many more
        inputs than there are rows, otherwise None. Noise can then keep to directions that make a
        difference. None altogether where that cannot be told.
        """
        return None

    def on_all(self, vectors: Array) -> Array | None:
        """Return the fitness of solutions on all there is, whatever was drawn; None if it is that.

        The last population is ranked by it, and outside a run the population is; and a solution
        that would end a run, because it reaches what is wanted on what was drawn, must do so here.
        """
        return None

    def state(self) -> dict[str, Any]:
        """Return what a resumed run has to know, what was drawn included: for a checkpoint.

        JSON's types, tuples and arrays of numbers.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint: called in a resumed run, inside its session."""

    def fingerprint(self) -> dict[str, Any] | None:
        """Return what tells this fitness from another, for JSON; a resume with another is refused.

        None where nothing can be told.
        """
        return None
