"""Callbacks of `gacnn.GA`: they watch a run, end it, and go on with it after a resume."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from cnn import checks, files, tables
from gacnn import plots
from gacnn.operators.operator import fit_to_space

Array = NDArray[Any]

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

_MEASURED_GENES = 1024  # genes that diversity is measured on


class Callback:
    """Base of all callbacks: methods that do nothing, named after PyGAD's events.

    Each is given what PyGAD gives its functions, and may return what those may: a replacement
    from `on_fitness`, `on_crossover` and `on_mutation`, (parents, indices) from `on_parents`,
    and "stop" from `on_generation`. Only those that a class defines are called. The methods
    below `on_stop` are no events of PyGAD; `gacnn.GA` says when it calls them.
    """

    is_part_of_run = True
    """Whether a run resumed without it would be another run: not so for a progress bar."""

    def on_start(self, ga: Any) -> None:
        """Called once, before the first evaluation."""

    def on_fitness(self, ga: Any, population_fitness: Array) -> Any:
        """Called when the fitness of the population is known."""

    def on_parents(self, ga: Any, selected_parents: Array) -> Any:
        """Called when the parents are chosen."""

    def on_crossover(self, ga: Any, offspring_crossover: Array) -> Any:
        """Called when crossover has made the offspring."""

    def on_mutation(self, ga: Any, offspring_mutation: Array) -> Any:
        """Called when the offspring are mutated."""

    def on_generation(self, ga: Any) -> Any:
        """Called when the fitness of the new population is known; "stop" ends the run."""

    def on_stop(self, ga: Any, last_population_fitness: Array) -> None:
        """Called once, when the run has ended; not after an exception."""

    def commit(self, ga: Any) -> None:
        """Save: called when all is said about a generation, and again after the last."""

    def finish(self, ga: Any) -> None:
        """Change the last population and its fitness, before PyGAD ranks it for `on_stop`."""

    def close(self) -> None:
        """Let go of what `on_start` took hold of: called at the end also after an exception."""

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint has to keep: JSON's types, tuples and arrays of numbers."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the `state` of a checkpoint: called in a resumed run, after `on_start`."""


class LambdaCallback(Callback):
    """A callback of functions: `LambdaCallback(on_generation=lambda ga: print(ga.population))`.

    Raises TypeError for anything that cannot be called.
    """

    def __init__(
        self,
        on_start: Callable[[Any], None] | None = None,
        on_fitness: Callable[[Any, Array], Any] | None = None,
        on_parents: Callable[[Any, Array], Any] | None = None,
        on_crossover: Callable[[Any, Array], Any] | None = None,
        on_mutation: Callable[[Any, Array], Any] | None = None,
        on_generation: Callable[[Any], Any] | None = None,
        on_stop: Callable[[Any, Array], None] | None = None,
    ) -> None:
        functions = on_start, on_fitness, on_parents, on_crossover, on_mutation, on_generation
        for event, function in zip(EVENTS, (*functions, on_stop), strict=True):
            if function is not None:
                if not callable(function):
                    raise TypeError(f"{event} must be callable, not {function!r}")
                setattr(self, event, function)


