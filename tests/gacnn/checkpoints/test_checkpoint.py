"""Checkpoints: a run that is killed and resumed equals one that was left alone, bit for bit."""

import copy
import dataclasses
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cnn
import gacnn
from cnn import files
from gacnn.algorithm.ga import GA
from gacnn.algorithm.ties import Vector
from gacnn.callbacks.callback import Callback, LambdaCallback
from gacnn.callbacks.history import History
from gacnn.callbacks.progress import ProgressBar
from gacnn.callbacks.stopping import EarlyStopping, TimeLimit
from gacnn.checkpoints import store
from gacnn.checkpoints.checkpoint import Checkpoint, resume
from gacnn.operators.crossover import FilterCrossover

Array = NDArray[Any]

SMALL: dict[str, Any] = {
    "num_generations": 40,
    "num_parents_mating": 4,
    "sol_per_pop": 10,
    "num_genes": 6,
    "random_seed": 5,
    "suppress_warnings": True,
}
COMPARED = [
    "population",
    "generations_completed",
    "num_fitness_evaluations",
    "last_generation_fitness",
    "previous_generation_fitness",
    "last_generation_parents",
    "last_generation_parents_indices",
    "last_generation_elitism",
    "last_generation_elitism_indices",
    "best_solutions",
    "best_solutions_fitness",
    "best_solutions_generations",
    "best_solution_generation",
    "solutions",
    "solutions_fitness",
    "solutions_generations",
    "sol_per_pop",
    "num_offspring",
]


def total(ga: Any, solution: Array, index: Any) -> float:
    return float(-np.sum(np.square(solution.astype(float) - 1)))


def two(ga: Any, solution: Array, index: Any) -> list[float]:
    return [float(solution[0]), float(solution[1] - solution[0] ** 2)]


def even(solution: Array, values: Any) -> Any:
    return [value for value in values if value % 2 == 0]


class Batches(gacnn.Evaluator):
    """An evaluator with mini-batches of two genes, which tells itself apart by `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.batch: Any = None

    def draw(self, rng: np.random.Generator) -> None:
        self.batch = rng.choice(6, 2, replace=False)

    def __call__(self, vectors: Array) -> Array:
        return self.scale * vectors[:, self.batch].sum(axis=1)

    def on_all(self, vectors: Array) -> Array:
        return self.scale * vectors.sum(axis=1)

    def state(self) -> dict[str, Any]:
        return {"batch": self.batch}

    def restore(self, state: dict[str, Any]) -> None:
        self.batch = state["batch"]

    def fingerprint(self) -> dict[str, Any]:
        return {"scale": self.scale, "genes": (6,)}


class Counter(Callback):
    """A user's callback that anneals mutation by what it has counted."""

    def on_start(self, ga: Any) -> None:
        self.calls = 0
        ga.numpy_random_generator.random_sample()

    def on_generation(self, ga: Any) -> None:
        self.calls += 1
        ga.random_mutation_max_val = 1.0 / self.calls

    def state(self) -> dict[str, Any]:
        return {"calls": self.calls}

    def restore(self, state: dict[str, Any]) -> None:
        self.calls = state["calls"]


CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "elitism": {"keep_elitism": 3, "parent_selection_type": "tournament"},
    "parents": {"keep_elitism": 0, "keep_parents": -1, "parent_selection_type": "rws"},
    "two parents": {"keep_elitism": 0, "keep_parents": 2, "parent_selection_type": "rank"},
    "nobody kept": {"keep_elitism": 0, "keep_parents": 0, "parent_selection_type": "sus"},
    "float32": {"gene_type": np.float32, "crossover_type": "uniform"},
    "rounded": {"gene_type": [float, 2], "crossover_type": "scattered"},
    "adaptive": {"mutation_type": "adaptive", "mutation_num_genes": [3, 1]},
    "swap": {"mutation_type": "swap", "crossover_type": "two_points"},
    "all saved": {"save_solutions": True, "save_best_solutions": True, "gene_type": np.float32},
    "best saved": {"save_best_solutions": True, "mutation_type": "adaptive"}
    | {"mutation_probability": (0.5, 0.1)},
    "integers": {"gene_type": int, "gene_space": range(-3, 9), "save_solutions": True},
    "types": {
        "gene_type": [int, [float, 2], np.float32, np.int8, float, np.uint16],
        "gene_space": [range(5), None, [0.5, 1, 2], {"low": 0, "high": 9}, None, [1, 2, 3]],
        "save_solutions": True,
        "save_best_solutions": True,
    },
    "constraint": {"gene_type": int, "gene_constraint": [even, *5 * [None]]},
    "unique": {"gene_type": int, "gene_space": list(range(9)), "allow_duplicate_genes": False},
    "nsga2": {"fitness_func": two, "parent_selection_type": "nsga2", "save_best_solutions": True},
    "nsga3": {"fitness_func": two, "parent_selection_type": "tournament_nsga3"}
    | {"nsga3_num_divisions": 14, "K_tournament": 12},
    "given": {"initial_population": np.linspace(0, 1, 48).reshape(8, 6), "sol_per_pop": None},
    "batches": {"fitness_func": Batches(), "keep_elitism": 2},
    "adaptive batches": {"fitness_func": Batches(), "mutation_type": "adaptive"}
    | {"mutation_percent_genes": np.array([40, 20])},
    "saturate": {"stop_criteria": "saturate_12"},
    "evaluations": {"stop_criteria": ["evaluations_200", "reach_1"]},
    "reach": {"stop_criteria": "reach_-1.5"},
}


