"""A population scored by Dask's workers: the same bits whatever happens to them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness import executors, shards, worker

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")

LIMIT = 60  # seconds that a test may take
# New workers may take more than ten seconds to come on a busy machine, which is then said.
ALL_DIE = pytest.mark.filterwarnings("ignore:.*has had no worker for 10 seconds:UserWarning")
SHARD = 3
QUIET = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}

rng = np.random.default_rng(0)
y = np.arange(120) % 3
X = rng.normal(size=(120, 6, 6, 1)).astype(np.float32) + y[:, None, None, None]


@pytest.fixture(autouse=True)
def _bounded():
    """No test waits longer than so much for what never comes."""

    def over(*_):
        pytest.fail(f"longer than {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each of which comes again however often it is killed.

    A cluster gives a worker up that is away 15 seconds after it was killed, also when it was back
    meanwhile and has been killed again.
    """
    environment = dict(os.environ)
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with patient, distributed.LocalCluster(n_workers=2, **QUIET) as local:
        os.environ.clear()
        os.environ.update(environment)  # Dask leaves its own in it
        yield local


@pytest.fixture
def client(cluster):
    cluster.scale(2)
    with distributed.Client(cluster) as connected:
        connected.wait_for_workers(2, timeout=30)
        wait_until(lambda: len(connected.nthreads()) == 2)
        yield connected


def wait_until(holds, seconds=100):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


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


def metric_of(seconds=0.0):
    """A metric that takes so long; a local function, which goes by value."""

    def right(outputs, labels):
        time.sleep(seconds)
        return float(outputs[np.arange(len(labels)), labels].mean())

    return right


def train(executor=None, *, seconds=0.0, generations=5, metric=None, **options):
    given = {
        "num_generations": generations,
        "metric": metric or metric_of(seconds),
        "batch_size": 40,
        "augment": gacnn.augment.Shift(0.5),
        "validation": None,
        "verbose": False,
        "shard": SHARD,
        **options,
    }
    return gacnn.GACNN(network(), 12, random_seed=0).train(X, y, executor=executor, **given)


@pytest.fixture(scope="module")
def expected():
    """The last population without any executor."""
    return train().ga.population


def pids(client):
    """The processes of the workers that answer: one that was killed may still be listed."""
    return client.run(os.getpid, on_error="ignore")


def at_generation(number, action):
    def act(ga):
        if ga.generations_completed == number:
            action()

    return [gacnn.LambdaCallback(on_generation=act)]


def at_work(client, action):
    """Do something as soon as all workers have tasks: a clock may run out before or after that."""

    def watch():
        while not all(client.processing().values()):
            time.sleep(0.005)
        action()

    threading.Thread(target=watch, daemon=True).start()


def soon(action, seconds=0.06):
    """Start a clock that does something in a while."""
    clock = threading.Timer(seconds, action)
    clock.daemon = True
    clock.start()


def kill(processes, number=signal.SIGKILL):
    for process in processes:
        os.kill(process, number)


# Bits


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bits(workers, client, cluster, expected):
    cluster.scale(workers)
    wait_until(lambda: len(client.nthreads()) == workers)
    result = train(client)
    assert np.array_equal(result.ga.population, expected)
    answered = result.ga.evaluator.shards.answered
    assert 1 <= len(answered) <= workers
    assert sum(answered.values()) == 4 * 6


def test_address_cluster_and_threads_give_the_same_bits(cluster, expected):
    assert np.array_equal(train(cluster).ga.population, expected)
    assert np.array_equal(train(cluster.scheduler_address).ga.population, expected)
    threads = {"processes": False, "n_workers": 1, "threads_per_worker": 2}
    with distributed.Client(dashboard_address="127.0.0.1:0", **threads) as inside:
        assert np.array_equal(train(inside).ga.population, expected)


def test_data_travel_once_a_worker_and_no_future_stays(client, monkeypatch):
    given = []
    run = executors.DaskWorkers.run

    def counted(self, function, rows, places=None):
        given.extend(places or ())
        return run(self, function, rows, places)

    monkeypatch.setattr(executors.DaskWorkers, "run", counted)
    train(client, metric="accuracy")
    assert sorted(given) == sorted(client.nthreads())
    assert client.futures == {}
    wait_until(lambda: client.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks))
    train(client, metric="accuracy")
    assert len(given) == 2, "another run on the same data has them"


def test_scheduler_does_not_keep_what_has_passed_it(client):
    train(client, generations=20)

    def kept(dask_scheduler):
        return [len(each.recent_message_log) for each in dask_scheduler.stream_comms.values()]

    assert max(client.run_on_scheduler(kept)) <= executors.KEPT_MESSAGES
    assert len(client.scheduler_comm.recent_message_log) <= executors.KEPT_MESSAGES


