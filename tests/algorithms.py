"""Genetic algorithms for the tests of the operators of evolution strategies."""

import numpy as np
import pygad
import pytest

import cnn
import gacnn
from gacnn.operators.names import OPERATORS, resolved

KINDS = pytest.mark.parametrize("kind", [pygad.GA, gacnn.GA])
NAMES = [(setting, name) for setting, known in OPERATORS.items() for name in known]
MUTATIONS = list(OPERATORS["mutation_type"])
PATHS = ("csa", "separable")


def network():
    layers = [
        cnn.Input2D((5, 5, 2)),
        cnn.Conv2D(3, 2, activation_function="relu"),
        cnn.Conv2D(2, 2, trainable=False),
        cnn.Conv2D(2, 1, use_bias=False),
        cnn.Flatten(),
        cnn.Dense(4, activation_function="relu"),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=0)


def network_fitness():
    rng = np.random.default_rng(0)
    return gacnn.Fitness(network(), rng.random((12, 5, 5, 2)), rng.integers(0, 3, 12))


def sphere(ga, solution, index):
    return -float(np.square(np.asarray(solution, float) - 3).sum())


def make(kind=gacnn.GA, **changes):
    """A small GA; "csa" and "separable" recombine."""
    if "initial_population" not in changes:
        changes = {"sol_per_pop": 8, "num_genes": 6} | changes
    if getattr(changes.get("mutation_type"), "lower", str)() in PATHS:
        changes = {"crossover_type": "recombination"} | changes
    given = {
        "num_generations": 5,
        "num_parents_mating": 4,
        "fitness_func": sphere,
        "init_range_low": -1,
        "init_range_high": 1,
        "random_seed": 0,
        "suppress_warnings": True,
        **changes,
    }
    if kind is pygad.GA:
        given |= {name: resolved(name, given[name]) for name in OPERATORS.keys() & given.keys()}
    return kind(**given)


class Stub(gacnn.Run):
    """A run that is what it is told."""

    progress = evaluator = seconds = None

    def __init__(self, **given):
        done, last = given["generations_completed"], given["num_generations"]
        self.__dict__.update({"progress": min(1.0, done / max(1, last)), **given})
        self.evaluator = given.get("fitness_func", gacnn.Evaluator())


def stub(population, parents=None, **changes):
    """What an operator sees of a GA: by default all solutions are parents, the best one first."""
    population = np.asarray(population)
    number = len(population)
    indices = np.arange(number) if parents is None else np.asarray(parents)
    return Stub(
        **{
            "population": population,
            "num_genes": population.shape[1],
            "gene_space": None,
            "numpy_random_generator": np.random.RandomState(0),
            "last_generation_fitness": np.arange(number, 0, -1.0),
            "last_generation_parents": population[indices],
            "last_generation_parents_indices": indices,
            "crossover_type": None,
            "mutation_type": None,
            "crossover_probability": None,
            "keep_elitism": 0,
            "keep_parents": 0,
            "generations_completed": 1,
            "num_generations": 10,
            "sort_solutions_nsga2": lambda fitness: np.argsort(-fitness, kind="stable").tolist(),
            **changes,
        }
    )


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
