"""Populations cut into shards: where the cuts lie, and the same bits here and elsewhere."""

import concurrent.futures
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cnn
import gacnn
from gacnn.fitness import executors, worker
from gacnn.fitness.batches import ALL
from gacnn.fitness.metrics import METRICS
from gacnn.fitness.shards import Shards, cuts, shard_size

rng = np.random.default_rng(0)
y = np.arange(90) % 3
X = rng.normal(size=(90, 6, 6, 1)).astype(np.float32) + y[:, None, None, None]


def network():
    return cnn.Model(
        [
            cnn.Input2D((6, 6)),
            cnn.Conv2D(4, 3, activation_function="relu"),
            cnn.GlobalAveragePooling2D(),
            cnn.Dense(3, activation_function="softmax"),
        ],
        random_seed=0,
    )


def population(members=10):
    return gacnn.GACNN(network(), members, random_seed=1).population


def train(executor=None, **options):
    given = {
        "num_generations": 4,
        "batch_size": 40,
        "augment": gacnn.augment.Shift(0.5),
        "validation": None,
        "verbose": False,
        "shard": 3,
        **options,
    }
    networks = gacnn.GACNN(network(), 10, random_seed=0)
    return networks.train(X, y, executor=executor, **given).ga.population


# Cuts


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 50))
def test_cuts_keep_families_together(families, family, size):
    """Members of a family share the first layer, and no others do."""
    model = network()
    vectors = np.repeat(np.arange(families, dtype=np.float32), family)[:, None]
    vectors = np.repeat(vectors, model.num_weights, axis=1)
    vectors[:, -1] += np.arange(len(vectors))
    parts = cuts(model, vectors, size)
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == len(vectors)
    for part in parts:
        assert 0 < part.stop - part.start <= size
        whole = part.start % family == 0 and (part.stop % family == 0)
        inside = part.start // family == (part.stop - 1) // family
        assert whole or inside


def test_cuts_of_members_that_share_nothing():
    parts = cuts(network(), population(10), 4)
    assert [(part.start, part.stop) for part in parts] == [(0, 4), (4, 8), (8, 10)]


def test_a_task_is_a_tenth_of_a_second_of_work():
    mnist = cnn.Model(
        [
            cnn.Input2D((28, 28)),
            cnn.Conv2D(8, 5),
            cnn.MaxPooling2D(2),
            cnn.Conv2D(16, 3),
            cnn.MaxPooling2D(2),
            cnn.Flatten(),
            cnn.Dense(10),
        ]
    )
    assert shard_size("auto", mnist, 1000, 64) == 16
    assert shard_size("auto", mnist, 60_000, 64) == 1
    assert shard_size("auto", mnist, 10_000, 4096) == 16
    assert shard_size(5, mnist, 1000, 64) == 5


# Bits


@pytest.mark.parametrize(
    ("metric", "weighted"), [("cross_entropy", True), *((name, False) for name in METRICS)]
)
def test_a_score_does_not_depend_on_how_many_others_are_beside_it(metric, weighted, monkeypatch):
    """Of the same outputs, that is: matrix products are another matter."""
    outputs = np.log(rng.dirichlet(np.ones(3), (10, 37))).astype(np.float32)
    vectors = np.repeat(np.arange(10, dtype=np.float32)[:, None], network().num_weights, axis=1)

    def of_vectors(self, kind, images, members):
        return np.ascontiguousarray(outputs[members[:, 0].astype(int)])

    monkeypatch.setattr("gacnn.fitness.scoring.Scorer._forward", of_vectors)
    targets = outputs[0] if metric == "mse" else y[:37]
    fitness = gacnn.Fitness(network(), X[:37], targets, metric, shard=1)
    batch = ALL._replace(weights=rng.random(37)) if weighted else ALL
    scores = [Shards(fitness.scorer, size)(vectors, batch) for size in (1, 3, 10)]
    for other in scores[1:]:
        assert np.array_equal(scores[0].fitness, other.fitness)
        if weighted:
            assert np.array_equal(scores[0].right, other.right)
    if weighted:
        right = np.exp(outputs[:, np.arange(37), y[:37]]).sum(axis=0)
        np.testing.assert_allclose(scores[0].right, right, atol=10 * 2**-24)