def build(*callbacks: Callback, **settings: Any) -> GA:
    return GA(**{"fitness_func": total, **SMALL, **settings}, callbacks=callbacks)


def watchers(case: str, patience: int = 300) -> list[Callback]:
    """Callbacks with a state, for a case."""
    monitor = "validation" if "nsga" in case else "fitness"
    history = History(validation=lambda solution: float(solution[2]))
    return [history, Counter(), EarlyStopping(patience, monitor=monitor)]


def functions(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that must be passed to resume again."""
    names = "fitness_func", "gene_constraint"
    return {"fitness_func": total} | {name: settings[name] for name in names if name in settings}


def assert_equal(resumed: GA, whole: GA) -> None:
    for name in COMPARED:
        one, other = (np.asarray(getattr(ga, name)) for ga in (resumed, whole))
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == other.dtype, name
    if whole.population.dtype == object:
        for rows in zip(resumed.population, whole.population, strict=True):
            assert [type(gene) for gene in rows[0]] == [type(gene) for gene in rows[1]]
    for mine, its in zip(resumed.callbacks, whole.callbacks, strict=False):
        if isinstance(mine, History) and isinstance(its, History):
            assert {**mine.to_dict(), "seconds": 0} == {**its.to_dict(), "seconds": 0}
    one, other = resumed.numpy_random_generator, whole.numpy_random_generator
    assert one.random_sample() == other.random_sample()
    assert resumed.python_random_generator.random() == whole.python_random_generator.random()


class Killed(BaseException):
    """Ends a run as a kill does: nothing but the checkpoint is left."""


def kill_at(generation: int) -> Callback:
    class Kill(LambdaCallback):
        is_part_of_run = False

    def commit(ga: Any) -> None:
        if ga.generations_completed == generation:
            raise Killed

    callback = Kill()
    callback.commit = commit  # type: ignore[method-assign]
    return callback


@pytest.mark.parametrize("generation", [1, 13])
@pytest.mark.parametrize("case", CASES)
def test_resumed_equals_uninterrupted(case: str, generation: int, tmp_path: Path) -> None:
    settings, path = CASES[case], tmp_path / "run"
    whole = build(*watchers(case), **settings)
    whole.run()
    callbacks = [*watchers(case), Checkpoint(path, every=1), kill_at(generation)]
    with pytest.raises(Killed):
        build(*callbacks, **settings).run()
    callbacks = [*watchers(case), Checkpoint(path, every=1), kill_at(generation + 2)]
    with pytest.raises(Killed):
        resume(path, callbacks=callbacks, **functions(settings)).run()
    resumed = resume(path, callbacks=watchers(case), **functions(settings))
    resumed.run()
    assert_equal(resumed, whole)


@pytest.mark.parametrize("case", ["all saved", "nsga2", "adaptive batches", "types"])
def test_a_run_that_has_ended_can_be_made_longer(case: str, tmp_path: Path) -> None:
    settings, path = CASES[case], tmp_path / "run"
    whole = build(*watchers(case), **settings)
    whole.run()
    short = settings | {"num_generations": 13}
    build(*watchers(case), Checkpoint(path, every=5), **short).run()
    again = functions(settings) | {"callbacks": watchers(case)}
    resumed = resume(path, **again, num_generations=40)
    assert resumed.num_generations == 27
    resumed.run()
    assert_equal(resumed, whole)


@pytest.mark.parametrize("case", ["all saved", "adaptive batches"])
def test_a_run_that_has_ended_ends_again(case: str, tmp_path: Path) -> None:
    settings, path = CASES[case], tmp_path / "run"
    stops: list[Any] = []
    whole = build(Checkpoint(path), **settings)
    whole.run()
    listener = ProgressBar(disable=True)
    listener.on_stop = lambda ga, fitness: stops.append(fitness)  # type: ignore[method-assign]
    resumed = resume(path, callbacks=[listener], **functions(settings))
    assert resumed.num_generations == 0
    resumed.run()
    assert_equal(resumed, whole)
    np.testing.assert_array_equal(stops, [whole.last_generation_fitness])


@pytest.mark.parametrize("case", ["saturate", "evaluations", "reach"])
def test_killed_when_all_was_done_but_the_end(case: str, tmp_path: Path) -> None:
    settings, path = CASES[case], tmp_path / "run"
    whole = build(*watchers(case), **settings)
    whole.run()
    last = whole.generations_completed
    assert 15 < last < 40
    with pytest.raises(Killed):
        build(*watchers(case), Checkpoint(path, every=1), kill_at(last), **settings).run()
    resumed = resume(path, callbacks=watchers(case), **functions(settings))
    assert resumed.num_generations == 0
    resumed.run()
    assert_equal(resumed, whole)


def test_a_run_that_was_stopped_stays_so_unless_told(tmp_path: Path) -> None:
    build(EarlyStopping(threshold=-1e9), Checkpoint(tmp_path / "run")).run()
    how = {"fitness_func": total, "callbacks": [EarlyStopping(threshold=-1e9)]}
    assert resume(tmp_path / "run", **how).num_generations == 0
    assert resume(tmp_path / "run", **how, num_generations=9).num_generations == 8


def test_ctrl_c_leaves_the_rest_to_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "run"
    whole = build()
    whole.run()

    def fitness(ga: Any, solution: Array, index: Any) -> float:
        if ga.generations_completed == 7 and not ga.interrupted:
            ga._interrupt(2, None)
        return total(ga, solution, index)

    fitness.__qualname__ = total.__qualname__
    build(Checkpoint(path, every=100), fitness_func=fitness).run()
    resumed = resume(path, fitness_func=total)
    assert resumed.num_generations == 33
    resumed.run()
    assert_equal(resumed, whole)


def test_what_is_ready_before_the_resumed_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Killed):
        build(Checkpoint(path, every=1), kill_at(13), save_best_solutions=True).run()
    resumed = resume(path, fitness_func=total)
    assert resumed.generations_completed == 13
    assert resumed.num_generations == 27
    assert resumed.seconds_before > 0
    np.testing.assert_array_equal(
        resumed.last_generation_fitness, [total(None, row, None) for row in resumed.population]
    )
    assert len(resumed.best_solutions) == 14
    assert resumed.best_solution()[1] == resumed.last_generation_fitness.max()
    np.testing.assert_array_equal(resumed.last_generation_elitism, resumed.population[:1])


def test_the_known_population_is_not_evaluated_again(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        build(Checkpoint(tmp_path / "run", every=1), kill_at(39), keep_elitism=1).run()
    scored: list[int] = []

    def fitness(ga: Any, solution: Array, index: Any) -> float:
        scored.append(index)
        return total(ga, solution, index)

    fitness.__qualname__ = total.__qualname__
    resume(tmp_path / "run", fitness_func=fitness).run()
    assert scored == list(range(1, 10))


def test_time_before_the_kill_counts(tmp_path: Path) -> None:
    def wait(ga: Any) -> None:
        time.sleep(0.1)

    settings: dict[str, Any] = {"on_generation": wait, "stop_criteria": "time_0.4"}
    with pytest.raises(Killed):
        build(History(), Checkpoint(tmp_path / "run", every=1), kill_at(3), **settings).run()
    history = History()
    again = {"fitness_func": total, "on_generation": wait, "callbacks": [history]}
    resume(tmp_path / "run", **again).run()
    assert len(history) in (3, 4)  # with a clock that starts anew at least 6
    assert history["seconds"] == sorted(history["seconds"])


def test_seconds_of_every_start_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from watch import Watch  # not where another process takes this file for a module

    watch, path = Watch(monkeypatch), tmp_path / "run"
    times = {"on_start": watch.takes(100), "on_generation": watch.takes(1)}
    build(Checkpoint(path, every=1), TimeLimit(240), num_generations=5, **times).run()
    limited = {"num_generations": 10**6, "callbacks": [TimeLimit(240)], "fitness_func": total}
    resumed = resume(path, **limited, **times)
    assert (resumed.seconds, resumed.start_seconds) == (105, 100)
    resumed.run()
    assert (resumed.seconds, resumed.start_seconds) == (240, 200)
    assert resumed.generations_completed == 40


def halves(ga: Any) -> None:
    ga.mutation_probability[0] *= 0.5
    ga.random_mutation_max_val[0] *= 0.9


def test_what_callbacks_change_in_place_is_kept(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "mutation_type": "adaptive",
        "mutation_probability": [0.9, 0.1],
        "on_generation": halves,
        "random_mutation_min_val": [-1] * 6,
        "random_mutation_max_val": [0.5, 1, 1, 1, 1, 1],
        "num_generations": 8,
    }
    whole = build(**settings)
    whole.run()
    settings |= {"mutation_probability": [0.9, 0.1]}
    settings |= {
        "random_mutation_min_val": [-1] * 6,
        "random_mutation_max_val": [0.5, 1, 1, 1, 1, 1],
    }
    build(Checkpoint(tmp_path / "run"), **{**settings, "num_generations": 4}).run()
    resumed = resume(tmp_path / "run", fitness_func=total, on_generation=halves, num_generations=8)
    resumed.run()
    assert resumed.mutation_probability == whole.mutation_probability
    np.testing.assert_array_equal(resumed.population, whole.population)


def test_criteria_that_a_callback_has_set_are_kept(tmp_path: Path) -> None:
    def end_at_the_eighth(ga: Any) -> None:
        if ga.generations_completed == 3:
            ga.stop_criteria = [["evaluations", 60.0]]

    whole = build(on_generation=end_at_the_eighth)
    whole.run()
    build(Checkpoint(tmp_path / "run"), on_generation=end_at_the_eighth, num_generations=4).run()
    how = {"fitness_func": total, "on_generation": end_at_the_eighth, "num_generations": 40}
    resumed = resume(tmp_path / "run", **how)
    resumed.run()
    assert resumed.generations_completed == whole.generations_completed < 40


@dataclasses.dataclass
class Limited(gacnn.Mutation):
    """A mutation of a user's, with a setting that may be NaN."""

    limit: float = math.nan

    def mutate(self, offspring: Array, run: Any) -> Array:
        return offspring + 1


class Told(Batches):
    """An evaluator whose fingerprint has NaN in it."""

    def fingerprint(self) -> dict[str, Any]:
        return {"missing": math.nan, "scale": self.scale}


def test_nan_is_nan(tmp_path: Path) -> None:
    build(Checkpoint(tmp_path / "run"), fitness_func=Told(), mutation_type=Limited()).run()
    given = {"fitness_func": Told(), "mutation_type": Limited(), "num_generations": 45}
    assert resume(tmp_path / "run", **given).generations_completed == 40
    for other in ({"mutation_type": Limited(1.0)}, {"fitness_func": Told(2.0)}):
        with pytest.raises(ValueError, match="is of another run"):
            resume(tmp_path / "run", **{**given, **other})


def test_fitness_may_be_asked_for_before_a_resumed_run_begins(tmp_path: Path) -> None:
    seen: list[Any] = []

    def ask(ga: Any) -> None:
        seen.append((ga.best_solution()[1], ga.seconds))

    path, common = tmp_path / "run", {"on_start": ask, "num_generations": 5}
    build(Checkpoint(path), **common).run()
    resumed = resume(path, **{**common, "fitness_func": total, "num_generations": 8})
    resumed_at = resumed.seconds
    assert resumed_at > 0
    resumed.run()
    alone = build(num_generations=8, on_start=ask)
    alone.run()
    np.testing.assert_array_equal(resumed.population, alone.population)
    assert [seconds for _, seconds in seen] == [0, pytest.approx(resumed_at), 0]
    assert seen[1][0] >= seen[0][0]


def test_operators_that_were_tuned_stay_so(tmp_path: Path) -> None:
    def cool(ga: Any) -> None:
        ga.mutation_type.sigma *= 0.8

    settings = {"mutation_type": "gaussian", "on_generation": cool}
    whole = build(num_generations=8, **settings)
    whole.run()
    path = tmp_path / "run"
    build(Checkpoint(path), num_generations=3, **settings).run()
    resumed = resume(path, fitness_func=total, num_generations=8, **settings)
    resumed.run()
    assert resumed.mutation_type.sigma == whole.mutation_type.sigma
    np.testing.assert_array_equal(resumed.population, whole.population)


@pytest.fixture
def clock(monkeypatch: Any) -> list[float]:
    """The time, in which a generation takes as long as the second number says."""
    now = [1000.0, 0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


class BrokenError(Exception):
    """Ends a run that was not meant to end."""


class Failing(LambdaCallback):
    """Ends a run by an exception, at an event in the thirteenth generation."""

    is_part_of_run = False

    def __init__(self, event: str) -> None:
        listeners = {"on_mutation": self.spoil} if event == "fitness" else {event: self.fail}
        super().__init__(**listeners)

    def fail(self, ga: Any, *values: Any) -> None:
        if ga.generations_completed == 12:
            raise BrokenError

    def spoil(self, ga: Any, offspring: Array) -> Array | None:
        return offspring * np.nan if ga.generations_completed == 12 else None


@pytest.mark.parametrize("event", ["on_parents", "on_mutation", "on_generation", "fitness"])
@pytest.mark.parametrize("case", ["defaults", "parents", "all saved", "batches", "strategy"])
def test_an_exception_costs_no_more_than_its_generation(
    case: str, event: str, clock: list[float], tmp_path: Path
) -> None:
    """Whatever the generation in flight has changed: the one before it is written, whole."""
    strategy = {"crossover_type": "recombination", "mutation_type": "csa", "gene_type": np.float32}
    settings, path = CASES.get(case, strategy), tmp_path / "run"
    whole = build(*watchers(case), **settings)
    whole.run()
    ga = build(*watchers(case), Checkpoint(path, seconds=1e9), Failing(event), **settings)
    with pytest.raises(ValueError if event == "fitness" else BrokenError):
        ga.run()
    resumed = resume(path, callbacks=watchers(case), **functions(settings))
    assert resumed.generations_completed == (11 if event == "on_generation" else 12)
    resumed.run()
    assert_equal(resumed, whole)


class TestWhenItIsWritten:
    @pytest.fixture
    def written(self, monkeypatch: Any, clock: list[float], tmp_path: Path) -> Any:
        """What returns after which generations it is written, where a write takes so long."""

        def generations(
            how: dict[str, Any], takes: float, *, row: float = 0.0, **settings: Any
        ) -> list[int]:
            listed: list[int] = []

            def write(_: Any, tree: dict[str, Any]) -> float:
                listed.append(tree["generations_completed"])
                rows = row * (listed[-1] - (listed[-2] if len(listed) > 1 else 0))
                clock[0] += takes + rows
                return rows

            def wait(ga: Any) -> None:
                clock[0] += clock[1]

            monkeypatch.setattr(store.Store, "write", write)
            checkpoint = Checkpoint(tmp_path / "run", **how)
            build(checkpoint, on_generation=wait, **settings).run()
            return listed

        return generations

    @pytest.mark.parametrize(
        ("how", "takes", "expected"),
        [
            ({}, 0.005, [1, 12, 23, 34, 40]),  # a second passes
            ({}, 0.03, [1, 34, 40]),  # 3 % are not exceeded, the last one included
            ({}, 10.0, [1, 40]),
            ({"every": 5}, 10.0, [5, 10, 15, 20, 25, 30, 35, 40]),
            ({"every": 1}, 10.0, list(range(1, 41))),
            ({"seconds": 1.65}, 10.0, [1, 18, 35, 40]),
            ({"seconds": 0}, 10.0, list(range(1, 41))),
            ({"seconds": 0.85, "every": 7}, 0.0, [7, 21, 35, 40]),
        ],
    )
    def test_written_after(
        self, written: Any, clock: list[float], how: Any, takes: float, expected: list[int]
    ) -> None:
        clock[1] = 0.099
        assert written(how, takes) == expected

    def test_a_generation_that_takes_longer(self, written: Any, clock: list[float]) -> None:
        clock[1] = 7.0
        assert written({}, 0.01, num_generations=4) == [1, 2, 3, 4]

    def test_rows_that_take_longer_than_the_share(self, written: Any, clock: list[float]) -> None:
        """It does not wait for ever longer to write what there is ever more of."""
        clock[1] = 0.1
        listed = written({}, 0.001, row=0.02, num_generations=5000)
        assert max(np.diff(listed)) <= 601
        assert len(written({}, 0.001, row=0.002, num_generations=5000)) > 250

    def test_bad_values(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="every must be at least 1"):
            Checkpoint(tmp_path / "run", every=0)
        with pytest.raises(ValueError, match="seconds must be at least 0"):
            Checkpoint(tmp_path / "run", seconds=-1)


def test_the_history_of_a_run_is_read_with_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    history = History()
    build(history, Checkpoint(tmp_path / "run"), fitness_func=two, num_generations=9).run()
    table = pandas.read_json(f"{tmp_path}/run.history.jsonl", lines=True, precise_float=True)
    assert table.to_dict("list") == history.to_dict()
    best = pandas.read_json(f"{tmp_path}/run.best.jsonl", lines=True, precise_float=True)
    assert list(best) == ["generation", "fitness"]


def test_what_grows_is_written_once(tmp_path: Path) -> None:
    """The file that is written anew does not grow with the generations, whatever is saved."""
    path, sizes = tmp_path / "run", {}

    class Sizes(LambdaCallback):
        is_part_of_run = False

        def commit(self, ga: Any) -> None:
            sizes[ga.generations_completed] = path.stat().st_size

    saved = {"save_solutions": True, "save_best_solutions": True, "num_generations": 300}
    build(History(), Checkpoint(path, every=1), Sizes(), **saved).run()
    assert sizes[300] < sizes[10] + 300
    assert sorted(os.listdir(tmp_path)) == [
        *("run", "run.best.jsonl", "run.best_solutions.rows", "run.history.jsonl"),
        *("run.populations.jsonl", "run.solutions.rows"),
    ]


@pytest.mark.parametrize("damage", ["torn", "missing"])
def test_a_run_goes_on_from_the_copy_before(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "run"
    whole = build(*watchers("defaults"))
    whole.run()

    def die(ga: Any) -> None:
        if ga.generations_completed == 13:
            os._exit(1)

    def run() -> None:
        build(*watchers("defaults"), Checkpoint(path, every=4), on_generation=die).run()

    context = multiprocessing.get_context("fork")
    child = context.Process(target=run)
    child.start()
    child.join()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(
        UserWarning, match=r"run is .*; so .*\.run\.spare, the one before it, is used"
    ):
        resumed = resume(
            path, fitness_func=total, callbacks=watchers("defaults"), on_generation=die
        )
    assert resumed.generations_completed == 8


def test_the_warning_of_a_copy_is_at_the_line_of_the_user(tmp_path: Path) -> None:
    build(Checkpoint(tmp_path / "run"), num_generations=3).run()
    (tmp_path / "run").rename(tmp_path / ".run.spare")
    with pytest.warns(UserWarning, match="run is missing") as caught:
        resume(tmp_path / "run", fitness_func=total)
    assert caught[0].filename == __file__


def test_two_runs_with_one_path(tmp_path: Path) -> None:
    path = tmp_path / "run"
    other = build(Checkpoint(path))

    def begin_another(ga: Any) -> None:
        if ga.generations_completed == 3:
            with pytest.raises(ValueError, match=f"run is being written by process {os.getpid()}"):
                other.run()

    build(Checkpoint(path), on_generation=begin_another).run()
    other.run()
    assert other.generations_completed == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes to signal")
class TestSignals:
    CODE = """
import os, signal, sys
from test_checkpoint import *

def fitness(ga, solution, index):
    if ga.generations_completed == 7 and not ga.interrupted:
        for _ in range(int(sys.argv[2])):
            os.kill(os.getpid(), signal.SIGTERM)
    return total(ga, solution, index)

fitness.__qualname__ = total.__qualname__
try:
    ga = build(Checkpoint(sys.argv[1]), fitness_func=fitness)
    ga.run()
    print("returned", ga.generations_completed, ga.interrupted_by)
finally:
    print("ended")
os.kill(os.getpid(), signal.SIGTERM)
"""

    def run(self, path: Path, times: int) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).parents[3]
        folders = os.pathsep.join([str(Path(__file__).parent), str(root)])
        command = [sys.executable, "-c", self.CODE, str(path), str(times)]
        environment = {**os.environ, "PYTHONPATH": folders, "PYTHONUNBUFFERED": "1"}
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    def test_sigterm_leaves_the_rest_to_a_resume(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        result = self.run(path, 1)
        assert result.stdout == f"returned 7 {signal.SIGTERM}\nended\n"
        assert "the signal again stops at once" in result.stderr
        assert result.returncode == -signal.SIGTERM  # what came afterwards is as it was
        whole = build()
        whole.run()
        resumed = resume(path, fitness_func=total)
        resumed.run()
        assert_equal(resumed, whole)

    def test_a_second_sigterm_ends_it_at_once(self, tmp_path: Path) -> None:
        result = self.run(tmp_path / "run", 2)
        assert result.stdout == "ended\n"
        assert result.returncode == 128 + signal.SIGTERM
        assert not (tmp_path / ".run.lock").exists()

    def test_workers_are_ended_by_it_as_ever(self, tmp_path: Path) -> None:
        worker = multiprocessing.get_context("fork").Process(
            target=lambda: build(on_generation=lambda ga: time.sleep(0.1)).run()
        )
        worker.start()
        time.sleep(0.5)
        worker.terminate()
        worker.join(10)
        assert worker.exitcode == -signal.SIGTERM


def test_networks_are_tied_again(tmp_path: Path) -> None:
    networks = np.zeros((10, 6), np.float32)
    rows = [row.view(Vector) for row in np.zeros((10, 6))]
    rows[0].networks_array = networks
    build(Checkpoint(tmp_path / "run"), num_generations=2).run()
    resumed = resume(tmp_path / "run", fitness_func=total, initial_population=rows)
    np.testing.assert_array_equal(networks, resumed.population.astype(np.float32))


def places(tree: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Where a header has a key, or a value that is no list and no dictionary."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inside:
        if isinstance(tree, dict):
            yield "key", *above, key
        if isinstance(value, dict | list):
            yield from places(value, *above, key)
        else:
            yield "value", *above, key


def spoil(tree: Any, what: str, *place: Any) -> None:
    """Put into a header what would steer a terminal."""
    *above, last = place
    for key in above:
        tree = tree[key]
    if what == "key":
        tree[f"{last}\x1b[31m"] = tree.pop(last)
    else:
        tree[last] = "\x1b[31m"


class TestRefused:
    @pytest.fixture(scope="class")
    @staticmethod
    def path(tmp_path_factory: Any) -> Path:
        path = Path(tmp_path_factory.mktemp("refused"), "run")
        build(
            History(),
            Checkpoint(path),
            fitness_func=Batches(),
            num_generations=3,
            gene_space={"low": -1, "high": 1},
            on_start=print_nothing,
        ).run()
        return path

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"fitness_func": total}, "fitness_func was Batches and is total"),
            ({"fitness_func": Batches(2.0)}, r"scale of fitness_func was 1\.0 and is 2\.0"),
            ({"callbacks": []}, r"callbacks were \['History'\] and are \[\]"),
            ({"callbacks": [EarlyStopping(3)]}, r"and are \['EarlyStopping'\]"),
            ({"on_start": None}, "on_start was print_nothing and is None"),
            ({"crossover_type": "uniform"}, "crossover_type was 'single_point' and is 'uniform'"),
            ({"gene_type": np.float32}, "gene_type was .*float.* and is .*float32"),
            ({"gene_space": {"low": -1, "high": 2}}, "gene_space was"),
            ({"random_seed": 6}, "random_seed was 5 and is 6"),
        ],
    )
    def test_other_runs(self, path: Path, changes: dict[str, Any], message: str) -> None:
        same = {"fitness_func": Batches(), "callbacks": [History()], "on_start": print_nothing}
        resume(path, **same, gene_space={"low": -1, "high": 1}, sol_per_pop=10)
        with pytest.raises(ValueError, match=f"run is of another run: .*{message}"):
            resume(path, **same | changes)

    def test_other_images_are_named_and_not_their_checksum(self, tmp_path: Path) -> None:
        X, y = np.eye(4), [0, 1, 1, 0]
        model = cnn.Model([cnn.Input1D(4), cnn.Dense(2)], random_seed=0)
        networks = gacnn.GACNN(model, 4, random_seed=0)
        run: Any = {"num_generations": 2, "checkpoint": tmp_path / "run", "verbose": False}
        networks.train(X, y, **run)
        with pytest.raises(ValueError, match="images of fitness_func are others of the same shape"):
            networks.train(X[::-1], y, **run, resume=True)

    def test_functions_that_are_not_given(self, path: Path) -> None:
        with pytest.raises(ValueError, match="on_start was print_nothing and is not given"):
            resume(path, fitness_func=Batches(), callbacks=[History()])

    def test_model_of_an_operator_must_be_given_again(self, tmp_path: Path) -> None:
        def crossover(units: int) -> FilterCrossover:
            return FilterCrossover(cnn.Model([cnn.Input1D(1), cnn.Dense(units)]))

        path = tmp_path / "run"
        build(Checkpoint(path), crossover_type=crossover(3), num_generations=2).run()
        resume(path, fitness_func=total, crossover_type=crossover(3), num_generations=4).run()
        with pytest.raises(ValueError, match=r"crossover_type was FilterCrossover.* is not given"):
            resume(path, fitness_func=total)
        with pytest.raises(ValueError, match=r"crossover_type was .*6 weights.* is .*8 weights"):
            resume(path, fitness_func=total, crossover_type=crossover(4))

    def test_operators_of_an_older_version_know_fewer_settings(self, tmp_path: Path) -> None:
        path = tmp_path / "run"
        build(Checkpoint(path), crossover_type="recombination", num_generations=2).run()
        header, arrays = files.load_arrays(path, store.FORMAT)
        kept = header["identity"]["settings"]["crossover_type"]["$operator"][2]
        del kept["final_weight_decay"]
        files.save_arrays(path, header, arrays)
        resume(path, fitness_func=total, crossover_type="recombination", num_generations=4).run()

    def test_unknown_settings_and_too_few_generations(self, path: Path) -> None:
        same = {"fitness_func": Batches(), "callbacks": [History()], "on_start": print_nothing}
        with pytest.raises(TypeError, match="no setting colour"):
            resume(path, **same, colour="red")
        with pytest.raises(ValueError, match="at least the 3 done already, not 2"):
            resume(path, **same, num_generations=2)

    def test_missing_files_and_folders(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            resume(tmp_path / "none", fitness_func=total)
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*none for run"):
            build(Checkpoint(tmp_path / "none" / "run")).run()

    def test_foreign_files(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "arrays.npz", population=np.zeros(3))
        (tmp_path / "empty").touch()
        for name in ("arrays.npz", "empty"):
            with pytest.raises(ValueError, match=f"{name} is damaged or not a file of"):
                resume(tmp_path / name, fitness_func=total)

    def test_a_damaged_file(self, path: Path, tmp_path: Path) -> None:
        for file in path.parent.iterdir():
            shutil.copy(file, tmp_path)
        with open(tmp_path / "run", "r+b") as file:
            file.truncate(path.stat().st_size - 1)
        with pytest.raises(ValueError, match="run is damaged"):
            resume(tmp_path / "run", fitness_func=Batches(), callbacks=[History()])

    @pytest.mark.parametrize("key", ["population", "course", "best", "kept", "operators"])
    def test_what_lacks_something(self, path: Path, tmp_path: Path, key: str) -> None:
        """As a checkpoint of another version may."""
        for file in path.parent.iterdir():
            shutil.copy(file, tmp_path)
        identity, tree = store.read(path)
        del tree[key]
        writer = store.Store(tmp_path / "run")
        writer.open(identity)
        writer.write(tree)
        writer.close()
        same = {"fitness_func": Batches(), "callbacks": [History()], "on_start": print_nothing}
        with pytest.raises(ValueError, match=f"run is damaged, or of another version: .*'{key}'"):
            resume(tmp_path / "run", **same)

    def test_words_of_a_stranger_do_not_steer_a_terminal(self, path: Path, tmp_path: Path) -> None:
        """Whatever name or text of a checkpoint is another: an error, or no difference."""
        same = {"fitness_func": Batches(), "callbacks": [History()], "on_start": print_nothing}
        header, arrays = files.load_arrays(path, store.FORMAT)
        for file in path.parent.glob("run.*"):
            shutil.copy(file, tmp_path)
        for place in list(places(header)):
            forged = copy.deepcopy(header)
            spoil(forged, *place)
            files.save_arrays(tmp_path / "run", forged, arrays)
            shown = ""
            try:
                resume(tmp_path / "run", **same, num_generations=4).run()
            except (ValueError, TypeError, OSError) as error:
                shown = "".join(traceback.format_exception(error))
            assert "\x1b" not in shown, place

    def test_what_cannot_be_kept(self, tmp_path: Path) -> None:
        class Odd(Callback):
            def state(self) -> dict[str, Any]:
                return {"file": sys.stdout}

        with pytest.raises(TypeError, match="cannot be stored") as caught:
            build(Odd(), Checkpoint(tmp_path / "run")).run()
        assert caught.value.__notes__ == ["raised by Checkpoint.commit in commit"]
        assert os.listdir(tmp_path) == []


def print_nothing(ga: Any) -> None:
    pass


def test_only_the_checkpoint_is_left(tmp_path: Path) -> None:
    build(Checkpoint(tmp_path / "run"), num_generations=4).run()
    assert sorted(os.listdir(tmp_path)) == ["run", "run.best.jsonl"]


# Runs in a process of its own, in which every child that it forks runs or resumes, and is killed.
KILLER = """
import os, random, signal, sys, time
import numpy as np
from test_checkpoint import *

folder, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
path, log, chance = folder / "run", folder / "log", random.Random(seed)


class Log(Callback):
    is_part_of_run = False

    def __init__(self):
        self.file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_generation(self, ga):
        os.write(self.file, b"evaluated %d\\n" % ga.generations_completed)

    def commit(self, ga):  # after the checkpoint's
        os.write(self.file, b"written %d\\n" % ga.generations_completed)


def die_at(call):
    \"\"\"Kill this process before a call of the system that a checkpoint makes.\"\"\"
    left = [call]
    def patched(function):
        def call_or_die(*values, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*values, **options)
        return call_or_die
    for name in ("open", "link", "replace", "fsync", "unlink", "fstat", "lstat", "chmod"):
        setattr(os, name, patched(getattr(os, name)))


def child(call):
    callbacks = [History(), Checkpoint(path, every=1), Log()]
    ga = killed_run(path, callbacks)
    if call:
        die_at(call)
    ga.run()
    os._exit(0)


for number in range(rounds):
    call = chance.randrange(1, 60) if number % 2 else 0
    pid = os.fork()
    if not pid:
        child(call)
    if not call:
        time.sleep(chance.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    lines = log.read_text().split("\\n")[:-1] if log.exists() else []
    evaluated = max((int(line.split()[1]) for line in lines if line[0] == "e"), default=0)
    written = max((int(line.split()[1]) for line in lines if line[0] == "w"), default=0)
    found = resume(path, **KILLED_AGAIN()).generations_completed if path.exists() else 0
    assert written <= found <= evaluated <= found + 1, (written, found, evaluated)
    print(found, os.WIFSIGNALED(status), flush=True)
    if not os.WIFSIGNALED(status):
        break
"""
KILLED: dict[str, Any] = CASES["best saved"] | {"num_generations": 200, "num_genes": 500}


def KILLED_AGAIN() -> dict[str, Any]:  # noqa: N802
    return {"fitness_func": total, "callbacks": [History()]}


def killed_run(path: Path, callbacks: list[Callback]) -> GA:
    """A new run, or the rest of one."""
    if path.exists():
        return resume(path, fitness_func=total, callbacks=callbacks)
    return build(*callbacks, **KILLED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes to kill")
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments(seed: int, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path), str(seed), "80"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(root)])},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    kills = [line for line in result.stdout.splitlines() if line.endswith("True")]
    assert len(kills) >= 20
    whole = build(History(), **KILLED)
    whole.run()
    resumed = killed_run(tmp_path / "run", [History()])
    resumed.run()
    assert_equal(resumed, whole)
