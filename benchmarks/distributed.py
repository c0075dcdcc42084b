"""What a generation costs on Dask's workers, beside this process, and what a model makes of it.

    python benchmarks/distributed.py [--rounds 8] [--generations 2000]

A population of networks for MNIST is scored on a batch, by this process and by one and two worker
processes of one thread on this machine; all take turns in every round, in one order and then in
the other, and the least of each number counts. CPU is that of driver, scheduler and workers
together, and beside that of two threads the median of the rounds, and their quartiles. Workers of
Dask also look at themselves a hundred times a second, whether they work or not, so that on a busy
machine, where all takes longer, they seem to cost more; "in tasks" leaves that out, and is the
driver's CPU and that of the threads that score. Bytes are those of the
arrays, and beside them all that passes the loopback device, where it is counted: on the way to the
scheduler, and from there to the workers. The model then predicts more workers, and says what it
assumes.
With --generations, so many small ones are run, and the memory of all processes is noted.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from sys import path
from typing import Any, NamedTuple

path.pop(0)  # this folder, whose distributed is this file
path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from distributed import Client, LocalCluster

import cnn
import gacnn
from gacnn.fitness.shards import shard_size

MEMBERS, IMAGES, DATA = 64, 1000, 5000
BANDWIDTH = 125e6  # bytes a second: 1 Gb/s
HOPS = 2  # every byte goes through the scheduler
QUIET = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}


class Cost(NamedTuple):
    """Of a generation: seconds of the clock, of all CPUs, of those of driver and tasks, of the
    driver's; bytes of the device.
    """

    wall: float
    cpu: float
    in_tasks: float
    driver: float
    device: int


class Case(NamedTuple):
    """A population, its batch, and the seconds that a metric takes for a network."""

    name: str
    members: int
    images: int
    metric: float = 0.0


CASES = (
    Case("64 x 1,000", 64, 1000),
    Case("64 x 60,000", 64, 60_000),
    Case("4,096 x 10,000", 4096, 10_000),
    Case("1,024 x 1,000, metric of 5 s", 1024, 1000, 5.0),
)
WORKERS = (1, 2, 4, 10, 32, 100, 320, 1000)


def network() -> cnn.Model:
    return cnn.Model(
        [
            cnn.Input2D((28, 28)),
            cnn.Conv2D(8, 5, activation_function="relu"),
            cnn.MaxPooling2D(2),
            cnn.Conv2D(16, 3, activation_function="relu"),
            cnn.MaxPooling2D(2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=0,
    )


def device_bytes() -> int:
    """What the loopback device has sent so far; 0 where the system does not say."""
    try:
        lines = Path("/proc/net/dev").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[9]) for line in lines if line.strip().startswith("lo:")), 0)


class Spent(NamedTuple):
    """Seconds of CPU of workers: of their processes, and of their threads in tasks."""

    processes: float
    tasks: float


def count_tasks() -> None:
    """Have a worker count the CPU time of its threads in tasks; runs there."""
    from gacnn.fitness import worker

    scores = worker._Held.scores

    def counted(*arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return scores(*arguments)
        finally:
            os.environ["IN_TASKS"] = str(in_tasks() + time.thread_time() - start)

    worker._Held.scores = counted


def in_tasks() -> float:
    return float(os.environ.get("IN_TASKS", 0))


def spent(client: Client) -> Spent:
    """Return what the workers have spent so far."""
    each = client.run(lambda: (time.process_time(), in_tasks())).values()
    return Spent(*map(sum, zip(*each, strict=True)))


def measured(score: Callable[[], Any], workers: Callable[[], Spent]) -> Cost:
    """Return what a call costs."""
    before, own = workers(), time.process_time()
    start, device = time.perf_counter(), device_bytes()
    score()
    wall, device = time.perf_counter() - start, device_bytes() - device
    driver, after = time.process_time() - own, workers()
    cpu, tasks = (driver + late - early for late, early in zip(after, before, strict=True))
    return Cost(wall, cpu, tasks, driver, device)


def race(workers: int, rounds: int) -> tuple[dict[str, list[Cost]], gacnn.Fitness]:
    """Return what a generation costs in every round, by contender; and the workers' fitness."""
    rng = np.random.default_rng(0)
    model = network()
    X, y = rng.random((DATA, 28, 28, 1), np.float32), rng.integers(0, 10, DATA)
    vectors = rng.standard_normal((MEMBERS, model.num_weights), np.float32) * np.float32(0.1)
    costs: dict[str, list[Cost]] = {}
    there = "1 worker" if workers == 1 else f"{workers} workers"
    with LocalCluster(n_workers=workers, **QUIET) as cluster, Client(cluster) as client:
        client.run(count_tasks)
        own = {"batch_size": IMAGES, "shard": "auto"}
        contenders = {
            "here, 1 thread": gacnn.Fitness(model, X, y, threads=1, **own),
            "here, 2 threads": gacnn.Fitness(model, X, y, threads=2, **own),
            there: gacnn.Fitness(model, X, y, executor=client, **own),
        }
        for number in range(rounds + 1):
            turns = list(contenders.items())
            for name, fitness in turns if number % 2 else reversed(turns):
                theirs = partial(spent, client) if name == there else partial(Spent, 0.0, 0.0)
                with fitness.session():
                    fitness.draw(np.random.default_rng(number))
                    cost = measured(partial(fitness, vectors), theirs)
                if number:  # in the first the data travel
                    costs.setdefault(name, []).append(cost)
    return costs, contenders[there]


