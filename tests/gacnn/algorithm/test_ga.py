"""gacnn.GA beside pygad.GA: the same runs where draws agree, the same distributions where not."""

import contextlib
import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pygad
import pytest
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_info, threadpool_limits

import cnn
import gacnn
from gacnn.algorithm.ga import GA

Array = NDArray[Any]
Run = dict[str, Any]

SMALL: dict[str, Any] = {
    "num_generations": 6,
    "num_parents_mating": 4,
    "sol_per_pop": 10,
    "num_genes": 7,
    "random_seed": 3,
    "suppress_warnings": True,
}


READABLE = [
    "population",
    "initial_population",
    "pop_size",
    "num_offspring",
    "best_solutions",
    "best_solutions_fitness",
    "best_solutions_generations",
    "best_solution_generation",
    "solutions",
    "solutions_fitness",
    "solutions_generations",
    "last_generation_fitness",
    "previous_generation_fitness",
    "last_generation_parents",
    "last_generation_parents_indices",
    "last_generation_elitism",
    "last_generation_elitism_indices",
    "last_generation_offspring_crossover",
    "last_generation_offspring_mutation",
    "pareto_fronts",
    "generations_completed",
    "num_fitness_evaluations",
    "run_completed",
]


class Column(gacnn.Evaluator):
    """An evaluator that returns the first gene, or the first few, and keeps what it was given."""

    def __init__(self, objectives: int = 1, reevaluates: bool = False) -> None:
        self.objectives = objectives
        self.reevaluates = reevaluates
        self.calls: list[Array] = []

    def __call__(self, vectors: Array) -> Array:
        self.calls.append(vectors.copy())
        fitness = vectors[:, : self.objectives].astype(float)
        return fitness[:, 0] if self.objectives == 1 else fitness


def total(ga: Any, solution: Array, index: Any) -> float:
    return float(np.sum(solution, dtype=float))


def two_objectives(ga: Any, solution: Array, index: Any) -> list[float]:
    return [float(solution[0]), float(-solution[0] + solution[1])]


def choose_child(parents: Array, size: tuple[int, int], ga: Any) -> Array:
    """A user's crossover: every gene from a random parent."""
    rows = ga.numpy_random_generator.randint(len(parents), size=size)
    return np.take_along_axis(parents, rows, axis=0)


def clone(parents: Array, size: tuple[int, int], ga: Any) -> Array:
    """A user's crossover: a copy of a random parent."""
    copies: Array = parents[ga.numpy_random_generator.randint(len(parents), size=size[0])]
    return copies


def nudge(offspring: Array, ga: Any) -> Array:
    """A user's mutation: half of the offspring get one gene changed."""
    for row in offspring[::2]:
        row[ga.numpy_random_generator.randint(len(row))] = ga.numpy_random_generator.randint(3)
    return offspring


def record(cls: type, fitness: Callable[..., Any], **settings: Any) -> Run:
    """Run a GA and return all that a user can read of it, with the solutions evaluated."""
    evaluated: list[tuple[Any, Any]] = []

    def noting(ga: Any, solution: Array, index: Any) -> Any:
        batch = solution.ndim == 2
        evaluated.append((solution.tolist(), index))
        return (
            [fitness(ga, row, None) for row in solution] if batch else fitness(ga, solution, index)
        )

    ga = cls(fitness_func=noting, **{**SMALL, **settings})
    ga.run()
    run = {name: getattr(ga, name) for name in READABLE}
    state, best = ga.numpy_random_generator.get_state(), ga.best_solution()
    if settings.get("parallel_processing"):  # in whatever order its threads come to it
        evaluated.sort(key=repr)
    return {**run, "evaluated": evaluated, "best": best, "state": state[1].tolist()}


