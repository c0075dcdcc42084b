"""The same seed gives the same bits, today and on every machine.

The fitness is in whole numbers, and nothing here goes through BLAS, so that no processor and no
library can change a bit. The hashes are those of the code before its contracts were written down.
"""

import hashlib

import numpy as np
import pytest

import cnn
import gacnn


def network():
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(3, 3, activation_function="relu"),
        cnn.Flatten(),
        cnn.Dense(4, activation_function="softmax"),
    ]
    return cnn.Model(layers)


def whole(ga, solution, index):
    return float(np.rint(8 * np.asarray(solution)).sum())


def two(ga, solution, index):
    steps = np.rint(8 * np.asarray(solution))
    return [float(steps[:90].sum()), float(-np.abs(steps[90:]).sum())]


RUNS = {
    "scattered, adaptive": (
        {
            "crossover_type": "scattered",
            "mutation_type": "adaptive",
            "mutation_percent_genes": [20, 5],
        },
        "bdc552ca75d92248",
    ),
    "uniform, random, tournament": (
        {
            "crossover_type": "uniform",
            "mutation_percent_genes": 10,
            "parent_selection_type": "tournament",
        },
        "a7b705fe432b5b66",
    ),
    "two points, swap, rank": (
        {
            "crossover_type": "two_points",
            "mutation_type": "swap",
            "mutation_percent_genes": 10,
            "parent_selection_type": "rank",
        },
        "62be8c409d4072d1",
    ),
    "one point, few values": (
        {
            "crossover_type": "single_point",
            "mutation_percent_genes": 10,
            "gene_space": [-1, 0, 1],
            "keep_elitism": 0,
            "keep_parents": -1,
        },
        "17a6b6c66ab1fb78",
    ),
    "blend, truncation": (
        {
            "crossover_type": "blend",
            "mutation_percent_genes": 5,
            "parent_selection_type": "truncation",
        },
        "4b5e872b1d521925",
    ),
    "filters": (
        {
            "crossover_type": gacnn.FilterCrossover(model=network()),
            "mutation_percent_genes": 5,
        },
        "5a8c419599bbee7e",
    ),
    "nsga2": (
        {
            "crossover_type": "uniform",
            "mutation_percent_genes": 10,
            "parent_selection_type": "nsga2",
            "fitness_func": two,
        },
        "b1e4af17dcd4eb00",
    ),
}


def population():
    """Numbers from -1 to 1 that are eighths."""
    steps = np.random.RandomState(0).randint(-8, 9, (20, network().num_weights))
    return (steps / 8).astype(np.float32)


@pytest.mark.parametrize("name", RUNS)
def test_bits_of_a_run(name):
    settings, expected = RUNS[name]
    given = {"fitness_func": whole, "keep_elitism": 2, **settings}
    ga = gacnn.GA(
        num_generations=15,
        num_parents_mating=8,
        initial_population=population(),
        gene_type=np.float32,
        random_seed=5,
        suppress_warnings=True,
        **given,
    )
    ga.run()
    digest = hashlib.sha256()
    for array in (ga.population, np.asarray(ga.last_generation_fitness, float)):
        digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest()[:16] == expected