class Nothing(gacnn.Evaluator):
    """Scores at once: what is left of a generation is the genetic algorithm."""

    def __call__(self, vectors: Any) -> Any:
        return np.asarray(vectors[:, 0], float)


def algorithm_seconds(members: int, generations: int = 3) -> float:
    """Return what the genetic algorithm itself takes for a generation."""
    algorithm = gacnn.GA(
        num_generations=generations,
        num_parents_mating=members,
        initial_population=np.zeros((members, network().num_weights), np.float32),
        fitness_func=Nothing(),
        parent_selection_type="truncation",
        crossover_type=gacnn.WeightedRecombination("fitness", 1.0, 0.1),
        mutation_type=gacnn.GaussianMutation(0.05, mirrored=True),
        keep_elitism=0,
        keep_parents=0,
        gene_type=np.float32,
        suppress_warnings=True,
    )
    start = time.perf_counter()
    algorithm.run()
    return (time.perf_counter() - start) / generations


def predicted(case: Case, workers: int, image: float, task: float) -> float:
    """Return the seconds of a generation on so many workers of one thread.

    image: seconds of one core for a network and an image; task: of the driver for a task.
    """
    size = shard_size("auto", network(), case.images, case.members)
    if case.metric:
        size = 1  # as a user would say, who knows it
    tasks = math.ceil(case.members / size)
    rounds = math.ceil(tasks / workers)
    work = rounds * size * (case.images * image + case.metric)
    travel = HOPS * 4 * case.members * network().num_weights / BANDWIDTH
    return algorithm_seconds_of[case.members] + work + travel + tasks * task


algorithm_seconds_of: dict[int, float] = {}


def overhead(name: str, rounds: dict[str, list[Cost]], what: str) -> str:
    """Return a cost beside that of two threads: the median of the rounds, and their quartiles."""
    pairs = zip(rounds[name], rounds["here, 2 threads"], strict=True)
    shares = [getattr(cost, what) / base.cpu - 1 for cost, base in pairs]
    low, middle, high = statistics.quantiles(shares, n=4)
    return f"{middle:+.1%} ({low:+.0%} … {high:+.0%})"


def print_costs(costs: dict[str, Cost], overheads: dict[str, str], fitness: gacnn.Fitness) -> None:
    tasks, sent, received = fitness.shards.journey
    print(f"{MEMBERS} networks x {IMAGES:,} images, {tasks} tasks\n")
    head = "wall ms   CPU ms  driver ms   efficiency   CPU beside 2 threads, and in tasks"
    print(f"{'':21}{head}")
    for name, cost in costs.items():
        number = 2 if "2" in name else 1
        share = costs["here, 1 thread"].wall / (number * cost.wall)
        print(
            f"{name:<18}{1e3 * cost.wall:>10.0f}{1e3 * cost.cpu:>9.0f}{1e3 * cost.driver:>11.1f}"
            f"{share:>13.0%}   {overheads.get(name, '')}"
        )
    print(
        f"\nbytes of a generation: {sent:,} out, {received:,} back; on the device "
        f"{costs['2 workers'].device:,}; once to each worker {fitness.shards.data_bytes:,}\n"
    )