def assert_same(one: Any, other: Any, path: str = "") -> None:
    """Compare values, types and dtypes of whatever is nested."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name], f"{path}.{name}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), path
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{path}[{index}]")
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert_same(one.tolist(), other.tolist(), path)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, path
        np.testing.assert_array_equal(one, other, err_msg=path)
    else:
        assert one == other, path


# Runs whose draws PyGAD makes, or makes alike: everything is equal

USER = {"crossover_type": choose_child, "mutation_type": nudge, "gene_type": int}
FEW_VALUES = {**USER, "init_range_low": 0, "init_range_high": 2, "num_genes": 3}
FEW_FLOATS = {**FEW_VALUES, "gene_type": np.float32, "gene_space": [0, 1, 2]}

LONG_ROWS = {**USER, "crossover_type": clone, "num_genes": 120, "gene_type": np.float32}

EQUAL = {
    "long rows": LONG_ROWS,
    "long rows of integers": {**LONG_ROWS, "gene_type": int, "keep_elitism": 0},
    "long rows of bytes": {**LONG_ROWS, "gene_type": np.int8, "gene_space": [0, 1, 2]},
    "long rows saved": {**LONG_ROWS, "save_best_solutions": True, "save_solutions": True},
    "long rows, best saved": {**LONG_ROWS, "save_best_solutions": True, "keep_elitism": 0},
    "defaults": USER,
    "few values": FEW_VALUES,
    "few floats": FEW_FLOATS,
    "elites": {**FEW_VALUES, "keep_elitism": 4},
    "parents": {**FEW_VALUES, "keep_elitism": 0},
    "some parents": {**FEW_VALUES, "keep_elitism": 0, "keep_parents": 2},
    "nothing kept": {**FEW_VALUES, "keep_elitism": 0, "keep_parents": 0},
    "solutions saved": {**FEW_VALUES, "save_solutions": True, "keep_elitism": 2},
    "best saved": {**FEW_FLOATS, "save_best_solutions": True, "keep_elitism": 0},
    "both saved": {**FEW_FLOATS, "save_solutions": True, "save_best_solutions": True},
    "batches": {**FEW_VALUES, "fitness_batch_size": 4},
    "saved batches": {**FEW_VALUES, "fitness_batch_size": 10, "save_solutions": True},
    "threads": {**FEW_VALUES, "parallel_processing": ["thread", 2]},
    "reach": {**FEW_VALUES, "stop_criteria": "reach_5", "num_generations": 30},
    "saturate": {**FEW_VALUES, "stop_criteria": ["saturate_2"], "num_generations": 30},
    "evaluations": {**FEW_VALUES, "stop_criteria": "evaluations_25", "num_generations": 30},
    "no operators": {"crossover_type": None, "mutation_type": None},
    "no operators, parents": {"crossover_type": None, "mutation_type": None, "keep_elitism": 0},
    "initial population": {**USER, "initial_population": np.eye(6, 5), "gene_type": np.float32},
    "integers given": {**USER, "initial_population": np.arange(20).reshape(5, 4)},
    "floats given": {**USER, "initial_population": np.arange(20.0).reshape(5, 4) / 3},
    "rounded": {**USER, "gene_type": [float, 1]},
    "half precision": {**USER, "gene_type": np.float16},
    "bytes": {**FEW_VALUES, "gene_type": np.uint8, "gene_space": [0, 1, 2]},
    "per-gene types": {"gene_type": [int, float, np.float32, [float, 2], int, np.int8, float]},
    "no duplicates": {"allow_duplicate_genes": False, "gene_type": int, "gene_space": range(20)},
    "no adaptive mutation": {
        **FEW_FLOATS,
        "mutation_type": "adaptive",
        "mutation_probability": [0, 0],
    },
    "constraints": {
        "gene_constraint": [
            None,
            lambda solution, values: [value for value in values if value > 0],
            *[None] * 5,
        ],
        "sample_size": 20,
    },
    "user selection": {
        **FEW_VALUES,
        "parent_selection_type": lambda fitness, count, ga: (
            ga.population[np.arange(count)],
            np.arange(count),
        ),
    },
    **{
        f"{selection} selection": {**FEW_VALUES, "parent_selection_type": selection}
        for selection in ("sss", "rws", "sus", "rank", "random", "tournament")
    },
}


@pytest.mark.parametrize("settings", EQUAL.values(), ids=EQUAL)
def test_run_equals_pygad_where_draws_agree(settings: Run) -> None:
    assert_same(record(GA, total, **settings), record(pygad.GA, total, **settings))


@pytest.mark.parametrize("selection", ["nsga2", "nsga3", "tournament_nsga2", "tournament_nsga3"])
@pytest.mark.parametrize("values", [FEW_VALUES, USER], ids=["ties", "spread"])
def test_run_with_objectives_equals_pygad(selection: str, values: Run) -> None:
    settings = {
        **values,
        "parent_selection_type": selection,
        "nsga3_num_divisions": 4,
        "sol_per_pop": 30,
        "num_parents_mating": 14,
        "num_generations": 4,
    }
    assert_same(
        record(GA, two_objectives, **settings), record(pygad.GA, two_objectives, **settings)
    )


def test_callbacks_that_replace_what_they_are_given() -> None:
    def settings() -> Run:
        return {
            **FEW_VALUES,
            "save_best_solutions": True,
            "on_fitness": lambda ga, fitness: fitness + 1,
            "on_parents": lambda ga, parents: (parents[::-1], ga.last_generation_parents_indices),
            "on_crossover": lambda ga, offspring: offspring[::-1].tolist(),
            "on_mutation": lambda ga, offspring: offspring * 1.0,
            "on_generation": lambda ga: "stop" if ga.generations_completed == 4 else None,
        }

    assert_same(record(GA, total, **settings()), record(pygad.GA, total, **settings()))


def test_fitness_given_to_a_callback_is_not_that_of_the_ga() -> None:
    def run(cls: type) -> Run:
        given: list[Array] = []

        def spoil(ga: Any, parents: Array) -> None:
            given[-1][:] = 0

        return record(
            cls, total, **USER, on_fitness=lambda ga, x: given.append(x), on_parents=spoil
        )

    assert_same(run(GA), run(pygad.GA))


def test_edited_history_is_read_again() -> None:
    def forget(ga: Any) -> None:
        ga.best_solutions[:] = [[9.0] * len(row) for row in ga.best_solutions]

    settings = {**FEW_FLOATS, "save_best_solutions": True, "keep_elitism": 0, "keep_parents": 0}
    ours = record(GA, total, **settings, on_generation=forget)
    assert_same(ours, record(pygad.GA, total, **settings, on_generation=forget))


def test_second_run_and_late_calls_equal_pygad() -> None:
    def run(cls: type) -> list[Any]:
        settings = {**SMALL, **FEW_FLOATS, "save_solutions": True, "save_best_solutions": True}
        ga = cls(fitness_func=total, **settings)
        ga.run()
        ga.run()
        seen = [ga.cal_pop_fitness(), ga.best_solutions, ga.solutions_generations]
        ga.solutions[:] = ga.solutions[7:]
        seen.append(ga.cal_pop_fitness())
        ga.solutions_fitness = [value + 1 for value in ga.solutions_fitness[7:]]
        seen.append(ga.cal_pop_fitness())
        return [*seen, ga.num_fitness_evaluations]

    assert_same(run(GA), run(pygad.GA))


def test_fitness_may_change_its_shape_between_runs() -> None:
    def objectives(cls: type) -> Array:
        ga = cls(fitness_func=total, **{**SMALL, **USER, "keep_elitism": 0, "keep_parents": 0})
        ga.run()
        ga.fitness_func = two_objectives
        fitness: Array = ga.cal_pop_fitness()
        return fitness

    assert_same(objectives(GA), objectives(pygad.GA))


@pytest.mark.parametrize("gene_type", [float, np.float32, np.float16, [float, 2]])
@pytest.mark.parametrize("space", [None, {"low": -1, "high": 2.5}])
def test_initial_population_equals_pygad(gene_type: Any, space: Any) -> None:
    settings = {**SMALL, "gene_type": gene_type, "gene_space": space, "fitness_func": total}
    ours, theirs = GA(**settings), pygad.GA(**settings)
    assert_same(ours.initial_population, theirs.initial_population)


def test_nsga3_grows_the_population() -> None:
    settings = {**USER, "parent_selection_type": "nsga3", "nsga3_num_divisions": 12}
    settings["mutation_num_genes"] = 1
    with pytest.warns(UserWarning, match="Growing the population to 13"):
        ours = record(GA, two_objectives, **settings, suppress_warnings=False)
    assert ours["population"].shape == (13, 7)
    assert_same(ours, record(pygad.GA, two_objectives, **settings))


# Warnings and errors

WARNED = {
    "histories": {"save_solutions": True, "save_best_solutions": True},
    "keep parents": {"keep_parents": 2},
    "few genes": {"mutation_percent_genes": 5},
    "idle": {"crossover_type": None, "mutation_type": None},
    "tournament": {"parent_selection_type": "tournament", "K_tournament": 50},
    "rates": {"mutation_type": "adaptive", "mutation_probability": [0.1, 0.4]},
    "replacement": {"mutation_by_replacement": True, "mutation_type": "swap"},
    "range": {"random_mutation_min_val": 1, "random_mutation_max_val": 1},
}

REFUSED = {
    "fitness": {"fitness_func": lambda solution: 1},
    "parents": {"num_parents_mating": 11},
    "mutation": {"mutation_type": "adaptive"},
    "population": {"initial_population": np.zeros((2, 0))},
    "flat population": {"initial_population": np.zeros(4)},
    "text population": {"initial_population": np.array([["a", "b"]])},
    "nan for integers": {"initial_population": np.full((10, 7), np.nan), "gene_type": int},
    "batch": {"fitness_batch_size": 11},
    "criteria": {"stop_criteria": "never_1"},
}

FAILING = {
    "nan": (lambda ga, solution, index: float("nan"), {}),
    "text": (lambda ga, solution, index: "good", {}),
    "shapes": (lambda ga, solution, index: [1.0] * (1 + index % 2), {}),
    "raises": (lambda ga, solution, index: 1 / 0, {}),
    "no objectives": (total, {"parent_selection_type": "nsga2"}),
    "zero wheel": (lambda ga, solution, index: 0, {"parent_selection_type": "rws"}),
    "short batch": (lambda ga, solution, index: [1.0], {"fitness_batch_size": 10}),
    "parents": (total, {"parent_selection_type": lambda fitness, count, ga: (1, 2)}),
    "crossover": (total, {"crossover_type": lambda parents, size, ga: parents[:1]}),
}


@pytest.mark.parametrize("settings", WARNED.values(), ids=WARNED)
def test_warnings_equal_pygad(settings: Run) -> None:
    def warned(cls: type) -> list[str]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            cls(fitness_func=total, **{**SMALL, "suppress_warnings": False, **settings})
        return [str(warning.message) for warning in caught]

    assert warned(GA) == warned(pygad.GA) != []


@pytest.mark.parametrize("settings", REFUSED.values(), ids=REFUSED)
def test_errors_of_the_constructor_equal_pygad(settings: Run) -> None:
    def refused(cls: type) -> str:
        with pytest.raises((TypeError, ValueError)) as caught:
            cls(**{**SMALL, "fitness_func": total, **settings})
        return repr(caught.value)

    assert refused(GA) == refused(pygad.GA)


@pytest.mark.parametrize(("fitness", "settings"), FAILING.values(), ids=FAILING)
def test_errors_of_a_run_equal_pygad(fitness: Any, settings: Run) -> None:
    def failure(cls: type) -> str:
        ga = cls(fitness_func=fitness, **{**SMALL, **settings})
        with pytest.raises((TypeError, ValueError, ZeroDivisionError)) as caught:
            ga.run()
        return repr(caught.value)

    assert failure(GA) == failure(pygad.GA)


# Built-in operators: the same distributions

LARGE: dict[str, Any] = {
    "num_generations": 1,
    "num_parents_mating": 10,
    "sol_per_pop": 400,
    "num_genes": 30,
    "keep_elitism": 0,
    "keep_parents": 0,
    "fitness_func": total,
    "suppress_warnings": True,
    "random_seed": 11,
}


def mutate(cls: type, **settings: Any) -> tuple[Array, Array]:
    """Return a population and what a GA's mutation makes of it."""
    ga = cls(**{**LARGE, **settings})
    ga.last_generation_fitness = ga.cal_pop_fitness()
    before = ga.population.copy()
    return before, ga.mutation(ga.population.copy())


