"""What a run remembers, and how another takes it up: all of it is said here."""
# mypy: disable-error-code="no-any-return"
# (pygad ships no types, so whatever it returns is Any)

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from gacnn.algorithm.events import call
from gacnn.algorithm.pygad_steps import PygadSteps
from gacnn.callbacks.callback import Callback
from gacnn.operators.names import OPERATORS
from gacnn.operators.operator import Operator
from gacnn.types import Array, Growing, Indices

_ATTRIBUTES = (  # of PyGAD, that are kept as they are
    "generations_completed",
    "num_fitness_evaluations",
    "last_generation_fitness",
    "previous_generation_fitness",
)
_TUNABLE = (  # settings that users change while a run goes on
    "num_parents_mating",
    "keep_parents",
    "keep_elitism",
    "K_tournament",
    "crossover_probability",
    "sbx_crossover_eta",
    "mutation_probability",
    "mutation_num_genes",
    "mutation_percent_genes",
    "mutation_by_replacement",
    "polynomial_mutation_eta",
    "random_mutation_min_val",
    "random_mutation_max_val",
)


@dataclass
class Course:
    """What a run counts.

    since, until: the generations at which it began and will end; unchanged: those without a change
    of the best fitness; has_stopped: by "stop" or a criterion, not by Ctrl-C.
    """

    since: int
    until: int
    unchanged: int = 0
    has_stopped: bool = False