def test_what_dask_keeps_of_a_run_does_not_grow_with_its_generations(client, monkeypatch):
    monkeypatch.setattr(executors, "NAMES", 16)

    def kept(dask_scheduler):
        spans = dask_scheduler.extensions["spans"].spans.values()
        return len(spans), sum(len(span.groups) for span in spans)

    before = client.run_on_scheduler(kept)
    names = set()
    listed = client.map

    def noted(*arguments, key, **options):
        names.update(key)
        return listed(*arguments, key=key, **options)

    monkeypatch.setattr(client, "map", noted)
    train(client, generations=20, metric="accuracy")
    spans, groups = np.subtract(client.run_on_scheduler(kept), before)
    assert len(names) <= 16
    assert spans == 1
    assert groups <= 3, "tasks that take the data with them are there before a future is kept"


def test_a_name_that_comes_again_has_a_result_of_its_own(client, monkeypatch):
    monkeypatch.setattr(executors, "NAMES", 8)
    found = executors.DaskWorkers(client)
    with found.session():
        for first in range(0, 400, 4):
            rows = [(-number,) for number in range(first, first + 4)]
            assert found.run(abs, rows) == [first, first + 1, first + 2, first + 3]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_workers_keep_freed_memory(client):
    train(client)

    def faults():
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            np.empty(20 * 2**20, np.uint8).fill(1)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert client.submit(lambda: os.environ["MALLOC_TRIM_THRESHOLD_"]).result() == "65536"
    client.submit(faults, pure=False).result()
    assert client.submit(faults, pure=False).result() < 3 * 20 * 256


# Faults


@ALL_DIE
@pytest.mark.parametrize("number", [1, 2])
def test_workers_that_are_killed_in_a_generation(number, client, expected):
    victims = list(pids(client).values())[:number]
    callbacks = at_generation(2, lambda: at_work(client, lambda: kill(victims)))
    result = train(client, seconds=0.02, callbacks=callbacks)
    assert np.array_equal(result.ga.population, expected)
    wait_until(lambda: len(set(pids(client).values()) - set(victims)) == 2)


@ALL_DIE
def test_the_only_holder_of_the_data_is_killed(client, cluster, expected):
    cluster.scale(1)
    wait_until(lambda: len(client.nthreads()) == 1)
    callbacks = at_generation(2, lambda: kill(pids(client).values()))
    result = train(client, callbacks=callbacks)
    assert np.array_equal(result.ga.population, expected)
    assert len(result.ga.evaluator.shards.answered) == 2


@ALL_DIE
def test_all_workers_are_gone_that_the_data_were_on_their_way_to(client, cluster, expected):
    """Dask would keep these tasks for them, for ever."""
    cluster.scale(1)
    wait_until(lambda: len(client.nthreads()) == 1)
    (victim,) = pids(client).values()

    def once(outputs, labels):
        if os.getpid() == victim:
            os._exit(1)
        return float(outputs[np.arange(len(labels)), labels].mean())

    assert np.array_equal(train(client, metric=once).ga.population, expected)


@ALL_DIE
def test_metric_that_ends_every_process(client, cluster):
    cluster.scale(1)
    wait_until(lambda: len(client.nthreads()) == 1)
    with pytest.raises(
        ConnectionError, match=r"a task has taken 4 workers with it.*the metric ends"
    ):
        train(client, metric=lambda outputs, labels: os._exit(1))


def test_worker_that_stops_for_seconds(client, expected):
    victim = [next(iter(pids(client).values()))]

    def stop():
        kill(victim, signal.SIGSTOP)
        soon(lambda: kill(victim, signal.SIGCONT), 2)

    start = time.monotonic()
    callbacks = at_generation(2, lambda: at_work(client, stop))
    result = train(client, seconds=0.02, callbacks=callbacks)
    assert np.array_equal(result.ga.population, expected)
    assert time.monotonic() - start > 2


def test_late_worker_is_used_from_its_next_generation(client, cluster, expected):
    there = set(client.nthreads())
    noted = {}

    def add():
        cluster.scale(3)
        client.wait_for_workers(3, timeout=20)

    def note(ga):
        noted[ga.generations_completed] = set(ga.evaluator.shards.answered)

    callbacks = [*at_generation(2, add), gacnn.LambdaCallback(on_generation=note)]
    result = train(client, seconds=0.02, callbacks=callbacks)
    assert np.array_equal(result.ga.population, expected)
    assert noted[2] <= there
    assert noted[3] - there


@contextmanager
def process(*arguments, **options):
    """A process of our own, which is killed at the end."""
    started = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, **options)
    try:
        yield started
    finally:
        started.kill()
        started.wait(10)