def same_counts(one: Array, other: Array) -> bool:
    """Tell whether two samples of a few discrete values may come from one distribution."""
    values = np.union1d(one, other)
    table = np.array([[np.sum(sample == value) for value in values] for sample in (one, other)])
    rare = table.sum(axis=0) < 10
    bins = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    bins = bins[:, bins.sum(axis=0) >= 10]
    return bins.shape[1] < 2 or bool(stats.chi2_contingency(bins).pvalue > 1e-4)


MUTATIONS = {
    "count": {"mutation_num_genes": 4},
    "all genes": {"mutation_num_genes": 30},
    "percentage": {"mutation_percent_genes": 20},
    "probability": {"mutation_probability": 0.15},
    "never": {"mutation_probability": 0},
    "always": {"mutation_probability": 1.0},
    "replacement": {"mutation_by_replacement": True},
    "range": {"random_mutation_min_val": 0.25, "random_mutation_max_val": 4},
    "range reversed": {"random_mutation_min_val": 3, "random_mutation_max_val": -1},
    "no range": {"random_mutation_min_val": 0.5, "random_mutation_max_val": 0.5},
    "per-gene range": {
        "random_mutation_min_val": list(range(30)),
        "random_mutation_max_val": [2 * i + 1 for i in range(30)],
    },
    "rounded": {"gene_type": [float, 1]},
    "float32": {"gene_type": np.float32},
    "float16": {"gene_type": np.float16},
    "interval": {"gene_space": {"low": -2, "high": 3}},
    "rounded interval": {"gene_space": {"low": -0.1, "high": 0.29}, "gene_type": [float, 1]},
    "float16 interval": {"gene_space": {"low": 0, "high": 1}, "gene_type": np.float16},
    "list": {"gene_space": [-1, 0, 1], "gene_type": np.float32},
    "one value": {"gene_space": [5], "gene_type": np.float32},
    "other list": {"gene_space": [7, 3, 3, 5], "init_range_low": 2},
    "list of integers": {"gene_space": [-1, 0, 1], "gene_type": np.int8},
    "numbers": {"gene_space": range(-1, 4, 2), "gene_type": int},
    "steps": {"gene_space": {"low": 0, "high": 1, "step": 0.25}},
    "coarse steps": {"gene_space": {"low": 0, "high": 3, "step": 0.5}, "gene_type": int},
    "integers": {"gene_type": int, "random_mutation_min_val": -3, "random_mutation_max_val": 3},
    "list with anything": {"gene_space": [5, None]},
    "nested lists": {"gene_space": [[0, 1]] * 15 + [[5, 6]] * 15},
    "nested": {"gene_space": [[0, 1], *[None] * 28, {"low": 0, "high": 1}]},
}


