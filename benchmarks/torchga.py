"""A network of PyTorch evolved by pygad.torchga and, converted by cnn.from_torch, by gacnn.

    python benchmarks/torchga.py [--quick]

64 networks on 1,500 of scikit-learn's digits: a convolution of 8 filters, average pooling, a dense
layer; the fitness is minus the cross-entropy. Both get the same weights, and must give them the
same fitness. A generation has uniform crossover and random mutation of 10 % of the genes. Times
are medians of repeats that take turns, in milliseconds, on all cores there are.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from sys import path
from typing import Any

import numpy as np
import pygad
import pygad.torchga
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn  # found through the line above
import gacnn
from cnn.engines.numpy.threads import available_threads

Array = NDArray[Any]

SOLUTIONS = 64
IMAGES = 1500


def network() -> torch.nn.Sequential:
    """Return the network that is to be evolved."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(72, 10),
    )


def converted(module: torch.nn.Sequential, solutions: Array) -> Array:
    """Return vectors of pygad.torchga as vectors of the model that from_torch makes."""
    vectors = []
    for solution in solutions:
        module.load_state_dict(pygad.torchga.model_weights_as_dict(module, solution))
        vectors.append(cnn.from_torch(module, (8, 8, 1)).weights)
    return np.stack(vectors)


def torch_fitness(module: torch.nn.Sequential, X: Array, y: Array) -> Callable[..., float]:
    """Return the fitness function that the documentation of pygad.torchga describes."""
    images, labels = torch.tensor(np.moveaxis(X, -1, 1)), torch.tensor(y)

    def fitness(ga: Any, solution: Array, index: Any) -> float:
        outputs = pygad.torchga.predict(module, solution, images)
        return -torch.nn.functional.cross_entropy(outputs, labels).item()

    return fitness


def seconds(function: Callable[[], Any]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def generation(cls: type, population: Array, fitness: Any) -> float:
    """Return the seconds of one generation, the second of a run."""
    stamps: list[float] = []
    cls(
        num_generations=2,
        num_parents_mating=SOLUTIONS // 2,
        initial_population=population,
        fitness_func=fitness,
        gene_type=np.float32,
        crossover_type="uniform",
        mutation_percent_genes=10,
        on_generation=lambda ga: stamps.append(time.perf_counter()),
        random_seed=1,
        suppress_warnings=True,
    ).run()
    return stamps[1] - stamps[0]


def compare(name: str, theirs: Callable[[], float], ours: Callable[[], float], count: int) -> None:
    """Print one row: the medians of times that take turns, and their ratio."""
    times = np.array([(theirs(), ours()) for _ in range(count)])
    slow, fast = 1e3 * np.median(times, axis=0)
    print(f"{name:36}{slow:>13.1f}{fast:>11.2f}{slow / fast:>9.0f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="three repeats instead of eleven")
    repeats = 3 if parser.parse_args().quick else 11

    torch.set_num_threads(available_threads())
    digits = load_digits()
    X = (digits.images[:IMAGES, :, :, None] / 16).astype(np.float32)
    y = digits.target[:IMAGES]
    module = network()
    np.random.seed(0)  # noqa: NPY002 # the generator that TorchGA draws from
    solutions = np.array(pygad.torchga.TorchGA(module, SOLUTIONS).population_weights, np.float32)
    vectors = converted(module, solutions)
    theirs = torch_fitness(module, X, y)
    ours = gacnn.Fitness(cnn.from_torch(module, (8, 8, 1)), X, y)

    def scores() -> list[float]:
        return [theirs(None, solution, None) for solution in solutions]

    np.testing.assert_allclose(ours(vectors), scores(), rtol=1e-5)
    title = f"{SOLUTIONS} networks, cores: {available_threads()}"
    print(f"{title:36}{'torchga, ms':>13}{'gacnn, ms':>11}{'ratio':>10}")
    compare(
        "fitness of all",
        lambda: seconds(scores),
        lambda: seconds(lambda: ours(vectors)),
        repeats,
    )
    compare(
        "generation (pygad.GA, gacnn.GA)",
        lambda: generation(pygad.GA, solutions, theirs),
        lambda: generation(gacnn.GA, vectors, ours),
        repeats,
    )


if __name__ == "__main__":
    main()