class Remembering(PygadSteps):
    """The genetic algorithm with its `state`, from which another one goes on bit for bit."""

    callbacks: list[Callback]

    last_generation_fitness: Array
    """Of the population, (P,) or (P, objectives)."""

    settings: dict[str, Any]
    """The arguments that it was built with, the initial population aside."""

    course: Course
    has_ended = False
    """Whether the loop is over: what follows is the ranking and `on_stop`."""

    took_up = False
    """Whether the run goes on from a `state`."""

    def remember_settings(self, settings: dict[str, Any]) -> None:
        """Note what the algorithm was built with, to tell later what has been changed."""
        self.settings = {**settings, "initial_population": None}
        self.settings["sol_per_pop"], self.settings["num_genes"] = self.pop_size
        self._built = _copied(self._tunable())
        self._built_operators = [_copied(each.settings()) for each in self.operators()]
        self._resumed: dict[str, Any] | None = None
        self.begin()

    def begin(self) -> None:
        """Set what a run counts to its start."""
        done = self.generations_completed
        since = done if self._resumed is None else self._resumed["course"]["since"]
        self.course = Course(since, done + self.num_generations)
        self.has_ended = self.took_up = False
        self._drawn_for: int | None = None  # the generation of the latest draw
        self.run_start_time: float | None = None
        self._began, self._seconds_taken_up = time.monotonic(), 0.0
        # A run that failed, or was checkpointed, has saved one more solution than fitness.
        self.best_solutions = self.best_solutions[: len(self.best_solutions_fitness)]

    def forget_kept(self) -> None:
        """Forget which solutions were kept: in a generation cut short their fitness is unsure."""
        for name in ("parents", "elitism"):
            setattr(self, f"last_generation_{name}", None)
            setattr(self, f"last_generation_{name}_indices", None)

    def operators(self) -> list[Operator]:
        """Return what is an object among selection, crossover and mutation."""
        chosen = (getattr(self, name) for name in OPERATORS)
        return [each for each in chosen if isinstance(each, Operator)]

    @property
    def criteria(self) -> list[Any] | None:
        """The stop criteria."""
        raise NotImplementedError

    def _tunable(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in _TUNABLE}, "stop_criteria": self.criteria}

    @property
    def kept_callbacks(self) -> list[Callback]:
        """The callbacks whose state belongs to the run."""
        return [each for each in self.callbacks if each.is_part_of_run]

    @property
    def seconds(self) -> float:
        """How long the run has taken, before a resume included; 0.0 before it begins."""
        if self.run_start_time is None or self._resumed is not None:
            return self.seconds_before
        return time.monotonic() - self._began + self._seconds_taken_up

    @property
    def start_seconds(self) -> float:
        """How many of the `seconds` `on_start` took, before the first evaluation."""
        if self._resumed is not None:
            return float(self._resumed.get("start_seconds", 0.0))
        if self.run_start_time is None:
            return 0.0
        return self.run_start_time - self._began + self._seconds_taken_up

    @property
    def seconds_before(self) -> float:
        """How long the run that is about to be resumed has taken; 0.0 if there is none."""
        return 0.0 if self._resumed is None else float(self._resumed["seconds"])

    def kept_state(self, callback: Callback) -> dict[str, Any]:
        """Return what the run that is about to be resumed has kept of a callback."""
        assert self._resumed is not None
        return self._resumed["callbacks"][self.kept_callbacks.index(callback)]

    def state(self) -> dict[str, Any]:
        """Return, not copied, what it takes to go on after the generation just completed."""
        version, internal, gauss = self.python_random_generator.getstate()
        return {
            **{name: getattr(self, name) for name in _ATTRIBUTES},
            **self._histories(),
            "population": self.population,
            "course": asdict(self.course),
            "kept": {name: self._kept_rows(name) for name in ("elitism", "parents")},
            "tuned": _changed(self._built, self._tunable()),
            "seconds": self.seconds,
            "start_seconds": self.start_seconds,
            "numpy_random": self.numpy_random_generator.get_state(legacy=False),
            "python_random": (version, np.array(internal, np.uint32), gauss),
            "callbacks": [each.state() for each in self.kept_callbacks],
            "operators": [
                {"state": each.state(), "tuned": _changed(built, each.settings())}
                for each, built in zip(self.operators(), self._built_operators, strict=True)
            ],
            "evaluator": self.evaluator.state(),
        }

    def _histories(self) -> dict[str, Any]:
        """Return PyGAD's lists, which grow with every generation, without looking at their cells.

        The solution that is best now is there before its fitness, and may still be replaced.
        """
        scored = len(self.best_solutions_fitness)
        ended = self.save_solutions and self.has_ended  # and has saved the last population already
        sizes = self.saved_sizes
        populations = len(sizes) - ended
        saved = len(self.solutions) - (sizes[-1] if ended else 0)
        best = min(scored, len(self.best_solutions))
        genes = np.dtype((self.population.dtype, self.population.shape[1]))
        fitness = self.last_generation_fitness
        holds = fitness.dtype.kind == "f" and fitness.dtype.itemsize <= 8
        scores = np.dtype((np.float64 if holds else fitness.dtype, fitness.shape[1:]))
        return {
            "best": Growing(
                "best.jsonl",
                {
                    "generation": self.best_solutions_generations,
                    "fitness": _Cells(self.best_solutions_fitness, scored, _plain),
                },
            ),
            "best_solutions": Growing(
                "best_solutions.rows",
                {"solution": _Cells(self.best_solutions, best, self._row, self._rows)},
                _record(solution=genes),
            ),
            "best_now": [self._row(row) for row in self.best_solutions[scored:]],
            "populations": Growing(
                "populations.jsonl",
                {
                    "generation": _Cells(self.solutions_generations, populations, int),
                    "size": _Cells(sizes, populations, int),
                },
            ),
            "solutions": Growing(
                "solutions.rows",
                {
                    "solution": _Cells(self.solutions, saved, self._row, self._rows),
                    "fitness": _Cells(self.solutions_fitness, saved, _plain, list),
                },
                _record(solution=genes, fitness=scores),
            ),
        }

    def _row(self, solution: Any) -> Array:
        return np.array(solution, dtype=self.population.dtype)

    def _rows(self, solutions: list[Any]) -> Array:
        return np.array(solutions, dtype=self.population.dtype)

    def _take_histories(self, state: dict[str, Any]) -> None:
        """Take PyGAD's lists up again, with the types of number that they had."""
        best, populations, every = (
            state[name].columns for name in ("best", "populations", "solutions")
        )
        rows = [*state["best_solutions"].columns["solution"], *state["best_now"]]
        self.best_solutions = [list(row) for row in rows]
        self.best_solutions_fitness = self._typed(best["fitness"])
        self.best_solutions_generations = list(best["generation"])
        self.solutions = [list(row) for row in every["solution"]]
        self.solutions_fitness = self._typed(every["fitness"])
        self.solutions_generations = list(populations["generation"])
        self.saved_sizes = list(populations["size"])

    def _typed(self, fitness: Sequence[Any]) -> list[Any]:
        """Return fitness of the type that the last one has, unless it was another before."""
        values = np.array(list(fitness))
        typed = values.astype(self.last_generation_fitness.dtype)
        return list(typed if np.array_equal(typed, values) else values)

    def _kept_rows(self, name: str) -> Indices | None:
        """Return the indices of the last elitism or parents, if they are the population's front."""
        kept = getattr(self, f"last_generation_{name}")
        if kept is None or len(kept) > len(self.population):
            return None
        pairs = zip(kept[::-1], self.population[: len(kept)][::-1], strict=True)
        indices = getattr(self, f"last_generation_{name}_indices")
        return indices if all((a == b).all() for a, b in pairs) else None

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state` at the next `run()`; what depends on the run follows there."""
        _course(state)  # what is wrong with it is said at once
        for name, value in state["tuned"].items():
            setattr(self, name, value)
        self.take_population(state["population"])
        for name in _ATTRIBUTES:
            setattr(self, name, state[name])
        self._take_histories(state)
        for name, indices in state["kept"].items():
            rows = None if indices is None else self.population[: len(indices)].copy()
            setattr(self, f"last_generation_{name}", rows)
            setattr(self, f"last_generation_{name}_indices", indices)
        for operator, kept in zip(self.operators(), state["operators"], strict=True):
            operator.restore(kept["state"])
            for name, value in kept["tuned"].items():
                setattr(operator, name, value)
        self._resumed = state

    def fitness_taken_up(self) -> Array | None:
        """Return the fitness that the run which is taken up knows; None where there is none."""
        if self._resumed is None:
            return None
        if self.run_start_time is None:  # `on_start` asks
            return np.asarray(self._resumed["last_generation_fitness"])
        with complete("the checkpoint"):
            return self._take_up(self._resumed)

    def _take_up(self, state: dict[str, Any]) -> Array:
        """Restore what a run sets anew when it begins; return the fitness that was known."""
        self._resumed = None
        self.took_up = True
        self.course = replace(_course(state), until=self.course.until)
        self._drawn_for = self.generations_completed
        self.num_fitness_evaluations = state["num_fitness_evaluations"]
        self._seconds_taken_up = state["seconds"]
        # the others of these seconds, which have a key in checkpoints since they are counted
        self.run_start_time -= self._seconds_taken_up - state.get("start_seconds", 0.0)
        self.numpy_random_generator.set_state(state["numpy_random"])
        version, internal, gauss = state["python_random"]
        if version != self.python_random_generator.VERSION:
            raise ValueError("the checkpoint has random numbers of another version of Python")
        self.python_random_generator.setstate((version, tuple(internal.tolist()), gauss))
        for callback, its_state in zip(self.kept_callbacks, state["callbacks"], strict=True):
            call(callback.restore, "restore", its_state)
        self.evaluator.restore(state["evaluator"])
        return self.validated(state["last_generation_fitness"], "checkpoint")


def _course(state: dict[str, Any]) -> Course:
    kept = state["course"]
    return Course(**{field.name: kept[field.name] for field in fields(Course)})


@contextmanager
def complete(what: object) -> Iterator[None]:
    """Raise ValueError where what has been stored lacks something, or is of other types."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{what} is damaged, or of another version: {reason}") from error


def _record(**fields: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the type of rows of floats; None where there are others, which JSON keeps exactly."""
    if any(each.base.kind != "f" or each.base.itemsize > 8 for each in fields.values()):
        return None
    return np.dtype([(name, each.base, each.shape) for name, each in fields.items()])


class _Cells(Sequence[Any]):
    """The first `length` of a list, converted when they are asked for, one or many."""

    def __init__(
        self,
        values: Sequence[Any],
        length: int,
        convert: Callable[[Any], Any],
        convert_all: Callable[[list[Any]], Any] | None = None,
    ) -> None:
        self._values, self._length, self._convert = values, length, convert
        self._convert_all = convert_all or (lambda values: [convert(each) for each in values])

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._convert_all(list(self._values[slice(*index.indices(self._length))]))
        if not 0 <= index < self._length:
            raise IndexError(index)
        return self._convert(self._values[index])


def _plain(fitness: Any) -> Any:
    """Return a fitness as a number of Python's, or as a list of them."""
    return np.asarray(fitness).tolist()


def _changed(built: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return copies of the settings that are no longer those that were built with."""
    return {
        name: _copied(value) for name, value in settings.items() if not _same(value, built[name])
    }


def _copied(value: Any) -> Any:
    """Return a value that stays as it is when lists, dicts and arrays are changed in place."""
    if type(value) is dict:
        return {key: _copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return value.copy() if isinstance(value, np.ndarray) else value


def _same(value: Any, other: Any) -> bool:
    """Tell whether a value is still as another, of which `_copied` has made it, was."""
    if value is other or type(value) is not type(other):
        return value is other
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(_same(value[key], other[key]) for key in value)
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(_same, value, other))
    return np.array_equal(value, other) if _is_plain(value) else False


def _is_plain(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int | str)
