"""PyGAD's genetic algorithm with its slow steps done on whole arrays.

All names that PyGAD keeps to itself are used in this file, and in no other.
"""
# mypy: disable-error-code="no-any-return"
# (pygad ships no types, so whatever it returns is Any)

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import pygad

from gacnn.algorithm.known_rows import SolutionIndex, find_rows
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.metrics import MetricError
from gacnn.operators import arrays
from gacnn.operators.arrays import Numbers
from gacnn.operators.operator import generator
from gacnn.types import Array, Indices

Selection = tuple[Array, Indices]
Change = Callable[[Array, Indices, "np.random.Generator"], Array]

_LOGGER = "pygad.utils.validation"  # what PyGAD logs to where no logger is given
_MADE_BY = {  # the operator that makes it, and who is shown it
    "last_generation_parents": ("parent_selection_type", "on_parents"),
    "last_generation_offspring_crossover": ("crossover_type", "on_crossover"),
    "last_generation_offspring_mutation": ("mutation_type", "on_mutation"),
}
_LARGEST_SPACE = 1024  # values of a stepped gene space that are listed to draw from


@contextmanager
def errors_said_once() -> Iterator[None]:
    """Keep errors out of PyGAD's own logger, which prints them although it raises them too."""
    logger = logging.getLogger(_LOGGER)

    def is_no_error(record: logging.LogRecord) -> bool:
        return record.exc_info is None

    logger.addFilter(is_no_error)
    try:
        yield
    finally:
        logger.removeFilter(is_no_error)


class _NoEvaluator(Evaluator):
    """What stands for a fitness function of PyGAD's kind: nothing is done around it."""

    def session(self) -> AbstractContextManager[None]:
        return nullcontext()


_NO_EVALUATOR = _NoEvaluator()