def print_predictions(costs: dict[str, Cost], tasks: int, task: float) -> None:
    image = costs["here, 1 thread"].cpu / (MEMBERS * IMAGES)
    for members in {case.members for case in CASES}:
        algorithm_seconds_of[members] = algorithm_seconds(members)
    print(
        "Predicted seconds of a generation, and how many times faster than one worker. Assumed:\n"
        f"{1e6 * image:.1f} us for a network and an image on every core, as measured here; whole\n"
        f'rounds of tasks of the size that "auto" gives; the driver\'s {1e3 * task:.2f} ms a task '
        "and the\ngenetic algorithm ("
        + ", ".join(
            f"{members:,}: {seconds:.2f} s" for members, seconds in algorithm_seconds_of.items()
        )
        + f") while nobody else works; every vector\n{HOPS} times over 1 Gb/s, one after the "
        "other; no validation.\n"
    )
    print(f"{'workers':<30}" + "".join(f"{number:>14,}" for number in WORKERS))
    for case in CASES:
        seconds = [predicted(case, number, image, task) for number in WORKERS]
        cells = (f"{each:,.2f} ({seconds[0] / each:,.1f})" for each in seconds)
        print(f"{case.name:<30}" + "".join(f"{cell:>14}" for cell in cells))
    both = (f"{costs[name].wall:.2f}" for name in ("1 worker", "2 workers"))
    print(f"{'64 x 1,000, fitness, measured':<30}" + "".join(f"{cell:>14}" for cell in both))


def driver_seconds_of_a_task() -> float:
    """Return what a task takes driver and scheduler, both in this process: of 64 tiny ones."""
    rng = np.random.default_rng(0)
    model = network()
    X, y = rng.random((64, 28, 28, 1), np.float32), rng.integers(0, 10, 64)
    vectors = rng.standard_normal((64, model.num_weights), np.float32)
    with LocalCluster(n_workers=2, **QUIET) as cluster:
        fitness = gacnn.Fitness(model, X, y, batch_size=2, shard=1, executor=cluster)
        with fitness.session():
            fitness(vectors)
            nothing = partial(Spent, 0.0, 0.0)
            costs = [measured(partial(fitness, vectors), nothing) for _ in range(8)]
    return min(cost.driver for cost in costs) / 64


def memory(pid: int) -> float:
    """Return the MiB that a process holds in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch(gacnn.Callback):
    """Notes the memory of driver and workers."""

    is_part_of_run = False

    def __init__(self, workers: list[int], every: int) -> None:
        self.processes, self.every = [os.getpid(), *workers], every

    def on_generation(self, ga: Any) -> None:
        if ga.generations_completed % self.every == 0 or ga.generations_completed == 100:
            held = "".join(f"{memory(process):>10.1f}" for process in self.processes)
            print(f"{ga.generations_completed:>11,}{held}", flush=True)


def print_memory(generations: int) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.random((2000, 28, 28, 1), np.float32), rng.integers(0, 10, 2000)
    print("\ngenerations    driver  worker 1  worker 2   MiB in memory, after so many")
    with LocalCluster(n_workers=2, **QUIET) as cluster, Client(cluster) as client:
        watch = Watch(list(client.run(os.getpid).values()), max(1, generations // 5))
        options = {"validation": None, "patience": None, "verbose": False}
        gacnn.GACNN(network(), MEMBERS, random_seed=0).train(
            X,
            y,
            num_generations=generations,
            batch_size=32,
            shard=16,
            executor=client,
            callbacks=[watch],
            **options,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--generations", type=int, default=0, help="to note the memory over (0)")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error(f"--rounds must be at least 2, to tell quartiles, not {options.rounds}")
    one, _ = race(1, options.rounds)
    two, fitness = race(2, options.rounds)
    overheads = {
        name: "   ".join(overhead(name, rounds, what) for what in ("cpu", "in_tasks"))
        for rounds in (one, two)
        for name in rounds
        if "here" not in name
    }
    rounds = {name: one.get(name, []) + two.get(name, []) for name in one | two}
    costs = {name: Cost(*map(min, zip(*each, strict=True))) for name, each in rounds.items()}
    print_costs(costs, overheads, fitness)
    task = driver_seconds_of_a_task()
    print_predictions(costs, fitness.shards.journey.tasks, task)
    if options.generations:
        print_memory(options.generations)


if __name__ == "__main__":
    main()
