"""Evolve a small CNN on scikit-learn's digits: `python examples/digits.py`, and `--resume`.

Writes the fitness curve, the network and a checkpoint to the folder runs/digits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import cnn
import gacnn
from gacnn import plots


def network() -> cnn.Model:
    """A network of 1,610 weights for images of 8 x 8."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--generations", type=int, default=1000, help="generations to add")
    parser.add_argument("--time-limit", type=float, default=40, help="seconds (default: 40)")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/digits"), help="folder of the results"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments = parser.parse_args()

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(network(), end="\n\n")

    run = gacnn.GACNN(network(), num_solutions=64, random_seed=1)
    result = run.train(
        X,
        y,
        validation=0.15,
        batch_size=512,
        num_generations=arguments.generations,
        time_limit=arguments.time_limit,
        checkpoint=arguments.out / "checkpoint",
        resume=arguments.resume,
    )
    result.model.save(arguments.out / "model.npz")
    axes = plots.fitness(result.history)
    axes.figure.savefig(arguments.out / "fitness.png", dpi=120)

    accuracy = np.mean(result.model.predict(X_test) == y_test)
    print(
        f"\n{result.ga.generations_completed} generations; on {len(X_test)} images never seen "
        f"before, {accuracy:.1%} are right. Results are in {arguments.out}."
    )


if __name__ == "__main__":
    main()