class History(Callback):
    """The course of a run, a row for every generation, in columns.

    generation; best, mean and std of the fitness (with several objectives a list of one value
    each); diversity, the mean over the genes of their standard deviation over the population,
    of 1,024 evenly spaced genes where there are more; evaluations and seconds since `run()`
    began, times before a resume included; and validation, what `validation(solution)` returned
    for the generation's best solution, where such a function is given: a number, several, or None,
    which becomes NaN. With mini-batches the
    fitness is that on the generation's batch. Further runs are appended.

    `history["best"]` is a column, and iteration is over the names of the columns.
    """

    def __init__(self, validation: Callable[[Array], Any] | None = None) -> None:
        if validation is not None and not callable(validation):
            raise TypeError(f"validation must be callable, not {validation!r}")
        self.validation = validation
        names = ["generation", "best", "mean", "std", "diversity", "evaluations", "seconds"]
        if validation is not None:
            names.append("validation")
        self._columns: dict[str, list[Any]] = {name: [] for name in names}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "validation": None}  # it may hold models and data

    def __len__(self) -> int:
        return len(self._columns["generation"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def on_generation(self, ga: Any) -> None:
        """Append a row."""
        fitness = ga.last_generation_fitness
        with np.errstate(invalid="ignore"):  # a fitness may be -inf
            mean, std = fitness.mean(axis=0), fitness.std(axis=0)
        row = {
            "generation": ga.generations_completed,
            "best": fitness.max(axis=0).tolist(),
            "mean": mean.tolist(),
            "std": std.tolist(),
            "diversity": _diversity(ga.population),
            "evaluations": ga.num_fitness_evaluations,
            "seconds": ga.seconds,
        }
        if self.validation is not None:
            solution, _, _ = ga.best_solution(pop_fitness=fitness)
            value = self.validation(solution)
            row["validation"] = math.nan if value is None else np.asarray(value).tolist()
        for name, value in row.items():
            self._columns[name].append(value)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return a copy of the columns by name."""
        return {name: list(column) for name, column in self._columns.items()}

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the fitness with `gacnn.plots.fitness`, which takes the options; return the Axes."""
        return plots.fitness(self, ax, **options)

    def __repr__(self) -> str:
        latest = f", best {_short(self['best'][-1])}" if len(self) else ""
        return f"<History: {len(self):,} generations{latest}>"

    def _table(self, write: Callable[..., str]) -> str:
        """Write a dozen generations, evenly spaced, the first and the last among them."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(12, len(self))).astype(int))
        cells = [[_cell(column[row]) for column in self._columns.values()] for row in rows]
        return write(list(self), cells)

    def __str__(self) -> str:
        return self._table(tables.as_text)

    def _repr_html_(self) -> str:
        return self._table(tables.as_html)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row for every generation; a column of lists becomes best_0, best_1 …"""
        table: dict[str, list[Any]] = {}
        for name, column in self._columns.items():
            if column and isinstance(column[0], list):
                for objective, values in enumerate(zip(*column, strict=True)):
                    table[f"{name}_{objective}"] = list(values)
            else:
                table[name] = column
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
        with files.replacing(path) as file:
            file.write(text.getvalue().encode())

    def state(self) -> dict[str, Any]:
        """Return the columns as arrays."""
        return {name: np.array(column) for name, column in self._columns.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the columns."""
        self._columns = {name: state[name].tolist() for name in self._columns}


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _short(value)


def _diversity(population: Array) -> float:
    genes = population.shape[1]
    if genes > _MEASURED_GENES:
        population = population[:, np.linspace(0, genes - 1, _MEASURED_GENES).astype(int)]
    return float(population.astype(float).std(axis=0).mean())


class ProgressBar(Callback):
    """A bar of the generations with the best fitness, and the validation of a `History`.

    It is tqdm's, in a terminal or a notebook. `disable=True` shows nothing.
    """

    is_part_of_run = False

    def __init__(self, *, disable: bool = False) -> None:
        self.disable = disable
        self._bar: Any = None

    def on_start(self, ga: Any) -> None:
        """Show the bar."""
        last = ga.generations_completed + ga.num_generations
        self._bar = tqdm(
            total=None if last >= ENDLESS else last,
            initial=ga.generations_completed,
            unit="generation",
            disable=self.disable,
            dynamic_ncols=True,
        )

    def on_generation(self, ga: Any) -> None:
        """Move on by a generation."""
        shown = {"fitness": ga.last_generation_fitness.max(axis=0)}
        history = validating_history(ga)
        if history is not None and len(history):
            shown["validation"] = history["validation"][-1]
        text = ", ".join(f"{name} {_short(value)}" for name, value in shown.items())
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(ga.generations_completed - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _short(value: Any) -> str:
    return " / ".join(f"{number:.4g}" for number in np.atleast_1d(value))


def validating_history(ga: Any) -> History | None:
    """Return the first `History` of the GA that validates, if there is one."""
    histories = (callback for callback in ga.callbacks if isinstance(callback, History))
    return next((each for each in histories if each.validation is not None), None)


class WeightAverage(Callback):
    """Averages the populations of the last generations into one solution.

    The mean over the population is averaged with exponentially falling weights, over about the
    last `share` of the generations so far: noise of single generations cancels (Polyak & Juditsky
    1992, Acceleration of stochastic approximation by averaging; Izmailov et al. 2018, Averaging
    weights leads to wider optima). `solution` is the average (n,). When the run ends it takes the
    place of the worst of the last population, and its fitness is computed.
    """

    def __init__(self, share: float = 0.05) -> None:
        if not 0 < checks.number(share, "share") <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {share!r}")
        self.share = share
        self._forget()

    def _forget(self) -> None:
        self.solution: Array | None = None
        self._mean: Array | None = None
        self._generations = 0

    def on_start(self, ga: Any) -> None:
        """Begin another average."""
        self._forget()

    def on_generation(self, ga: Any) -> None:
        """Add a generation to the average."""
        present = ga.population.mean(axis=0, dtype=np.float64)
        self._generations += 1
        if self._mean is None:
            self._mean = present
        else:
            self._mean += (present - self._mean) / (1 + self.share * (self._generations - 1))
        self.solution = fit_to_space(self._mean, ga)

    def finish(self, ga: Any) -> None:
        """Put the average into the last population."""
        if self.solution is not None:
            fitness = ga.last_generation_fitness
            worst = ga.sort_solutions_nsga2(fitness, find_best_solution=True)[-1]
            ga.population[worst] = self.solution
            ga.last_generation_fitness = ga.with_fitness_of(worst)

    def state(self) -> dict[str, Any]:
        """Return the average."""
        return {"mean": self._mean, "solution": self.solution, "generations": self._generations}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the average."""
        self._mean, self.solution = state["mean"], state["solution"]
        self._generations = state["generations"]
