"""Cost of a generation outside the fitness: gacnn.GA beside pygad.GA, in one run.

    python benchmarks/ga_loop.py [--quick]

The fitness is a column of the population, so that what is measured is the loop: selection,
crossover, mutation, the look-up of solutions scored before, elitism. Each table varies one thing
and keeps the others at uniform crossover, random mutation of 10 % of the genes, steady-state
selection, 64 solutions of float32 genes. Times are medians over generations, in milliseconds.

The last table, "strategy", is of the evolution strategy that networks are trained by, on large
populations, and beside it what NumPy takes to draw as much normal noise, in one thread.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from sys import path
from typing import Any

import numpy as np
import pygad
from numpy.typing import NDArray

path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn  # found through the line above
import gacnn
from cnn.engines.numpy.threads import available_threads
from gacnn.algorithm.ga import GA
from gacnn.training.defaults import strategy_settings

Array = NDArray[Any]
Settings = dict[str, Any]

POPULATION = 64
GENES = (5_352, 79_408)
STRATEGY = "strategy"
LARGE = (128, 1_024, 4_096)  # solutions of the strategy

TABLES: dict[str, dict[str, Settings]] = {
    "crossover": {
        kind: {"crossover_type": kind}
        for kind in ("single_point", "two_points", "uniform", "scattered")
    },
    "mutation": {
        "random, 500 genes": {"mutation_num_genes": 500},
        "random, 10 %": {},
        "random, probability 0.1": {"mutation_probability": 0.1},
        "adaptive, 20 % and 5 %": {
            "mutation_type": "adaptive",
            "mutation_percent_genes": [20, 5],
        },
        "adaptive, 0.2 and 0.05": {
            "mutation_type": "adaptive",
            "mutation_probability": [0.2, 0.05],
        },
        "swap": {"mutation_type": "swap", "mutation_percent_genes": "default"},
    },
    "crossover and mutation": {
        "scattered, adaptive": {
            "crossover_type": "scattered",
            "mutation_type": "adaptive",
            "mutation_percent_genes": [20, 5],
        },
    },
    "selection": {
        **{
            kind: {"parent_selection_type": kind}
            for kind in ("sss", "rws", "sus", "rank", "random", "tournament")
        },
        **{
            kind: {"parent_selection_type": kind, "nsga3_num_divisions": 12}
            for kind in ("nsga2", "nsga3", "tournament_nsga2", "tournament_nsga3")
        },
    },
    "histories": {
        "none": {},
        "best solutions saved": {"save_best_solutions": True},
    },
}


class Column(gacnn.Evaluator):
    """Scores a solution by its first gene, or its first two: next to no work."""

    def __init__(self, objectives: int) -> None:
        self.objectives = objectives

    def __call__(self, vectors: Array) -> Array:
        fitness = np.abs(vectors[:, : self.objectives], dtype=float)
        return fitness[:, 0] if self.objectives == 1 else fitness

    def batch(self, ga: Any, solutions: Array, indices: Any) -> Array:
        """Score a batch the way pygad.GA asks for it."""
        return self(solutions)


def generation_times(cls: type, num_genes: int, generations: int, settings: Settings) -> Array:
    """Return the seconds that each of the ``generations`` after the first took."""
    column = Column(2 if "nsga" in settings.get("parent_selection_type", "") else 1)
    stamps: list[float] = []
    ga = cls(
        **{
            "num_generations": generations + 1,
            "num_parents_mating": POPULATION // 2,
            "fitness_func": column if cls is GA else column.batch,
            "fitness_batch_size": POPULATION,
            "sol_per_pop": POPULATION,
            "num_genes": num_genes,
            "gene_type": np.float32,
            "crossover_type": "uniform",
            "mutation_percent_genes": 10,
            "on_generation": lambda ga: stamps.append(time.perf_counter()),
            "random_seed": 1,
            "suppress_warnings": True,
            **settings,
        }
    )
    ga.run()
    return np.diff(stamps)


def compare(name: str, num_genes: int, settings: Settings, budget: float) -> float:
    """Print one row: both medians and their ratio, which is returned."""
    theirs = generation_times(pygad.GA, num_genes, 1, settings)
    more = int(min(6, budget / theirs[0]))
    if more > 1:
        theirs = generation_times(pygad.GA, num_genes, more, settings)
    ours = generation_times(GA, num_genes, 30 if num_genes < 20_000 else 12, settings)
    slow, fast = 1e3 * float(np.median(theirs)), 1e3 * float(np.median(ours))
    print(f"{name:26}{num_genes:>8,}{slow:>12.1f}{fast:>10.2f}{slow / fast:>9.0f}x", flush=True)
    return slow / fast


def evojax_network() -> cnn.Model:
    """Return EvoJAX' network for MNIST, 11,274 weights."""
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            *(cnn.Conv2D(8, 5, padding="same", activation_function="relu"), cnn.MaxPooling2D(2)),
            *(cnn.Conv2D(16, 5, padding="same", activation_function="relu"), cnn.MaxPooling2D(2)),
            *(cnn.Flatten(), cnn.Dense(10, activation_function="softmax")),
        ],
        random_seed=0,
    )


def strategy(members: int, threads: int) -> None:
    """Print what a generation of the strategy takes outside the fitness, with so many threads.

    The noise is plain, as many numbers as a generation can draw.
    """
    column = Column(1)
    column.model = evojax_network()
    weights = column.model.num_weights
    column.threads = threads
    column.reevaluates = True  # as with mini-batches
    stamps: list[float] = []
    settings = strategy_settings(members, column.model, {}, one_objective=True)
    settings["mutation_type"] = replace(settings["mutation_type"], nested=False)
    ga = GA(
        num_generations=13 if members < 4_000 else 6,
        fitness_func=column,
        initial_population=np.zeros((members, weights), np.float32),
        on_generation=lambda ga: stamps.append(time.perf_counter()),
        random_seed=1,
        **settings,
    )
    ga.run()
    rng, draws = np.random.Generator(np.random.SFC64(1)), []
    for _ in range(3):
        start = time.perf_counter()
        rng.standard_normal((members // 2, weights), np.float32)  # the other half is mirrored
        draws.append(time.perf_counter() - start)
    own, drawn = 1e3 * float(np.median(np.diff(stamps))), 1e3 * float(np.median(draws))
    row = f"{members:>9,}{threads:>9}{own:>14.1f}{drawn:>12.1f}{own / drawn:>8.2f}"
    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="small networks, one row each table")
    parser.add_argument("--genes", type=int, nargs="+", help="numbers of genes to measure")
    parser.add_argument("--table", choices=(*TABLES, STRATEGY), nargs="+", help="tables to measure")
    options = parser.parse_args()
    sizes = options.genes or (GENES[:1] if options.quick else GENES)
    chosen = options.table or (*TABLES, STRATEGY)
    for table in (each for each in chosen if each != STRATEGY):
        print(f"\n{table:26}{'genes':>8}{'pygad, ms':>12}{'gacnn, ms':>10}{'ratio':>10}")
        rows = list(TABLES[table].items())
        for name, settings in rows[:1] if options.quick else rows:
            for num_genes in sizes:
                compare(name, num_genes, settings, budget=0.5 if options.quick else 4.0)
    if STRATEGY in chosen:
        print(f"\n{STRATEGY:9}{'threads':>9}{'gacnn, ms':>14}{'noise, ms':>12}{'ratio':>8}")
        for members in LARGE[:1] if options.quick else LARGE:
            for threads in sorted({1, available_threads()}):
                strategy(members, threads)


if __name__ == "__main__":
    main()