def test_here_threads_and_processes_give_the_same_bits():
    expected = train()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert np.array_equal(train(pool), expected)
    for workers, method in ((1, "spawn"), (2, "fork")):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
            assert np.array_equal(train(pool), expected)


KERNEL = """
import concurrent.futures, hashlib, multiprocessing, sys
sys.path.insert(0, {folder!r})
from test_shards import *

if __name__ == "__main__":
    print(cnn.engines.numpy.threads.blas_kernels())
    nested = {{
        "mutation_type": gacnn.GaussianMutation(0.05, nested=True, mirrored=True),
        "crossover_type": gacnn.WeightedRecombination("fitness", 1.0, 0.1),
        "keep_elitism": 0,
        "keep_parents": 0,
        "batch_size": None,
    }}
    spawn = multiprocessing.get_context("spawn")
    for own in ({{}}, nested):
        with concurrent.futures.ProcessPoolExecutor(2, spawn) as pool:
            for executor in (None, pool):
                options = {{"num_generations": 3, "verbose": False, "shard": 4, **own}}
                networks = gacnn.GACNN(network(), 12, random_seed=0)
                last = networks.train(X, y, executor=executor, **options).ga.population
                print(hashlib.sha256(last.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("kernel", ["SkylakeX", "Haswell"])
def test_either_kernel_of_blas_gives_the_same_bits_here_and_in_processes(kernel, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(KERNEL.format(folder=os.path.dirname(__file__)))
    run = subprocess.run(
        [sys.executable, script],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OPENBLAS_CORETYPE": kernel},
        timeout=60,
    )
    used, *bits = run.stdout.split()
    if used != kernel:
        pytest.skip(f"this processor runs {used}")
    assert bits[0] == bits[1]
    assert bits[2] == bits[3]


def test_without_shards_nothing_changes():
    fitness = gacnn.Fitness(network(), X, y)
    assert fitness.shards is None
    assert "shard" not in fitness.fingerprint()
    assert gacnn.Fitness(network(), X, y, shard=4).fingerprint()["shard"] == 4


def test_a_run_goes_on_under_another_executor(tmp_path):
    path = tmp_path / "run.checkpoint"
    expected = train()

    def stop_at(generation):
        def answer(ga):
            return "stop" if ga.generations_completed == generation else None

        return {"checkpoint": path, "callbacks": [gacnn.LambdaCallback(on_generation=answer)]}

    train(**stop_at(2))
    with pytest.raises(ValueError, match="shard of fitness_func was 3 and is 4"):
        train(**stop_at(4), resume=True, shard=4)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        last = train(pool, **stop_at(4), resume=True)
    assert np.array_equal(last, expected)


def test_resume_takes_an_executor(tmp_path):
    path = tmp_path / "run.checkpoint"
    fitness = gacnn.Fitness(network(), X, y, shard=3)

    def evolve(generations, *callbacks):
        algorithm = gacnn.GA(
            num_generations=generations,
            num_parents_mating=4,
            initial_population=population(),
            fitness_func=fitness,
            random_seed=0,
            suppress_warnings=True,
            callbacks=callbacks,
        )
        algorithm.run()
        return algorithm

    whole = evolve(4)
    evolve(2, gacnn.Checkpoint(path))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        options = {"num_generations": 4, "executor": pool}
        rest = gacnn.resume(path, fitness_func=fitness, **options)
        rest.run()
        with pytest.raises(TypeError, match="executor is for a fitness_func that is a gacnn"):
            gacnn.resume(path, fitness_func=lambda *_: 0, **options)
    assert np.array_equal(rest.population, whole.population)
    assert rest.evaluator.shards.answered.total() > 0


def test_one_network_is_scored_here():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        fitness = gacnn.Fitness(network(), X, y, executor=pool)
        assert np.array_equal(fitness(population()[:1]), fitness.on(None)(population()[:1]))
        assert fitness.shards.answered.total() == 0
        fitness(population())
        assert fitness.shards.answered.total() == 1


# What travels


class Recorder(concurrent.futures.Executor):
    """Pickles what it is given, as another process would get it, and does it at once."""

    def __init__(self):
        self.sizes, self.functions = [], set()

    def submit(self, function, /, *args, **options):
        text = pickle.dumps((function, args))
        self.functions.add(function)
        self.sizes.append(len(text))
        known, worker._here = worker._here, {}  # none of this process
        try:
            function, args = pickle.loads(text)
            future = concurrent.futures.Future()
            future.set_result(pickle.loads(pickle.dumps(function(*args))))
            return future
        finally:
            worker._here = known


def test_data_travel_once_and_then_vectors_and_indices():
    recorder = Recorder()
    worker._sent.clear()
    fitness = gacnn.Fitness(network(), X, y, batch_size=20, executor=recorder, shard=5)
    vectors = population()
    with fitness.session():
        for _ in range(3):
            fitness.draw(rng)
            fitness(vectors)
    data, own = fitness.shards.data_bytes, 5 * vectors.shape[1] * 4 + 20 * 8
    assert data > X.nbytes
    sizes = sorted(recorder.sizes, reverse=True)
    assert data < sizes[0] < data + own + 1000
    assert all(own < size < own + 1000 for size in sizes[1:])
    assert len(sizes) == 3 * 2 + 2  # two were told that the data are missing, and one got them
    assert recorder.functions == {worker.score}
    assert fitness.shards.journey == (2, 2 * own, 10 * 8)


def test_a_worker_keeps_few_data_sets():
    worker._sent.clear()
    recorder = Recorder()
    for number in range(worker.HELD + 2):
        gacnn.Fitness(network(), X + number, y, executor=recorder)(population())
    assert len(worker._sent) == worker.HELD
    worker._sent.clear()


def test_augmented_images_are_the_same_there():
    options = {"batch_size": 20, "augment": gacnn.augment.Shift(1), "shard": 4}
    here = gacnn.Fitness(network(), X, y, **options)
    there = gacnn.Fitness(network(), X, y, executor=Recorder(), **options)
    for fitness in (here, there):
        fitness.draw(np.random.default_rng(5))
    assert np.array_equal(here(population()), there(population()))


def test_a_fitness_with_an_executor_can_be_copied_and_pickled():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        fitness = gacnn.Fitness(network(), X, y, executor=pool, shard=4)
        twin = pickle.loads(pickle.dumps(fitness))
        assert np.array_equal(twin(population()), fitness(population()))


def test_ray_is_an_executor():
    class Reference:
        def __init__(self, result):
            self.result = result

        def future(self):
            done = concurrent.futures.Future()
            done.set_result(self.result)
            return done

    class Remote:
        def __init__(self, function):
            self.function = function

        def remote(self, *args):
            return Reference(self.function(*args))

    ray = types.ModuleType("ray")
    ray.remote = Remote
    assert np.array_equal(train(ray), train())


# Errors


def test_metric_that_fails_is_named_with_the_solution():
    vectors = population()
    bad = network().forward(X[:1], vectors[7][None])[0, 0, 0]

    def picky(outputs, labels):
        return np.nan if abs(outputs[0, 0] - bad) < 1e-6 else 0.0

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for executor, size in itertools.product((None, pool), (2, 10)):
            fitness = gacnn.Fitness(network(), X, y, picky, executor=executor, shard=size)
            with pytest.raises(gacnn.MetricError, match="picky failed for solution 7: it returned"):
                fitness(vectors)


def test_vectors_that_are_no_good_are_named_by_their_row():
    vectors = population()
    vectors[8, 2] = np.nan
    with pytest.raises(ValueError, match=r"vectors\[8\] holds NaN"):
        gacnn.Fitness(network(), X, y, shard=3)(vectors)


@pytest.mark.parametrize("executor", [3, "http", print, concurrent.futures.ThreadPoolExecutor])
def test_what_is_no_executor(executor):
    with pytest.raises((TypeError, ValueError), match="executor must be"):
        gacnn.Fitness(network(), X, y, executor=executor)


@pytest.mark.parametrize("shard", [0, -1, "all", 2.5, True])
def test_what_is_no_shard(shard):
    with pytest.raises((TypeError, ValueError), match="shard must be"):
        gacnn.Fitness(network(), X, y, shard=shard)


def test_an_address_needs_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'gacnn\[dask\]'"):
        gacnn.Fitness(network(), X, y, executor="tcp://127.0.0.1:8786")


def test_executors_that_return_no_future():
    class Eager:
        def submit(self, function, /, *args):
            return function(*args)

    with pytest.raises(TypeError, match="the Eager must return a future from submit, with result"):
        train(Eager())


def test_an_executor_that_is_closed():
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(ConnectionError, match="ThreadPoolExecutor takes no tasks"):
        train(pool)


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_pool_that_has_lost_a_process():
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        workers = executors.Workers(pool)
        with pytest.raises(ConnectionError, match=r"has lost a process .* make a new one; a run"):
            workers.run(kill, [()])


class Unpicklable:
    def __call__(self, outputs, labels):
        return 0.0

    def __reduce__(self):
        raise TypeError("it holds a file that is open")


def test_a_metric_that_cannot_travel_is_named_before_the_run():
    with pytest.raises(TypeError, match="Unpicklable cannot be sent to other processes: it holds"):
        train(Recorder(), metric=Unpicklable())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        train(pool, metric=Unpicklable())


def test_a_lambda_travels_where_cloudpickle_serves(monkeypatch):
    def measure(outputs, labels):
        return float(outputs.mean())

    monkeypatch.setattr(worker, "_pickler", lambda: pickle)
    with pytest.raises(TypeError, match=r"measure cannot be sent .* pip install cloudpickle"):
        train(Recorder(), metric=measure)
    monkeypatch.undo()
    pytest.importorskip("cloudpickle")
    assert np.array_equal(train(Recorder(), metric=measure), train(metric=measure))


def test_a_worker_with_another_version_is_refused_by_name(monkeypatch):
    recorder = Recorder()
    fitness = gacnn.Fitness(network(), X, y, executor=recorder)
    monkeypatch.setattr(worker, "VERSION", "0.0.1")
    task = ("0.0.2", ("here", 1), "", "", (), None)
    assert worker.score(task)[0::2] == ("version", ("0.0.1",))
    monkeypatch.setattr("gacnn.fitness.shards.VERSION", "0.0.1")
    monkeypatch.setattr(
        "gacnn.fitness.shards.worker.score", lambda *_: ("version", "there", ("9",))
    )
    with (
        pytest.raises(
            ConnectionError, match=r"worker there has gacnn 9, and this is gacnn 0\.0\.1"
        ),
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        fitness.on(pool)(population())


# Estimators


def test_estimators_take_an_executor():
    pytest.importorskip("sklearn")
    from sklearn.base import clone

    options = {"num_solutions": 8, "num_generations": 3, "random_state": 0}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        there = gacnn.CNNClassifier(executor=pool, settings={"shard": 2}, **options)
        assert clone(there).executor is pool
        there.fit(X, y)
        copied = pickle.loads(pickle.dumps(there))
    assert copied.executor is None
    here = gacnn.CNNClassifier(settings={"shard": 2}, **options).fit(X, y)
    assert np.array_equal(here.model_.weights, there.model_.weights)
    assert np.array_equal(here.predict(X), copied.predict(X))
