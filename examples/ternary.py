"""A network whose weights are -1, 0 or 1: `python examples/ternary.py`.

With a `gene_space`, mutation rounds to the allowed values, around a centre of real numbers that
recombination moves. On scikit-learn's digits; draws the filters.
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
    """A network of 2,730 weights; tanh keeps the sums of so coarse weights in bounds."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function="tanh"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-limit", type=float, default=40, help="seconds (40)")
    parser.add_argument("--out", type=Path, default=Path("runs/ternary"), help="results")
    arguments = parser.parse_args()

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )
    result = gacnn.GACNN(network(), random_seed=0).train(
        X,
        y,
        gene_space=[-1, 0, 1],
        metric=gacnn.CrossEntropy(temperature=3),
        time_limit=arguments.time_limit,
    )
    values, counts = np.unique(result.model.weights, return_counts=True)
    print("\nweights:", dict(zip(values.tolist(), counts.tolist(), strict=True)))
    accuracy = np.mean(result.model.predict(X_test) == y_test)
    print(f"on {len(X_test)} images never seen before, {accuracy:.1%} are right.")

    arguments.out.mkdir(parents=True, exist_ok=True)
    plots.filters(result.model).figure.savefig(arguments.out / "filters.png", dpi=120)
    print(f"The picture is {arguments.out / 'filters.png'}.")


if __name__ == "__main__":
    main()