class PygadSteps(pygad.GA):  # type: ignore[misc]  # pygad ships no types
    """`pygad.GA`, with the same constructor and behaviour, at the speed of arrays.

    The loop is PyGAD's own; named steps of it are replaced. Those that work on genes do so where
    all genes are numbers of one type, may repeat and have no constraint; anything else is left
    to PyGAD. `fitness_func` may also be an `Evaluator`, to which `fitness_batch_size` and
    `parallel_processing` do not apply. All random numbers derive from
    `numpy_random_generator` and `python_random_generator`.
    """

    best_solutions: Any
    _fitness_value_shape: Any

    @property
    def evaluator(self) -> Evaluator:
        """What the solutions are scored with; one that does nothing for a function of PyGAD's."""
        function = self.fitness_func
        return function if isinstance(function, Evaluator) else _NO_EVALUATOR

    @property
    def is_running(self) -> bool:
        """Whether `run()` is at work."""
        return self.__dict__.get("_fitness_run_active", False)

    @property
    def saved_sizes(self) -> list[int]:
        """How many solutions each population had that `solutions` holds."""
        return self._saved_population_sizes

    @saved_sizes.setter
    def saved_sizes(self, sizes: list[int]) -> None:
        self._saved_population_sizes = sizes

    def take_population(self, population: Array) -> None:
        """Make these solutions the population, of whatever size."""
        self.population = population
        self.pop_size = population.shape
        self.sol_per_pop = len(population)
        self._refresh_num_offspring()

    def fitness_of_row(self, row: int) -> Any:
        """Return the fitness of one solution of the population, evaluated anew."""
        return self._evaluate_fitness(self.population, [row])[0]

    def validated(self, fitness: Any, source: str, **options: bool) -> Array:
        """Return the fitness of a population checked as PyGAD checks it; errors name the source."""
        return self._validate_population_fitness(fitness, source, **options)

    @functools.cached_property
    def _indexes(self) -> dict[str, SolutionIndex]:
        return {}

    def _covers(self, *populations: Array | None) -> bool:
        """Tell whether the fast steps may work on these arrays of genes."""
        dtype = self._gene_dtype
        free = self.allow_duplicate_genes and self.gene_constraint is None
        return free and dtype.kind in "iuf" and all(_is_plain(p, dtype) for p in populations)

    @property
    def _gene_dtype(self) -> np.dtype[Any]:
        """The dtype of the population: `object` where genes have several types."""
        return self.initialize_parents_array((0, 0)).dtype

    def change_population_dtype_and_round(self, population: Any) -> Array:
        """Return genes as the population has them; a copy, unless they are new and so already."""
        if self._is_new(population):
            return population
        return super().change_population_dtype_and_round(population)

    def _is_new(self, genes: Any) -> bool:
        """Tell whether genes are as they should be, new, and held by the run alone."""
        holders = [name for name in _MADE_BY if self.__dict__.get(name) is genes]
        if len(holders) != 1 or genes is self.population or not self._covers(genes):
            return False
        operator, event = (getattr(self, name) for name in _MADE_BY[holders[0]])
        is_plain = genes.base is None and genes.flags.writeable and self.gene_type[1] is None
        return is_plain and event is None and getattr(operator, "returns_new", False)

    def _validate_initial_population_shape(self, initial_population: Any, *size: Any) -> Any:
        given = initial_population
        is_array = type(given) is np.ndarray and given.dtype.type in self.supported_float_types
        if not is_array or given.ndim != 2 or given.size == 0:
            return super()._validate_initial_population_shape(initial_population, *size)
        self.sol_per_pop, self.num_genes = self.pop_size = given.shape
        return given

    def _build_initial_population(self, initial_population: Array | None) -> None:
        if initial_population is not None and self._gene_dtype.kind != "f":
            initial_population = initial_population.astype(object)  # for checked conversions
        super()._build_initial_population(initial_population)

    def generate_initial_population(self, num_solutions: int) -> Array:
        """Return new solutions (num_solutions, n), equal to PyGAD's for the same state."""
        space, size = self.gene_space, (num_solutions, self.num_genes)
        shared = _is_interval(space) or (space is None and np.ndim(self.init_range_low) == 0)
        if not shared or self._gene_dtype.kind != "f":
            return super().generate_initial_population(num_solutions)
        low, high = (space["low"], space["high"]) if space else self.get_initial_population_range(0)
        drawn = self.numpy_random_generator.uniform(low, high, size)
        drawn = self._convert_initial_population_range_values(0, low, high, drawn)
        return self.prepare_initial_population(drawn)

    def _validate_callable_parameter(self, function: Any, name: str, num_arguments: int) -> Any:
        if name == "fitness_func" and isinstance(function, Evaluator):
            num_arguments = 1
        return super()._validate_callable_parameter(function, name, num_arguments)

    def cal_pop_fitness(self) -> Array:
        """Return the fitness (P,) or (P, objectives) of the population, known or evaluated.

        Raises what PyGAD raises, and whatever the fitness function does.
        """
        again = self.evaluator.reevaluates
        tables = self.population, self.last_generation_elitism, self.last_generation_parents
        if not self.valid_parameters or not (again or self._covers(*tables)):
            return super().cal_pop_fitness()
        if type(self.best_solutions) is np.ndarray:
            self.best_solutions = self.best_solutions.tolist()
        if not self.is_running:
            self._fitness_value_shape = None
        return self._complete_fitness({} if again else self._known_fitness())

    def _complete_fitness(self, known: dict[int, Any]) -> Array:
        """Return the fitness of the population, evaluating the rows that are not `known`."""
        for fitness in known.values():
            self._validate_fitness_value(fitness, "cached fitness")
        missing = [row for row in range(len(self.population)) if row not in known]
        known.update(zip(missing, self._evaluate_fitness(self.population, missing), strict=True))
        return np.array([known[row] for row in range(len(self.population))])

    def _known_fitness(self) -> dict[int, Any]:
        """Return the fitness of the rows that equal a solution scored before, as PyGAD finds it."""
        known: dict[int, Any] = {}
        for found, fitness in self._scored_rows():
            for row, index in found.items():
                known.setdefault(row, fitness[index])
        return known

    def _scored_rows(self) -> Iterator[tuple[dict[int, int], Any]]:
        """Yield the rows in each store of scored solutions, with their index into its fitness."""
        if self.save_solutions:
            yield self._find_saved("solutions"), self.solutions_fitness
        if self.save_best_solutions:
            yield self._find_saved("best_solutions"), self.best_solutions_fitness
        if self.keep_elitism > 0:
            yield self._find_kept("elitism"), self.previous_generation_fitness
        if self.keep_parents != 0:
            yield self._find_kept("parents"), self.previous_generation_fitness

    def _find_kept(self, name: str) -> dict[int, int]:
        kept = getattr(self, f"last_generation_{name}")
        if kept is None:
            return {}
        indices = getattr(self, f"last_generation_{name}_indices")
        return {row: indices[i] for row, i in find_rows(self.population, kept).items()}

    def _find_saved(self, name: str) -> dict[int, int]:
        """Find rows in a history, whose index grows with it; PyGAD makes its own anew.

        Outside a run, and where the history is not the one that was indexed, the index is new.
        """
        solutions, fitness = getattr(self, name), getattr(self, name + "_fitness")
        size = min(len(solutions), len(fitness))
        index = self._indexes.get(name)
        if index is None or not self.is_running or not index.is_of(solutions, size):
            index = self._indexes[name] = SolutionIndex(self.num_genes)
        index.extend(solutions, size)
        return index.find_rows(self.population)

    def _evaluate_fitness(self, population: Array, indices: list[int], **how: bool) -> list[Any]:
        if not indices or not isinstance(self.fitness_func, Evaluator):
            return super()._evaluate_fitness(population, indices, **how)
        try:
            fitness = np.asarray(self.evaluator(_vectors(population, indices)))
        except MetricError as error:
            position = indices[error.position]
            raise MetricError(error.metric, position, error.reason) from error.__cause__
        self.num_fitness_evaluations += len(indices)
        if fitness.shape[:1] != (len(indices),):
            raise ValueError(
                f"The evaluator must return one fitness value or one row of objectives for each of "
                f"the {len(indices)} solutions, but returned an array of shape {fitness.shape}."
            )
        if not self._is_valid_fitness(fitness):
            for index, value in zip(indices, fitness, strict=True):
                self._validate_fitness_value(value, f"fitness_func for solution {index}")
        return list(fitness)

    def _validate_population_fitness(self, fitness: Any, source: str, **options: bool) -> Array:
        if isinstance(fitness, np.ndarray) and self._is_valid_fitness(fitness, **options):
            return fitness.copy()
        return super()._validate_population_fitness(fitness, source, **options)

    def _is_valid_fitness(self, fitness: Array, check_shape: bool = True) -> bool:
        """Tell whether all values pass PyGAD's checks; which of them fails PyGAD will say."""
        known_type = fitness.dtype.type in self.supported_int_float_types
        if not known_type or fitness.ndim not in (1, 2) or fitness.shape[1:] == (0,):
            return False
        if check_shape:
            if getattr(self, "_fitness_value_shape", None) not in (None, fitness.shape[1:]):
                return False
            self._fitness_value_shape = fitness.shape[1:]
        return bool((~np.isnan(fitness) if fitness.ndim == 1 else np.isfinite(fitness)).all())

    def _pick(self, indices: Indices) -> Selection:
        """Return copies of the solutions at `indices`, drawn as PyGAD draws, and `indices`."""
        parents = self.population.take(indices, axis=0)
        return parents.astype(self._gene_dtype, copy=False), indices

    def steady_state_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return the best `num_parents` solutions and their indices."""
        return self._pick(np.array(self.sort_solutions_nsga2(fitness)[:num_parents]))

    def rank_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return solutions drawn in proportion to their rank, and their indices."""
        order = np.array(self.sort_solutions_nsga2(fitness))
        ranks = np.arange(self.sol_per_pop, 0, -1)
        pointers = self.numpy_random_generator.random_sample(num_parents)
        return self._pick(order[arrays.spin_wheel(ranks / ranks.sum(), pointers)])

    def random_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return solutions drawn with equal chances, and their indices."""
        return self._pick(self.numpy_random_generator.randint(len(fitness), size=num_parents))

    def tournament_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return the winners of tournaments among `K_tournament` solutions, and their indices."""
        ranks = np.argsort(self.sort_solutions_nsga2(fitness))
        size = (num_parents, self.K_tournament)
        candidates = self.numpy_random_generator.randint(len(fitness), size=size)
        return self._pick(arrays.win_tournaments(ranks, candidates))

    def roulette_wheel_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return solutions drawn in proportion to their fitness, and their indices."""
        wheel = self._wheel(fitness)
        pointers = self.numpy_random_generator.random_sample(num_parents)
        return self._pick(arrays.spin_wheel(wheel, pointers))

    def stochastic_universal_selection(self, fitness: Array, num_parents: int) -> Selection:
        """Return solutions at evenly spaced pointers on the wheel of fitness, and their indices."""
        wheel, gap = self._wheel(fitness), 1.0 / num_parents
        start = self.numpy_random_generator.uniform(0.0, gap, size=1)
        return self._pick(arrays.spin_wheel(wheel, start + np.arange(num_parents) * gap))

    def _wheel(self, fitness: Array) -> Array:
        """Return the share of each solution in the sum of fitness, objectives added up."""
        if fitness.ndim > 1:
            fitness = fitness.sum(axis=1, dtype=np.result_type(fitness.dtype, float))
        return np.asarray(self.fitness_selection_probabilities(fitness), dtype=float)

    def non_dominated_sorting(self, fitness: Any) -> tuple[list[Array], Indices]:
        """Return PyGAD's Pareto fronts, rows of index and objectives, and the front of each row."""
        if not _is_objectives(fitness):
            return super().non_dominated_sorting(fitness)
        front_of = arrays.front_numbers(fitness)
        rows = np.empty((len(fitness), 2), dtype=object)
        rows[:, 0] = np.arange(len(fitness))
        rows[:, 1] = np.fromiter(fitness.copy(), dtype=object, count=len(fitness))
        return [rows[front_of == front] for front in range(front_of.max() + 1)], front_of

    def sort_solutions_nsga2(self, fitness: Any, find_best_solution: bool = False) -> list[int]:
        """Return the indices of the solutions, the best first, by front and crowding distance."""
        if not _is_objectives(fitness):
            return super().sort_solutions_nsga2(fitness, find_best_solution)
        if find_best_solution:
            front_of = arrays.front_numbers(fitness)
        else:
            self.pareto_fronts, front_of = self.non_dominated_sorting(fitness)
        return list(np.lexsort((-arrays.crowding_distances(front_of, fitness), front_of)))

    def tournament_selection_nsga2(self, fitness: Array, num_parents: int) -> Selection:
        """Return the winners of tournaments by front, then crowding, and their indices."""
        if not _is_objectives(fitness):
            return super().tournament_selection_nsga2(fitness, num_parents)
        self.pareto_fronts, front_of = self.non_dominated_sorting(fitness)
        size = (num_parents, self.K_tournament)
        draws = self.numpy_random_generator.randint(len(front_of), size=size)
        finalists = [np.unique(row[front_of[row] == front_of[row].min()]) for row in draws]
        room = arrays.crowding_distances(front_of, fitness)
        return self._pick(np.array([self._draw_roomiest(final, room) for final in finalists]))

    def _draw_roomiest(self, finalists: Indices, room: Array) -> int:
        """Return the finalist with most room; where several have it any finalist, as in PyGAD."""
        best = finalists[room[finalists] == room[finalists].max()]
        return int(best[0] if len(best) == 1 else self.numpy_random_generator.choice(finalists))

    def single_point_crossover(self, parents: Array, offspring_size: tuple[int, int]) -> Array:
        """Return offspring of `offspring_size`, (members, n), cut at a random gene."""
        return self._cross("single_point_crossover", parents, offspring_size)

    def two_points_crossover(self, parents: Array, offspring_size: tuple[int, int]) -> Array:
        """Return offspring of `offspring_size`, (members, n), cut at two random genes."""
        return self._cross("two_points_crossover", parents, offspring_size)

    def uniform_crossover(self, parents: Array, offspring_size: tuple[int, int]) -> Array:
        """Return offspring of `offspring_size`, (members, n), mixed gene by gene."""
        return self._cross("uniform_crossover", parents, offspring_size)

    def scattered_crossover(self, parents: Array, offspring_size: tuple[int, int]) -> Array:
        """Return offspring of `offspring_size`, (members, n), mixed gene by gene."""
        return self._cross("scattered_crossover", parents, offspring_size)

    def _cross(self, name: str, parents: Array, offspring_size: tuple[int, int]) -> Array:
        if not self._covers(parents):
            return getattr(super(), name)(parents, offspring_size)
        crossover = getattr(arrays, name)
        return crossover(parents, offspring_size[0], generator(self), self.crossover_probability)

    def random_mutation(self, offspring: Array) -> Array:
        """Mutate `offspring` (members, n) in place and return it."""
        change = self._gene_change()
        if change is None or not self._covers(offspring):
            return super().random_mutation(offspring)
        return self._mutate(offspring, change, self.mutation_num_genes, self.mutation_probability)

    def adaptive_mutation(self, offspring: Array) -> Array:
        """Mutate `offspring` (members, n) in place, those below average more; return it."""
        change = self._gene_change()
        if change is None or not self._covers(offspring):
            return super().adaptive_mutation(offspring)
        rates, counts = self.mutation_probability, self.mutation_num_genes
        if rates is not None and not any(rates):
            return offspring
        average, fitness = self.adaptive_mutation_population_fitness(offspring)
        poor = fitness < average
        if poor.ndim > 1:
            poor = poor.sum(axis=1) >= poor.shape[1] / 2
        settings = (pair and np.where(poor, pair[0], pair[1]) for pair in (counts, rates))
        return self._mutate(offspring, change, *settings)

    def adaptive_mutation_population_fitness(self, offspring: Array) -> tuple[Array, Array]:
        """Return the mean fitness of what is kept and of the offspring, and that of the offspring.

        PyGAD lays both into a new population first; an evaluator needs no more than the offspring.
        """
        if not isinstance(self.fitness_func, Evaluator):
            return super().adaptive_mutation_population_fitness(offspring)
        kept = self._kept_indices()
        own = np.asarray(self._evaluate_fitness(offspring, list(range(len(offspring)))))
        fitness = np.concatenate([self.last_generation_fitness[kept], own])
        return fitness.mean(axis=0), own

    def _kept_indices(self) -> Indices:
        """Return the indices of the solutions that the next population begins with."""
        if self.keep_elitism == 0 and self.keep_parents == -1:
            return np.asarray(self.last_generation_parents_indices)
        number = self.keep_elitism or self.keep_parents
        return np.array(self.sort_solutions_nsga2(self.last_generation_fitness)[:number], np.intp)

    def _mutate(
        self, offspring: Array, change: Change, count: Numbers | None, probability: Numbers | None
    ) -> Array:
        rng = generator(self)
        counts = arrays.gene_counts(len(offspring), self.num_genes, rng, count, probability)
        return arrays.random_mutation(offspring, counts, change, rng)

    def _gene_change(self) -> Change | None:
        """Return the function that draws new values of genes, or None to leave them to PyGAD."""
        space = self.gene_space
        floats = self._gene_dtype.kind == "f"
        if space is None:
            return self._step_genes if floats else None
        if _is_interval(space):
            return self._draw_in_interval if floats and space["low"] < space["high"] else None
        if isinstance(space, (range, dict)):
            short = self._finite_gene_space_length(space) <= _LARGEST_SPACE
            return self._draw_steps if short else None
        if self.gene_space_nested or any(value is None for value in space):
            return None
        return partial(arrays.other_values, self.get_gene_space_values(0))

    def _step_genes(self, values: Array, genes: Indices, rng: np.random.Generator) -> Array:
        low, high = self.random_mutation_min_val, self.random_mutation_max_val
        if np.ndim(low):
            low, high = (np.take(bound, genes % self.num_genes) for bound in (low, high))
        bounds = np.minimum(low, high), np.maximum(low, high)
        drawn = arrays.uniform_values(*bounds, len(values), rng)
        if not self.mutation_by_replacement:
            drawn += values
        return self.change_gene_dtype_and_round(0, drawn)

    def _draw_in_interval(self, values: Array, genes: Indices, rng: np.random.Generator) -> Array:
        low, high = self.gene_space["low"], self.gene_space["high"]
        exact = arrays.uniform_values(low, high, len(values), rng)
        drawn = self.change_gene_dtype_and_round(0, exact)
        outside = (drawn.astype(float) < low) | (drawn.astype(float) >= high)
        if outside.any():  # rounded there
            drawn[outside] = self._convert_initial_population_range_values(0, low, high, [low])
        return drawn

    def _draw_steps(self, values: Array, genes: Indices, rng: np.random.Generator) -> Array:
        space, count = self.gene_space, self._finite_gene_space_length(self.gene_space)
        steps = [self._finite_gene_space_value(space, step) for step in range(count)]
        return self.change_gene_dtype_and_round(0, steps)[rng.integers(count, size=len(values))]

    def _apply_permutation_mutation(self, offspring: Array, mutation_type: str) -> Array:
        """Swap, invert or scramble the genes that the settings select, or else the operator."""
        if self.num_genes < 2 or self.gene_space is not None or not self._covers(offspring):
            return super()._apply_permutation_mutation(offspring, mutation_type)
        rng = generator(self)
        if not self.mutation_control_explicitly_set:
            choose = arrays.random_pairs if mutation_type == "swap" else arrays.random_halves
            runs = choose(len(offspring), self.num_genes, rng)
            return arrays.rearrange(offspring, runs, mutation_type, rng)
        rates = self.mutation_num_genes, self.mutation_probability
        counts = arrays.gene_counts(len(offspring), self.num_genes, rng, *rates)
        genes = arrays.choose_genes(counts, self.num_genes, rng)
        eligible = np.split(genes, np.cumsum(counts)[:-1])
        return arrays.rearrange(offspring, eligible, mutation_type, rng)


def _is_plain(genes: Any, dtype: np.dtype[Any]) -> bool:
    is_array = type(genes) is np.ndarray and genes.dtype == dtype
    return genes is None or (is_array and genes.flags.c_contiguous)


def _is_objectives(fitness: Any) -> bool:
    return isinstance(fitness, np.ndarray) and fitness.ndim == 2 and fitness.dtype.kind in "iuf"


def _is_interval(space: Any) -> bool:
    return isinstance(space, dict) and "step" not in space


def _vectors(population: Array, indices: list[int]) -> Array:
    """Return the rows at ascending `indices`, read-only and without a copy where they adjoin."""
    adjoining = indices[-1] - indices[0] + 1 == len(indices)
    vectors = population[indices[0] : indices[-1] + 1] if adjoining else population[indices]
    if vectors.dtype == object:
        vectors = vectors.astype(float)
    vectors.flags.writeable = False
    return vectors
