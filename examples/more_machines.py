"""Evolve a CNN on Dask's workers: `python examples/more_machines.py`.

Two worker processes on this machine score the networks of scikit-learn's digits, each for a sixth
of the population at a time. The plan says first whether that pays. With `--scheduler tcp://…` they
are the workers of a cluster, which need this package too. Writes the fitness curve.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cnn
import gacnn
from gacnn import plots


def network() -> cnn.Model:
    """A network of 4,490 weights for images of 8 x 8."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(2),
            cnn.Conv2D(24, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scheduler", help="address of a cluster's scheduler")
    parser.add_argument("--generations", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("runs/more_machines"), help="results")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    with ExitStack() as stack:
        address = arguments.scheduler
        if address is None:
            local = LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",  # any free port
            )
            address = stack.enter_context(local).scheduler_address
        client = stack.enter_context(Client(address))

        options = {"num_generations": arguments.generations, "executor": client, "shard": 16}
        population = gacnn.GACNN(network(), 96, random_seed=1)
        print(population.plan(X, y, **options), end="\n\n")
        result = population.train(X, y, **options)

    axes = plots.fitness(result.history)
    axes.figure.savefig(arguments.out / "fitness.png", dpi=120)
    print(f"\nThe picture is {arguments.out / 'fitness.png'}.")
    accuracy = np.mean(result.model.predict(X_test) == y_test)
    tasks = result.ga.evaluator.shards.answered
    print(
        f"{len(tasks)} workers did {sum(tasks.values()):,} tasks; on {len(X_test)} images never "
        f"seen before, {accuracy:.1%} are right. Results are in {arguments.out}."
    )


if __name__ == "__main__":  # workers import this file too
    main()