def test_scheduler_that_is_killed_and_a_run_that_goes_on(tmp_path, expected):
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
    checkpoint = tmp_path / "run.checkpoint"
    with (
        process(*dask, "scheduler", "--port", "0", *quiet) as scheduler,
        process(*dask, "worker", "--nthreads", "1", "--no-nanny", *quiet),
    ):
        wait_until(file.exists)
        with distributed.Client(scheduler_file=str(file), timeout=20) as client:
            address = client.scheduler.address
        options = {"seconds": 0.01, "checkpoint": checkpoint}
        callbacks = at_generation(2, lambda: soon(scheduler.kill, 0.03))
        with pytest.raises(ConnectionError, match=r"is gone.*resume=True") as error:
            train(address, callbacks=callbacks, **options)
    assert address in str(error.value)
    assert str(checkpoint) in error.value.__notes__[0]
    assert gacnn.checkpoints.checkpoint.describe(checkpoint)["generations"] < 5
    result = train(resume=True, callbacks=at_generation(9, None), **options)
    assert np.array_equal(result.ga.population, expected)


CTRL_C = """
import os, signal, sys, threading, time
sys.path.insert(0, {folder!r})
from test_dask import *

if __name__ == "__main__":
    with distributed.Client(n_workers=2, **QUIET) as client:
        workers = sorted(pids(client).values())
        def press(times):
            for _ in range(times):
                os.killpg(0, signal.SIGINT)  # as a terminal does
                time.sleep(0.1)
        callbacks = at_generation(2, lambda: soon(lambda: press(1)))
        result = train(client, seconds=0.02, callbacks=callbacks)
        print(result.ga.interrupted, result.ga.generations_completed, flush=True)
        try:
            train(client, seconds=0.1, callbacks=at_generation(1, lambda: soon(lambda: press(2))))
        except KeyboardInterrupt:
            wait_until(lambda: not client.futures)
            print("stopped at once", sorted(pids(client).values()) == workers)
"""