@pytest.mark.parametrize("kind", ["random", "adaptive"])
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_has_the_distribution_of_pygad(name: str, kind: str) -> None:
    settings = {**MUTATIONS[name], "mutation_type": kind}
    if kind == "adaptive":
        rate = next((key for key in settings if "_num_" in key or "_prob" in key), None)
        rate = rate or "mutation_percent_genes"
        settings[rate] = [settings.get(rate, 40), settings.get(rate, 40) / 2]
        if rate == "mutation_num_genes":
            settings[rate][1] = int(settings[rate][1])
    (before, after), (theirs_before, theirs) = mutate(GA, **settings), mutate(pygad.GA, **settings)
    np.testing.assert_array_equal(before, theirs_before)
    assert after.dtype == theirs.dtype
    changed, theirs_changed = after != before, theirs != theirs_before
    assert same_counts(changed.sum(axis=1), theirs_changed.sum(axis=1))
    assert same_counts(np.nonzero(changed)[1], np.nonzero(theirs_changed)[1])
    if changed.sum() and theirs_changed.sum():
        for ours, other in (
            (after[changed], theirs[theirs_changed]),
            ((after - before)[changed], (theirs - before)[theirs_changed]),
        ):
            assert stats.ks_2samp(ours.astype(float), other.astype(float)).pvalue > 1e-4


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_adaptive_mutation_changes_the_poor_more(objectives: int) -> None:
    def counts(cls: type) -> Array:
        fitness = total if objectives == 1 else lambda ga, x, index: x[:objectives].tolist()
        settings = {
            "mutation_type": "adaptive",
            "mutation_num_genes": [9, 2],
            "fitness_func": fitness,
        }
        before, after = mutate(cls, **settings)
        return np.sum(before != after, axis=1)

    np.testing.assert_array_equal(counts(GA), counts(pygad.GA))


