"""What the operators of evolution strategies share: settings, state, schedules, gene spaces."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from cnn import Model, checks


class Operator:
    """Base of the operators with settings of their own: dataclasses that PyGAD calls.

    The object is given to `gacnn.GA` or `pygad.GA` in the place of a name; `gacnn.GA` makes a
    copy for itself and also takes the name, for the default settings. What an operator
    remembers from one generation to the next is its `state`, which checkpoints keep.
    """

    setting: ClassVar[str]
    """The setting of `gacnn.GA` that it is for."""

    remembers: ClassVar[tuple[str, ...]] = ()
    """Its attributes that last from one generation to the next, None before a run."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make such an operator."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type] # every operator is one
        return {each.name: getattr(self, each.name) for each in fields if each.init}

    def begin(self, ga: Any) -> None:
        """Forget another run, in the first generation of this one."""
        if ga.generations_completed == 0:
            self.restore(dict.fromkeys(self.remembers))

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: JSON's types and arrays of numbers."""
        return {name: getattr(self, name) for name in self.remembers}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint."""
        for name in self.remembers:
            setattr(self, name, state[name])


def generator(ga: Any) -> np.random.Generator:
    """Return a new, fast generator for an operator's step, seeded by the GA's own."""
    seed = ga.numpy_random_generator.randint(2**32, size=4, dtype=np.uint32)
    return np.random.Generator(np.random.SFC64(seed))


def annealed(first: float, last: float | None, ga: Any) -> float:
    """Return a value that falls, or grows, exponentially from first to last during the run.

    In `pygad.GA` that is its first run: a second one goes on with the last value.
    """
    if last is None:
        return first
    progress = getattr(ga, "progress", None)
    if progress is None:  # plain pygad.GA
        progress = ga.generations_completed / max(1, ga.num_generations)
    return float(first * (last / first) ** min(1.0, progress))


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
        positive(first, name)
        positive(last, f"final_{name}")


def model_of(ga: Any, operator: Operator) -> Model:
    """Return the model that the fitness function of a GA evaluates."""
    model = getattr(ga.fitness_func, "model", None)
    if not isinstance(model, Model):
        raise ValueError(
            f"{type(operator).__name__} needs the layers of the network: take a fitness function "
            "from GACNN.fitness or gacnn.Fitness, or say fitness_func.model = … of your own"
        )
    return model