def test_ctrl_c_ends_a_run_after_the_generation_and_twice_at_once(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(CTRL_C.format(folder=str(Path(__file__).parent)))
    run = subprocess.run(
        [sys.executable, script],
        check=True,
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=LIMIT,
    )
    assert run.stdout.splitlines() == ["True 3", "stopped at once True"], run.stderr


def test_metric_that_fails_is_named_with_the_solution(client):
    first = train().ga.initial_population[7]
    bad = float(network().forward(X[:1], first[None])[0, 0, 0])

    def picky(outputs, labels):
        if abs(outputs[0, 0] - bad) < 1e-6:
            raise KeyError("no such thing")
        return 0.0

    errors = []
    for executor in (None, client):
        options = {"metric": picky, "batch_size": None, "augment": None, "executor": executor}
        with pytest.raises(gacnn.MetricError) as error:
            train(**options)
        errors.append(str(error.value))
    assert errors[0] == errors[1]
    assert "picky failed for solution 7: it raised KeyError: 'no such thing'" in errors[0]


def test_no_worker_is_said(monkeypatch, expected):
    monkeypatch.setattr(executors, "PATIENCE", 1.5)
    monkeypatch.setattr(executors, "POLL", 0.5)
    with distributed.LocalCluster(n_workers=0, **QUIET) as empty:
        soon(lambda: empty.scale(1), 3)
        with pytest.warns(UserWarning, match="has had no worker for 2 seconds: waiting"):
            result = train(empty)
    assert np.array_equal(result.ga.population, expected)


def test_scheduler_with_another_version_is_refused(client, monkeypatch):
    monkeypatch.setattr(executors, "prepare_scheduler", lambda dask_scheduler: "0.0.1")
    with pytest.raises(ConnectionError, match=r"scheduler at .* has gacnn 0\.0\.1, and this is"):
        train(client)


@contextmanager
def version_on(client, workers, version):
    def become(version):
        worker.VERSION = version

    client.run(become, version, workers=workers)
    try:
        yield
    finally:
        client.run(become, worker.VERSION, workers=workers)


def test_worker_with_another_version_is_refused_by_name(client, expected):
    other, _ = sorted(client.nthreads())
    with (
        version_on(client, [other], "0.0.1"),
        pytest.warns(UserWarning, match=f"{other} has gacnn 0.0.1, and this is gacnn "),
    ):
        result = train(client, seconds=0.005)
    assert np.array_equal(result.ga.population, expected)
    assert other not in result.ga.evaluator.shards.answered
    with version_on(client, None, "0.0.1"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the first of the two
        with pytest.raises(ConnectionError, match=r"has gacnn 0\.0\.1.*install the same version"):
            train(client)


def test_worker_with_other_bits_is_named(monkeypatch):
    own = cnn.engines.numpy.threads.blas_kernels()
    if own not in ("SkylakeX", "Haswell"):
        pytest.skip(f"OpenBLAS has no two kernels for {own}")
    other = "Haswell" if own == "SkylakeX" else "Nehalem"
    monkeypatch.setenv("OPENBLAS_CORETYPE", other)
    with distributed.LocalCluster(n_workers=1, **QUIET) as local:
        (address,) = local.scheduler.workers
        with pytest.warns(UserWarning, match=f"{address} computes other bits .BLAS kernel {other}"):
            train(local, generations=1)


def test_worker_that_a_task_takes_with_it_again_and_again(client, cluster, monkeypatch):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)

    def deadly(outputs, labels):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(ConnectionError, match="has taken 2 workers with it"):
        train(client, metric=deadly, shard=12)


# Bad input


def test_clients_that_are_no_good(cluster):
    closed = distributed.Client(cluster)
    closed.close()
    with distributed.LocalCluster(n_workers=0, **QUIET) as local:
        pass
    with pytest.raises(ValueError, match="executor is a LocalCluster that is closed"):
        train(local)
    with pytest.raises(ValueError, match="executor is a Client that is closed"):
        train(closed)

    async def give_a_waiting_one():
        async with distributed.Client(cluster.scheduler_address, asynchronous=True) as waiting:
            with pytest.raises(ValueError, match="executor is an asynchronous Client"):
                train(waiting)

    asyncio.run(give_a_waiting_one())


def test_addresses_that_are_no_good(monkeypatch):
    monkeypatch.setattr(executors, "CONNECT", 0.5)
    with pytest.raises(
        ConnectionError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 "
    ):
        train("tcp://127.0.0.1:1")
    with pytest.raises(ValueError, match="such as \"tcp://host:8786\", not 'localhost:8786'"):
        train("localhost:8786")


def test_plan_says_what_travels_and_whether_it_pays(client):
    options = {"batch_size": 40, "shard": SHARD, "metric": metric_of(0.1)}
    plan = gacnn.GACNN(network(), 12, random_seed=0).plan(X, y, executor=client, **options)
    way = plan.distribution
    assert way.workers == 2
    assert way.tasks == 4
    assert way.sent == 12 * network().num_weights * 4 + 4 * 40 * 8
    assert way.received == 12 * 8
    assert way.pays
    assert "2 workers" in str(plan)
    options["metric"] = "accuracy"
    plan = gacnn.GACNN(network(), 12, random_seed=0).plan(X, y, executor=client, **options)
    assert not plan.distribution.pays
    assert "slower there, so leave the executor out" in str(plan)


def test_command_line_takes_a_scheduler(cluster, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    from gacnn.command.main import main

    monkeypatch.setattr("gacnn.command.run_folder.RunFolder._draw", lambda *_: None)

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    def begin(name, *options):
        own = ["--generations", 2, "--population", 8, "--batch-size", 32]
        return command("train", "digits", "--out", tmp_path / name, *own, *options)

    scheduler = "--scheduler", cluster.scheduler_address
    for name in ("there", "then_here"):
        assert begin(name, *scheduler)[0] == 0
    assert command("resume", tmp_path / "there", "--generations", 4, *scheduler)[0] == 0
    assert command("resume", tmp_path / "then_here", "--generations", 4)[0] == 0
    last = [cnn.load(tmp_path / name / "model.npz").weights for name in ("there", "then_here")]
    assert np.array_equal(*last)

    monkeypatch.setattr(executors, "CONNECT", 0.5)
    code, said = begin("nowhere", "--scheduler", "tcp://127.0.0.1:1")
    assert code == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:1 " in said
    assert not (tmp_path / "nowhere").exists()

    assert begin("here")[0] == 0
    settings = tmp_path / "here/settings.json"
    known = json.loads(settings.read_text())
    assert known.pop("shard") is None
    settings.write_text(json.dumps(known))  # as it was before there were shards
    code, said = command("resume", tmp_path / "here", "--generations", 4, *scheduler)
    assert code == 1
    assert "was begun without --scheduler" in said
    assert command("resume", tmp_path / "here", "--generations", 4)[0] == 0


def test_shards_of_families_on_workers(client):
    options = {
        "mutation_type": gacnn.GaussianMutation(0.05, nested=True, mirrored=True),
        "crossover_type": gacnn.WeightedRecombination("fitness", 1.0, 0.1),
        "keep_elitism": 0,
        "keep_parents": 0,
        "shard": 4,
    }
    here, there = train(**options), train(client, **options)
    assert np.array_equal(here.ga.population, there.ga.population)
    assert there.ga.evaluator.shards.size == 4
    assert shards.checked_shard(None, client) == "auto"
