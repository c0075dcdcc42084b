"""Accuracy against the number of non-zero weights: `python examples/two_objectives.py`.

NSGA-II on scikit-learn's digits, with a mutation of its own that also switches weights off and
on. Starts from a trained network, and draws the front.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cnn
import gacnn
from gacnn import plots
from gacnn.operators.arrays import front_numbers


class Objectives(gacnn.Evaluator):
    """Accuracy and minus the share of non-zero weights, of vectors (P, n)."""

    def __init__(self, accuracy: gacnn.Fitness) -> None:
        self.accuracy = accuracy

    def __call__(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """Return (P, 2), higher is better."""
        return np.stack([self.accuracy(vectors), -(vectors != 0).mean(axis=1)], axis=1)


def prune(offspring: NDArray[Any], ga: gacnn.GA) -> NDArray[Any]:
    """Switch some weights of offspring (K, n) off, mostly small ones, and disturb the others."""
    rng = np.random.default_rng(ga.numpy_random_generator.randint(2**32, size=4, dtype=np.uint32))
    noise = rng.normal(0, 0.03, offspring.shape).astype(np.float32)
    offspring = np.where(offspring != 0, offspring + noise, 0)
    threshold = rng.exponential(0.03, (len(offspring), 1))  # a different one for each
    small = (abs(offspring) < threshold) & (rng.random(offspring.shape) < 0.3)
    regrown = (offspring == 0) & (rng.random(offspring.shape) < 0.002)
    offspring = np.where(small, 0, offspring) + np.where(regrown, 10 * noise, 0)
    return offspring.astype(np.float32)


def network() -> cnn.Model:
    """A network of 1,610 weights."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=0,
    )


def evolve(
    X: NDArray[Any], y: NDArray[Any], generations: int, seed: int = 0
) -> tuple[gacnn.Result, gacnn.GA]:
    """Train a network, prune its copies; return what both came to."""
    trained = gacnn.GACNN(network(), random_seed=seed).train(
        X, y, num_generations=2 * generations, verbose=False
    )
    near = gacnn.GACNN(trained.model, 100, spread=0.01, random_seed=seed)
    ga = gacnn.GA(
        num_generations=generations,
        num_parents_mating=50,
        keep_parents=-1,
        keep_elitism=0,
        initial_population=near.population_as_vectors(),
        fitness_func=Objectives(near.fitness(X, y, "accuracy")),
        gene_type=np.float32,
        parent_selection_type="nsga2",
        crossover_type=gacnn.FilterCrossover(trained.model),
        mutation_type=prune,
        callbacks=[gacnn.ProgressBar()],
        random_seed=seed,
        suppress_warnings=True,
    )
    ga.run()
    return trained, ga


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=600, help="of NSGA-II (600)")
    parser.add_argument("--out", type=Path, default=Path("runs/two_objectives"), help="results")
    arguments = parser.parse_args()

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.3, stratify=digits.target, random_state=0
    )
    trained, ga = evolve(X, y, arguments.generations)
    model = trained.model
    fitness = ga.last_generation_fitness
    front = ga.population[front_numbers(fitness) == 0]
    weights = (front != 0).sum(axis=1)
    predicted = model.forward(X_test, front).argmax(axis=2)
    unseen = (predicted == y_test).mean(axis=1)
    order = np.argsort(weights)
    print(f"\n{len(front)} networks on the front:\nweights  accuracy on unseen images")
    for index in order[np.linspace(0, len(order) - 1, min(8, len(order))).astype(int)]:
        print(f"{weights[index]:7d}  {unseen[index]:.1%}")

    zeros = 1 - weights[order] / model.num_weights
    labels = ("accuracy", "share of weights that are 0")
    ax = plots.pareto_front(fitness + np.array([0, 1]), labels)
    ax.plot(unseen[order], zeros, "x", color="C1", label="front, on unseen images")
    ax.legend()
    arguments.out.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(arguments.out / "front.png", dpi=120)
    print(f"The picture is {arguments.out / 'front.png'}.")


if __name__ == "__main__":
    main()