@pytest.mark.parametrize("kind", ["swap", "inversion", "scramble"])
@pytest.mark.parametrize(
    "rate",
    [
        {},
        {"mutation_num_genes": 1},
        {"mutation_num_genes": 2},
        {"mutation_num_genes": 7},
        {"mutation_percent_genes": 50},
        {"mutation_probability": 0.2},
    ],
    ids=str,
)
def test_rearrangement_has_the_distribution_of_pygad(kind: str, rate: Run) -> None:
    population = np.tile(np.arange(9.0), (800, 1))
    settings = {"mutation_type": kind, "initial_population": population, **rate}
    (before, after), (_, theirs) = mutate(GA, **settings), mutate(pygad.GA, **settings)
    np.testing.assert_array_equal(np.sort(after, axis=1), population)
    assert same_counts((after != before).sum(axis=1), (theirs != before).sum(axis=1))
    moves, their_moves = ((one * 9 + population)[one != before] for one in (after, theirs))
    assert same_counts(moves, their_moves)


@pytest.mark.parametrize("kind", ["single_point", "two_points", "uniform", "scattered"])
@pytest.mark.parametrize("probability", [None, 0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("num_parents", [1, 2, 5])
def test_crossover_has_the_distribution_of_pygad(
    kind: str, probability: float | None, num_parents: int
) -> None:
    parents = np.tile(np.arange(num_parents)[:, None], (1, 6))
    settings = {"crossover_type": kind, "crossover_probability": probability, "gene_type": int}

    def cross(cls: type) -> Array:
        return cls(**{**LARGE, **settings}).crossover(parents.copy(), offspring_size=(3000, 6))

    ours, theirs = cross(GA), cross(pygad.GA)
    assert ours.dtype == theirs.dtype
    turns = np.arange(3000) % num_parents
    for view in (
        lambda child: child[:, 0] * num_parents + turns,
        lambda child: child[:, 3] * num_parents + child[:, 5],
        lambda child: np.count_nonzero(np.diff(child, axis=1), axis=1),
        lambda child: np.count_nonzero(child == child[:, :1], axis=1),
    ):
        assert same_counts(view(ours), view(theirs))


# Runs with built-in operators

BUILT_IN = {
    f"{crossover}, {mutation}, {selection}": {
        "crossover_type": crossover,
        "mutation_type": mutation,
        "mutation_num_genes": [3, 1] if mutation == "adaptive" else 2,
        "parent_selection_type": selection,
    }
    for crossover, mutation, selection in [
        ("single_point", "random", "sss"),
        ("two_points", "adaptive", "tournament"),
        ("uniform", "swap", "rank"),
        ("scattered", "inversion", "sus"),
        ("uniform", "scramble", "random"),
        ("sbx", "polynomial", "sss"),
        (None, "random", "rank"),
        ("uniform", None, "sss"),
    ]
}
KEPT = [
    {"keep_elitism": 1},
    {"keep_elitism": 3, "save_solutions": True},
    {"keep_elitism": 0, "save_best_solutions": True},
    {"keep_elitism": 0, "keep_parents": 2, "fitness_batch_size": 3},
    {"keep_elitism": 0, "keep_parents": 0},
]


@pytest.mark.parametrize("kept", KEPT, ids=str)
@pytest.mark.parametrize("operators", BUILT_IN.values(), ids=BUILT_IN)
def test_run_with_built_in_operators(operators: Run, kept: Run) -> None:
    def run(cls: type) -> Any:
        ga = cls(
            fitness_func=batch_total, **{**SMALL, "gene_type": np.float32, **operators, **kept}
        )
        ga.run()
        return ga

    def batch_total(ga: Any, solution: Array, index: Any) -> Any:
        return np.abs(np.sum(solution, axis=-1, dtype=float))

    ours, theirs = run(GA), run(pygad.GA)
    assert ours.population.dtype == ours.last_generation_parents.dtype == np.float32
    for name in READABLE:
        one, other = getattr(ours, name), getattr(theirs, name)
        assert type(one) is type(other)
        assert np.shape(one) == np.shape(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
    np.testing.assert_array_equal(
        ours.last_generation_fitness, batch_total(None, ours.population, None)
    )
    if kept["keep_elitism"]:
        assert (np.diff(ours.best_solutions_fitness) >= 0).all()


def seeded(**settings: Any) -> Run:
    settings = {"num_genes": 200, "gene_type": np.float32, "crossover_type": "uniform", **settings}
    return record(GA, total, **settings)


def test_same_seed_same_run() -> None:
    assert_same(seeded(random_seed=5), seeded(random_seed=5))
    assert not np.array_equal(seeded(random_seed=5)["population"], seeded()["population"])


@pytest.mark.parametrize("selection", ["sss", "tournament"])
def test_state_of_the_two_generators_is_the_whole_state(selection: str) -> None:
    settings = {**SMALL, "num_genes": 50, "gene_type": np.float32, "crossover_type": "uniform"}
    settings["parent_selection_type"] = selection

    def go_on(num_generations: int, population: Any = None, states: Any = None) -> tuple[Any, Any]:
        ga = GA(
            fitness_func=Column(),
            **{**settings, "num_generations": num_generations, "initial_population": population},
        )
        if states:
            ga.numpy_random_generator.set_state(states[0])
            ga.python_random_generator.setstate(states[1])
        seen: list[Any] = []

        def see(ga: Any) -> None:
            seen.append(
                (ga.numpy_random_generator.get_state(), ga.python_random_generator.getstate())
            )

        ga.on_generation = see  # after the last one a run selects parents that nothing uses
        ga.run()
        return ga.population, seen[-1]

    at_once, _ = go_on(5)
    in_parts, _ = go_on(3, *go_on(2))
    np.testing.assert_array_equal(at_once, in_parts)


# Evaluators


def evaluator_ga(evaluator: Any, **settings: Any) -> Any:
    return GA(fitness_func=evaluator, **{**SMALL, "gene_type": np.float32, **settings})


def test_evaluator_scores_all_new_solutions_at_once() -> None:
    column = Column()
    ga = evaluator_ga(column, keep_elitism=2)
    ga.run()
    assert [call.shape for call in column.calls[:2]] == [(10, 7), (8, 7)]
    assert len(column.calls) == 7
    assert all(call.dtype == np.float32 for call in column.calls)
    assert sum(map(len, column.calls)) == ga.num_fitness_evaluations
    np.testing.assert_array_equal(ga.last_generation_fitness, ga.population[:, 0])


def test_evaluator_with_reevaluate_scores_everything_again() -> None:
    column = Column(reevaluates=True)
    ga = evaluator_ga(column, keep_elitism=2, save_solutions=True)
    ga.run()
    assert [len(call) for call in column.calls] == [10] * 7
    assert ga.num_fitness_evaluations == 70


@pytest.mark.parametrize(
    "settings",
    [
        {"gene_type": [int, float, np.float32, int, int, int, int]},
        {"allow_duplicate_genes": False},
        {"mutation_type": "adaptive", "mutation_num_genes": [3, 1]},
        {"parallel_processing": 2, "fitness_batch_size": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("reevaluates", [False, True])
def test_evaluator_with_any_settings(settings: Run, reevaluates: bool) -> None:
    ga = evaluator_ga(Column(reevaluates=reevaluates), **settings)
    ga.run()
    assert ga.generations_completed == 6
    np.testing.assert_array_equal(ga.last_generation_fitness, ga.population[:, 0].astype(float))


def test_evaluator_with_objectives() -> None:
    ga = evaluator_ga(Column(objectives=3), parent_selection_type="nsga2")
    ga.run()
    np.testing.assert_array_equal(ga.last_generation_fitness, ga.population[:, :3])


def test_evaluator_cannot_change_the_population() -> None:
    class Spoiling(Column):
        def __call__(self, vectors: Array) -> Array:
            vectors *= 0
            return vectors[:, 0]

    with pytest.raises(ValueError, match="read-only"):
        evaluator_ga(Spoiling()).run()


@pytest.mark.parametrize(
    ("fitness", "message"),
    [
        (lambda vectors: 1.0, r"each of the 10 solutions.* shape \(\)"),
        (lambda vectors: vectors[1:, 0], r"each of the 10 solutions.* shape \(9,\)"),
        (lambda vectors: vectors[:, 0] * np.nan, "solution 0 contains an invalid fitness value"),
        (lambda vectors: np.where(np.arange(10) == 4, np.nan, 1), "fitness_func for solution 4"),
        (lambda vectors: vectors[:, :0], "non-empty one-dimensional objective vector"),
        (lambda vectors: ["good"] * 10, "must return a number"),
    ],
)
def test_wrong_fitness_of_an_evaluator_is_refused(fitness: Any, message: str) -> None:
    class Wrong(gacnn.Evaluator):
        def __call__(self, vectors: Array) -> Any:
            return fitness(vectors)

    with pytest.raises((TypeError, ValueError), match=message):
        evaluator_ga(Wrong()).run()


def test_evaluator_takes_one_argument() -> None:
    class Wrong(gacnn.Evaluator):
        def __call__(self, vectors: Array, more: Array) -> Array:
            return vectors[:, 0]

    with pytest.raises(ValueError, match="fitness_func must accept 1 positional arguments"):
        evaluator_ga(Wrong())


def test_failed_evaluation_leaves_the_ga_usable() -> None:
    class Flaky(Column):
        def __call__(self, vectors: Array) -> Array:
            if len(self.calls) == 3:
                self.calls.clear()
                raise RuntimeError("out of luck")
            return super().__call__(vectors)

    ga = evaluator_ga(Flaky(), num_generations=3)
    with pytest.raises(RuntimeError, match="out of luck"):
        ga.run()
    ga.num_generations = 1
    ga.run()
    assert ga.run_completed


def test_saved_ga_goes_on(tmp_path: Any) -> None:
    ga = evaluator_ga(Column(), num_generations=2)
    ga.run()
    ga.save(str(tmp_path / "ga"))
    loaded = pygad.load(str(tmp_path / "ga"))
    ga.run()
    loaded.run()
    assert type(loaded) is GA
    np.testing.assert_array_equal(ga.population, loaded.population)


def test_lifecycle_prints_what_the_readme_of_numpycnn_shows(capsys: Any) -> None:
    names = ["on_fitness", "on_parents", "on_crossover", "on_mutation", "on_generation"]

    def printing(name: str, num_arguments: int) -> Callable[..., None]:
        def one(ga: Any) -> None:
            print(f"{name}()")

        def two(ga: Any, given: Any) -> None:
            print(f"{name}()")

        return one if num_arguments == 1 else two

    hooks = {name: printing(name, 2 - (name == "on_generation")) for name in names}
    GA(
        num_generations=3,
        num_parents_mating=5,
        fitness_func=total,
        sol_per_pop=10,
        num_genes=6,
        suppress_warnings=True,
        on_start=printing("on_start", 1),
        on_stop=printing("on_stop", 2),
        **hooks,
    ).run()
    trace = ["on_start()", *[f"{name}()" for name in names] * 3, "on_stop()"]
    assert capsys.readouterr().out.split() == trace


def test_rows_that_differ_only_in_the_sign_of_zero_are_the_same() -> None:
    population = np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 2.0]])
    runs: Iterator[Run] = (
        record(
            cls,
            total,
            initial_population=population,
            num_parents_mating=2,
            crossover_type=lambda parents, size, ga: -1 * np.abs(parents[: size[0]]) * [[1, -1]],
            mutation_type=None,
        )
        for cls in (GA, pygad.GA)
    )
    assert_same(*runs)


def test_unknown_operator_lists_all_names():
    names = r"must be one of 'single_point', .*'recombination', 'blend', 'filter', 'layer', .*"
    with pytest.raises(TypeError, match=f"crossover_type {names}did you mean 'blend'"):
        GA(2, 2, lambda *_: 0, sol_per_pop=4, num_genes=20, crossover_type="blind")
    with pytest.raises(TypeError, match=r"parent_selection_type .*did you mean 'rws'"):
        GA(2, 2, lambda *_: 0, sol_per_pop=4, num_genes=20, parent_selection_type="roulette")
    with pytest.raises(TypeError, match=r"no setting 'mutation_rate'; .*'mutation_probability'"):
        GA(2, 2, lambda *_: 0, sol_per_pop=4, num_genes=20, mutation_rate=0.1)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("evaluator", [True, False])
def test_blas_has_one_thread_while_whole_populations_are_scored(
    evaluator: bool, fails: bool
) -> None:
    def blas_threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    def note(ga: Any, offspring: Any) -> None:
        seen.append(blas_threads())
        if fails:
            raise KeyError("on purpose")

    seen: list[set[int]] = []
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fitness = Column() if evaluator else lambda ga, solution, index: solution[0]
        ga = GA(**SMALL, fitness_func=fitness, on_crossover=note)
        with pytest.raises(KeyError) if fails else contextlib.nullcontext():
            ga.run()
        assert blas_threads() == before
    assert set.union(*seen) == ({1} if evaluator else before)


# Luck on a batch


class Lucky(gacnn.Evaluator):
    """Solutions are worth 1 on every fifth batch; on all there is, what they are."""

    reevaluates = True
    batches = 0

    def draw(self, rng):
        self.batches += 1

    def __call__(self, vectors):
        return np.ones(len(vectors)) if self.batches % 5 == 0 else self.on_all(vectors)

    def on_all(self, vectors):
        return -np.abs(vectors).sum(axis=1)


def lucky_ga(evaluator, **settings):
    return GA(
        num_generations=20,
        num_parents_mating=4,
        initial_population=np.random.default_rng(0).normal(size=(8, 3)),
        fitness_func=evaluator,
        random_seed=0,
        suppress_warnings=True,
        **settings,
    )


@pytest.mark.parametrize(
    "how",
    [
        {"stop_criteria": "reach_0.5"},
        {"stop_criteria": ["reach_0.5", "saturate_500"]},
        {"callbacks": [gacnn.EarlyStopping(threshold=0.5)]},
    ],
)
def test_no_lucky_batch_ends_a_run(how):
    ga = lucky_ga(Lucky(), **how)
    given = ga.stop_criteria
    ga.run()
    assert ga.generations_completed == 20
    assert ga.stop_criteria == given


@pytest.mark.parametrize(
    "how",
    [{"stop_criteria": "reach_-1.5"}, {"callbacks": [gacnn.EarlyStopping(threshold=-1.5)]}],
)
def test_what_is_reached_on_all_data_ends_a_run(how):
    ga = lucky_ga(Lucky(), **how)
    ga.run()
    assert ga.generations_completed < 20
    assert ga.best_solution(ga.last_generation_fitness)[1] >= -1.5


def stop_when_good(ga):
    return "stop" if max(ga.last_generation_fitness) > 0.5 else None


class StopWhenGood(gacnn.Callback):
    on_generation = staticmethod(stop_when_good)


@pytest.mark.parametrize(
    "how", [{"on_generation": stop_when_good}, {"callbacks": [StopWhenGood()]}]
)
def test_a_function_that_a_lucky_batch_deceives_is_named(how):
    ga = lucky_ga(Lucky(), **how)
    with pytest.warns(UserWarning, match="stop_when_good ends the run with a best fitness of 1 on"):
        ga.run()
    assert ga.generations_completed == 4


def test_a_function_that_stops_for_other_reasons_is_not():
    ga = lucky_ga(Lucky(), on_generation=lambda ga: "stop" if ga.generations_completed == 4 else 0)
    ga.run()
    assert ga.generations_completed == 4


# Saved, and copied


@pytest.mark.parametrize("way", ["save", "pygad", "copy"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_copy_says_once_what_it_lacks(tmp_path, way, tied):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
    networks = gacnn.GACNN(model, 8, random_seed=0)
    population = networks.population_as_vectors() if tied else networks.population
    ga = GA(
        num_generations=2,
        num_parents_mating=4,
        initial_population=population,
        fitness_func=Lucky(),
        suppress_warnings=True,
        callbacks=[] if tied else [gacnn.EarlyStopping(3), gacnn.History()],
    )
    lacks = "the tie to the networks" if tied else "EarlyStopping, History"
    if way == "save":
        ga.save(str(tmp_path / "ga"))
        with pytest.warns(UserWarning, match=lacks) as caught:
            again = gacnn.load(str(tmp_path / "ga"))
        assert caught[0].filename == __file__
    elif way == "pygad":
        ga.save(str(tmp_path / "ga"))
        again = pygad.load(str(tmp_path / "ga"))
    else:
        again = copy.deepcopy(copy.deepcopy(ga))
    if way != "save":
        with pytest.warns(UserWarning, match=lacks):
            again.run()
    again.run()


def test_a_saved_ga_that_cannot_be_read_says_why(tmp_path):
    lucky_ga(Lucky()).save(tmp_path / "ga")
    assert isinstance(gacnn.load(tmp_path / "ga"), GA)
    with pytest.raises(FileNotFoundError, match=r"ga\.pkl\.pkl is not there: load adds \.pkl"):
        gacnn.load(tmp_path / "ga.pkl")
    (tmp_path / "torn.pkl").write_bytes((tmp_path / "ga.pkl").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"torn\.pkl cannot be read: \w+: .* the functions"):
        gacnn.load(tmp_path / "torn")


def test_a_copy_that_lacks_nothing_says_nothing(tmp_path):
    ga = lucky_ga(Lucky())
    ga.save(str(tmp_path / "ga"))
    gacnn.load(str(tmp_path / "ga")).run()


@pytest.mark.parametrize("parallel", [["process", 2], ["thread", 2], None])
def test_networks_do_not_follow_into_other_processes(parallel, recwarn):
    model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
    networks = gacnn.GACNN(model, 4, random_seed=0)
    gacnn.GA(
        num_generations=1,
        num_parents_mating=2,
        initial_population=networks.population_as_vectors(),
        fitness_func=lambda ga, solution, index: 0,
        parallel_processing=parallel,
        suppress_warnings=True,
    )
    said = [str(each.message) for each in recwarn if "follow the population" in str(each.message)]
    assert len(said) == (parallel == ["process", 2])
