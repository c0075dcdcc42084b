"""Evolve a small CNN on scikit-learn's digits: `python examples/digits.py`, and `--resume`.

Writes the fitness curve, the network and a checkpoint to the folder runs/digits. A run that was
stopped with Ctrl-C, or killed, is finished by `--resume`, with the same `--generations` if it had
any; a longer `--time-limit` lets a finished one go on.
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
    """A network of 2,730 weights for images of 8 x 8."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=1,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-limit", type=float, default=40, help="seconds in all (40)")
    parser.add_argument("--generations", type=int, help="generations in all (no limit)")
    parser.add_argument("--out", type=Path, default=Path("runs/digits"), help="results")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments = parser.parse_args()

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(network(), end="\n\n")

    result = gacnn.GACNN(network(), random_seed=1).train(
        X,
        y,
        num_generations=arguments.generations,
        time_limit=arguments.time_limit,
        augment=gacnn.augment.Shift(0.5),
        checkpoint=arguments.out / "checkpoint",
        resume=arguments.resume,
    )
    result.model.save(arguments.out / "model.npz")
    axes = plots.fitness(result.history)
    axes.figure.savefig(arguments.out / "fitness.png", dpi=120)
    print(f"The picture is {arguments.out / 'fitness.png'}.")

    accuracy = np.mean(result.model.predict(X_test) == y_test)
    print(
        f"\n{result.ga.generations_completed} generations; on {len(X_test)} images never seen "
        f"before, {accuracy:.1%} are right. Results are in {arguments.out}."
    )


if __name__ == "__main__":
    main()
