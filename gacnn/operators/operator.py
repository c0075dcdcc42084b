"""What operators with settings and a memory of their own have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, final

import numpy as np

from cnn import checks
from gacnn.operators.run import Run, run_of
from gacnn.types import Array, Indices


class Operator:
    """Base of `Selection`, `Crossover` and `Mutation`: derive one's own from these.

    The object is given to `gacnn.GA` or `pygad.GA` in the place of a name; `gacnn.GA` makes a
    copy for itself. What an operator remembers from one generation to the next is its `state`,
    which checkpoints keep: the attributes that `remembers` names. Settings are the fields of a
    dataclass; for any other class `settings` says them.

    Examples:
        >>> gacnn.GaussianMutation(0.1).settings()["sigma"]
        0.1
        >>> gacnn.SelfAdaptiveMutation.remembers
        ('sigmas',)
    """

    setting: ClassVar[str]
    """The setting of `gacnn.GA` that it is for."""

    remembers: ClassVar[tuple[str, ...]] = ()
    """Its attributes that last from one generation to the next, None before a run."""

    returns_new: ClassVar[bool] = False
    """Whether it returns a new array every time and keeps no hold of it, so that none is copied;
    False in a class that has a method of its own and does not say otherwise."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {"select", "cross", "mutate"} & cls.__dict__.keys()
        if own and "returns_new" not in cls.__dict__:
            cls.returns_new = False

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make such an operator."""
        if not dataclasses.is_dataclass(self):
            return {}
        fields = dataclasses.fields(self)
        return {each.name: getattr(self, each.name) for each in fields if each.init}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: JSON's types and arrays of numbers."""
        return {name: getattr(self, name) for name in self.remembers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint."""
        for name in self.remembers:
            setattr(self, name, state[name])

    def forget(self) -> None:
        """Forget another run: called in the first generation of a new one."""
        for name in self.remembers:
            setattr(self, name, None)

    @contextmanager
    def _named(self, method: str) -> Iterator[None]:
        """Let an error say whose it is."""
        try:
            yield
        except Exception as error:
            error.add_note(f"raised by {type(self).__name__}.{method}")
            raise

    def _begun(self, ga: Any) -> Run:
        run = run_of(ga)
        if run.generations_completed == 0:
            self.forget()
        return run


class Selection(Operator):
    """Base of what chooses the parents of a generation.

    Examples:
        >>> class Youngest(gacnn.Selection):
        ...     def select(self, fitness, num_parents, run):
        ...         chosen = np.arange(len(fitness) - num_parents, len(fitness))
        ...         return run.population[chosen], chosen
    """

    setting: ClassVar[str] = "parent_selection_type"

    @final
    def __call__(self, fitness: Any, num_parents: int, ga: Any) -> tuple[Array, Indices]:
        """Return parents (num_parents, n) and their indices: called by PyGAD."""
        with self._named("select"):
            selected = self.select(np.asarray(fitness), num_parents, self._begun(ga))
            if not isinstance(selected, tuple | list) or len(selected) != 2:
                raise TypeError(
                    "select must return two things, parents (num_parents, n) and their indices "
                    f"(num_parents,), not {type(selected).__name__}"
                )
        return selected[0], selected[1]

    def select(self, fitness: Array, num_parents: int, run: Run) -> tuple[Array, Indices]:
        """Return parents (num_parents, n) and their indices in the population."""
        raise NotImplementedError(f"{type(self).__name__} has no select(fitness, number, run)")


class Crossover(Operator):
    """Base of what makes offspring of parents.

    Examples:
        >>> class Mean(gacnn.Crossover):
        ...     def cross(self, parents, num_offspring, run):
        ...         return parents.mean(axis=0, keepdims=True).repeat(num_offspring, axis=0)
    """

    setting: ClassVar[str] = "crossover_type"

    @final
    def __call__(self, parents: Array, offspring_size: tuple[int, int], ga: Any) -> Array:
        """Return offspring of offspring_size, (members, n): called by PyGAD."""
        with self._named("cross"):
            return self.cross(parents, offspring_size[0], self._begun(ga))

    def cross(self, parents: Array, num_offspring: int, run: Run) -> Array:
        """Return offspring (num_offspring, n) of parents (K, n)."""
        raise NotImplementedError(f"{type(self).__name__} has no cross(parents, number, run)")


class Mutation(Operator):
    """Base of what disturbs offspring.

    Examples:
        >>> class Swap(gacnn.Mutation):
        ...     def mutate(self, offspring, run):
        ...         return np.roll(offspring, 1, axis=1)
    """

    setting: ClassVar[str] = "mutation_type"

    fits_space: ClassVar[bool] = False
    """Whether what it returns is in the gene space, whatever it was given."""

    @final
    def __call__(self, offspring: Array, ga: Any) -> Array:
        """Return the offspring (members, n) disturbed: called by PyGAD."""
        with self._named("mutate"):
            return self.mutate(offspring, self._begun(ga))

    def mutate(self, offspring: Array, run: Run) -> Array:
        """Return the offspring (members, n) disturbed."""
        raise NotImplementedError(f"{type(self).__name__} has no mutate(offspring, run)")


def generator(run: Run) -> np.random.Generator:
    """Return a new, fast generator for an operator's step, seeded by the run's own."""
    seed = run.numpy_random_generator.randint(2**32, size=4, dtype=np.uint32)
    return np.random.Generator(np.random.SFC64(seed))


def annealed(first: float, last: float | None, run: Run) -> float:
    """Return a value that falls, or grows, exponentially from first to last during the run.

    In `pygad.GA` that is its first run: a second one goes on with the last value.
    """
    return first if last is None else float(first * (last / first) ** run.progress)


def positive(value: Any, name: str) -> float:
    """Return a number above 0; ValueError for anything else."""
    number = checks.number(value, name, 0)
    if number == 0:
        raise ValueError(f"{name} must be above 0, not {value!r}")
    return number


def check_schedule(first: Any, last: Any, name: str) -> None:
    """Check two values of `annealed`; only where nothing is annealed may it be 0."""
    if last is None:
        checks.number(first, name, 0)
    else:
        positive(last, f"final_{name}")
        if checks.number(first, name, 0) == 0:
            raise ValueError(f"{name} must be above 0 where final_{name} is given, not {first!r}")
