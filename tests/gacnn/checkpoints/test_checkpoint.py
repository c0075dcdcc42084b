"""Checkpoints: a run that is killed and resumed equals one that was left alone, bit for bit."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import cnn
import gacnn
from gacnn.algorithm.ga import GA
from gacnn.algorithm.ties import Vector
from gacnn.callbacks.callback import Callback, LambdaCallback
from gacnn.callbacks.history import History
from gacnn.callbacks.progress import ProgressBar
from gacnn.callbacks.stopping import EarlyStopping
from gacnn.checkpoints import array_tree as container
from gacnn.checkpoints.checkpoint import Checkpoint, resume
from gacnn.checkpoints.slot import Slot
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
    callbacks = [*watchers(case), Checkpoint(path), kill_at(generation)]
    with pytest.raises(Killed):
        build(*callbacks, **settings).run()
    callbacks = [*watchers(case), Checkpoint(path), kill_at(generation + 2)]
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
        build(*watchers(case), Checkpoint(path), kill_at(last), **settings).run()
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
        build(Checkpoint(path), kill_at(13), save_best_solutions=True).run()
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
        build(Checkpoint(tmp_path / "run"), kill_at(39), keep_elitism=1).run()
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
        build(History(), Checkpoint(tmp_path / "run"), kill_at(3), **settings).run()
    history = History()
    again = {"fitness_func": total, "on_generation": wait, "callbacks": [history]}
    resume(tmp_path / "run", **again).run()
    assert len(history) in (3, 4)  # with a clock that starts anew at least 6
    assert history["seconds"] == sorted(history["seconds"])


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


def test_every(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(Killed):
        build(Checkpoint(path, every=5), kill_at(13)).run()
    assert resume(path, fitness_func=total).generations_completed == 10
    with pytest.raises(ValueError, match="every must be at least 1"):
        Checkpoint(path, every=0)


def test_networks_are_tied_again(tmp_path: Path) -> None:
    networks = np.zeros((10, 6), np.float32)
    rows = [row.view(Vector) for row in np.zeros((10, 6))]
    rows[0].networks_array = networks
    build(Checkpoint(tmp_path / "run"), num_generations=2).run()
    resumed = resume(tmp_path / "run", fitness_func=total, initial_population=rows)
    np.testing.assert_array_equal(networks, resumed.population.astype(np.float32))


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
        stored = container.unpack(path.read_bytes())
        run = json.loads(stored["run"].tobytes())
        del run["settings"]["crossover_type"]["$operator"][2]["final_weight_decay"]
        stored["run"] = np.frombuffer(json.dumps(run).encode(), np.uint8)
        path.write_bytes(b"".join(container.pack(stored)))
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
            with pytest.raises(ValueError, match=f"{name} is damaged or no checkpoint"):
                resume(tmp_path / name, fitness_func=total)

    def test_a_spare_is_pointed_out(self, tmp_path: Path) -> None:
        (tmp_path / "run").touch()
        (tmp_path / ".run.spare").touch()
        with pytest.raises(ValueError, match=r"\.run\.spare may be the one before it"):
            resume(tmp_path / "run", fitness_func=total)

    def test_a_file_cut_anywhere(self, path: Path, tmp_path: Path) -> None:
        data = path.read_bytes()
        for size in {*range(80), *range(80, len(data), 37), len(data) - 1}:
            assert_refused(data[:size], tmp_path)
        assert_refused(data + b"\0", tmp_path)

    def test_a_bit_flipped_anywhere(self, path: Path, tmp_path: Path) -> None:
        data = path.read_bytes()
        chance = random.Random(1)
        for position in {*range(80), *range(80, len(data), 23), len(data) - 1}:
            damaged = bytearray(data)
            damaged[position] ^= 1 << chance.randrange(8)
            assert_refused(bytes(damaged), tmp_path)

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


def assert_refused(data: bytes, folder: Path) -> None:
    path = folder / "damaged"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged is damaged or no checkpoint"):
        resume(path, fitness_func=Batches(), callbacks=[History()])


def unpacked(tree: Any) -> Any:
    return container.unpack(b"".join(container.pack(tree)))


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | hnp.arrays(
        hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc"),
        hnp.array_shapes(min_dims=0),
    ),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text("xyz"), inner),
    max_leaves=8,
)


@given(tree=trees)
def test_trees_come_back(tree: Any) -> None:
    assert_same_tree(unpacked(tree), tree)


def assert_same_tree(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(other, np.ndarray | np.generic):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(other, list | tuple):
        for pair in zip(one, other, strict=True):
            assert_same_tree(*pair)
    elif isinstance(other, dict):
        assert list(one) == list(other)
        assert_same_tree(list(one.values()), list(other.values()))
    else:
        assert one == other


def test_objects_and_scalars_come_back() -> None:
    numbers = [1, 2.5, np.float32(0.1), np.int8(-3), True, np.uint64(2**64 - 1)]
    array = np.array([numbers, numbers[::-1]], dtype=object)
    result = unpacked({"array": array, "scalar": np.float32(0.1)})
    assert [type(number) for number in result["array"].flat] == [type(n) for n in array.flat]
    assert result["array"].tolist() == array.tolist()
    assert isinstance(result["scalar"], np.float32)


@pytest.mark.parametrize("bad", [object(), {3: 1}, {"$array": 0}, np.array(["a", None]), {1, 2}])
def test_what_a_tree_cannot_hold(bad: Any) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        container.pack({"bad": bad})


@given(one=st.integers(0, 4999), other=st.integers(0, 4999))
def test_two_words_that_change_places_are_noticed(one: int, other: int) -> None:
    array = np.arange(5000, dtype=np.uint64)
    data = bytearray(b"".join(container.pack(array)))
    start = len(data) - array.nbytes
    words = np.frombuffer(bytes(data[start:]), np.uint64).copy()
    words[[one, other]] = words[[other, one]]
    data[start:] = words.tobytes()
    if one != other:
        with pytest.raises(ValueError, match="checksum"):
            container.unpack(bytes(data))


class TestSlot:
    @staticmethod
    def write(slot: Any, text: str) -> None:
        slot.write([text.encode()])

    def test_the_file_is_replaced_and_its_blocks_used_again(self, tmp_path: Path) -> None:
        slot = Slot(tmp_path / "run")
        inodes = []
        for text in ("first", "second and longer", "third", "4"):
            self.write(slot, text)
            assert slot.path.read_text() == text
            inodes.append(slot.path.stat().st_ino)
        if sys.platform == "linux":
            assert inodes[0] == inodes[2] != inodes[1] == inodes[3]
        slot.release()
        assert os.listdir(tmp_path) == ["run"]

    def test_who_reads_the_old_file_reads_on(self, tmp_path: Path) -> None:
        slot = Slot(tmp_path / "run")
        self.write(slot, "first")
        with open(slot.path) as reader:
            os.link(slot.path, tmp_path / "backup")
            for text in ("second", "third", "fourth"):
                self.write(slot, text)
            assert reader.read() == "first"
        assert (tmp_path / "backup").read_text() == "first"

    def test_links_stay(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there" / "run")
        slot = Slot(tmp_path / "link")
        for text in ("first", "second", "third"):
            self.write(slot, text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "link").read_text() == "third"

    def test_a_write_that_fails_leaves_the_file(self, tmp_path: Path, monkeypatch: Any) -> None:
        slot = Slot(tmp_path / "run")
        for text in ("first", "second"):
            self.write(slot, text)

        def fail(*values: Any) -> None:
            raise OSError("no space")

        for name in ("replace", "fdatasync"):
            with monkeypatch.context() as patch:
                patch.setattr(os, name, fail)
                with pytest.raises(OSError, match="no space"):
                    self.write(slot, "third")
            assert slot.path.read_text() == "second"
        self.write(slot, "fourth")
        assert slot.path.read_text() == "fourth"

    def test_file_systems_without_links(self, tmp_path: Path, monkeypatch: Any) -> None:
        def refuse(*values: Any) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refuse)
        slot = Slot(tmp_path / "run")
        for text in ("first", "second"):
            self.write(slot, text)
        assert slot.path.read_text() == "second"


def test_only_the_checkpoint_is_left(tmp_path: Path) -> None:
    build(Checkpoint(tmp_path / "run"), num_generations=4).run()
    assert os.listdir(tmp_path) == ["run"]


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
    for name in ("open", "link", "replace", "fdatasync", "unlink", "fstat"):
        setattr(os, name, patched(getattr(os, name)))


def child(call):
    callbacks = [History(), Checkpoint(path), Log()]
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
