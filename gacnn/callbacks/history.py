"""The course of a run, generation by generation."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnn import files, tables
from cnn.checks import printable
from gacnn import plots
from gacnn.callbacks.callback import Callback
from gacnn.operators.run import Run
from gacnn.types import Array, Growing

ACCURACY = "validation_accuracy"  # the column of what a person asks for first
_MEASURED_GENES = 1024  # genes that diversity is measured on


class History(Callback, dict[str, list[Any]]):
    """The course of a run, a row for every generation, in columns.

    `history["best"]` is a column, and iteration is over the names of the columns: generation;
    best, mean and std of the fitness, with several objectives a list of one value each; diversity,
    the mean over the genes of their standard deviation over the population, of 1,024 evenly spaced
    genes where there are more; evaluations and seconds since `run()` began, those before a resume
    included; validation; and what else is measured. With mini-batches the fitness is that on the
    generation's batch. Further runs are appended. `measure` is what the fitness is called.

    validation: a function of the generation's best solution, whose value is noted: a number,
    several, or None, which becomes NaN. measures: more such functions, by the name of their
    column; a training notes "validation_accuracy".

    Examples:
        >>> history = gacnn.History()
        >>> ga = gacnn.GA(
        ...     num_generations=5,
        ...     num_parents_mating=4,
        ...     fitness_func=lambda ga, solution, index: -sum(solution**2),
        ...     sol_per_pop=8,
        ...     num_genes=10,
        ...     callbacks=[history],
        ... )
        >>> ga.run()
        >>> history["generation"]
        [1, 2, 3, 4, 5]
        >>> list(history)
        ['generation', 'best', 'mean', 'std', 'diversity', 'evaluations', 'seconds']
    """

    measure = "fitness"

    def __init__(
        self,
        validation: Callable[[Array], Any] | None = None,
        *,
        measures: Mapping[str, Callable[[Array], Any]] | None = None,
    ) -> None:
        self.validation = validation
        self._measures = {} if validation is None else {"validation": validation}
        if measures is not None and not isinstance(measures, Mapping):
            raise TypeError(f"measures must be a dict of functions by name, not {measures!r}")
        self._measures |= measures or {}
        for name, function in self._measures.items():
            if not callable(function):
                argument = name if name == "validation" else f"measures[{name!r}]"
                raise TypeError(f"{argument} must be callable, not {function!r}")
        names = ["generation", "best", "mean", "std", "diversity", "evaluations", "seconds"]
        names += self._measures
        self.update({name: [] for name in names})

    __eq__ = object.__eq__  # one among callbacks, as all others are
    __hash__ = object.__hash__  # type: ignore[assignment] # a dict has none

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "validation": None, "_measures": {}}  # they may hold data

    def __missing__(self, name: str) -> list[Any]:
        raise KeyError(f"the history has no column {name!r}; it has {', '.join(self)}")

    def __len__(self) -> int:
        return len(self["generation"])

    def on_start(self, ga: Run) -> None:
        """Note what the fitness is called."""
        self.measure = ga.evaluator.measure

    def on_generation(self, ga: Run) -> None:
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
        if self._measures:
            solution, _, _ = ga.best_solution(pop_fitness=fitness)
            for name, measured in self._measures.items():
                value = measured(solution)
                row[name] = math.nan if value is None else np.asarray(value).tolist()
        for name, value in row.items():
            self[name].append(value)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return a copy of the columns by name."""
        return {name: list(column) for name, column in self.items()}

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the fitness with `gacnn.plots.fitness`, which takes the options; return the Axes."""
        ax = plots.fitness(self, ax, **options)
        ax.set_ylabel(self.measure.replace("_", " "))
        return ax

    def __repr__(self) -> str:
        latest = f", best {_short(self['best'][-1])}" if len(self) else ""
        return f"<History: {len(self):,} generations{latest}>"

    def _table(self, write: Callable[..., str]) -> str:
        """Write a dozen generations, evenly spaced, the first and the last among them."""
        rows = np.unique(np.linspace(0, len(self) - 1, min(12, len(self))).astype(int))
        cells = [[_cell(column[row]) for column in self.values()] for row in rows]
        return write(list(self), cells)

    def __str__(self) -> str:
        return self._table(tables.as_text)

    def _repr_html_(self) -> str:
        return self._table(tables.as_html)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row for every generation; a column of lists becomes best_0, best_1 …"""
        import csv  # when first needed
        import io

        table: dict[str, list[Any]] = {}
        for name, column in self.items():
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
        """Return the columns, not copied: a checkpoint writes what is new in them."""
        return {"rows": Growing("history.jsonl", dict(self))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the columns, as they are in a checkpoint or as a dictionary has them.

        Raises ValueError where they are others.
        """
        rows = state.get("rows")
        columns = rows.columns if isinstance(rows, Growing) else state
        if columns.keys() != self.keys():
            raise ValueError(
                "the history of the checkpoint has the columns "
                f"{printable(', '.join(columns))}, and this one {', '.join(self)}; give History a "
                "validation as before"
            )
        self.update({name: np.asarray(columns[name]).tolist() for name in self})


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else _short(value)


def _diversity(population: Array) -> float:
    genes = population.shape[1]
    if genes > _MEASURED_GENES:
        population = population[:, np.linspace(0, genes - 1, _MEASURED_GENES).astype(int)]
    return float(population.astype(float).std(axis=0).mean())


def _short(value: Any) -> str:
    return " / ".join(f"{number:.4g}" for number in np.atleast_1d(value))


def validating_history(ga: Run) -> History | None:
    """Return the first `History` of the GA that validates, if there is one."""
    histories = (callback for callback in ga.callbacks if isinstance(callback, History))
    return next((each for each in histories if each.validation is not None), None)
