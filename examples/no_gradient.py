"""Maximise a measure that has no gradient: `python examples/no_gradient.py`.

scikit-learn's digits, of which only one odd digit in twenty is there to train on. One run
maximises accuracy, one the macro-F1 itself, one minus the mean cost of a matrix of costs. The
picture shows the three measures of each on balanced images that no run has seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

import cnn
import gacnn

COSTS = np.ones((10, 10)) - np.eye(10)
COSTS[1::2] *= 10  # an odd digit that is taken for another costs ten times as much


def cost(outputs: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return minus the mean cost of the predictions from outputs (N, 10): higher is better."""
    return -float(COSTS[labels, outputs.argmax(axis=1)].mean())


def network() -> cnn.Model:
    """A network of 2,730 weights."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function="relu"),
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
    parser.add_argument("--time-limit", type=float, default=20, help="seconds for each run (20)")
    parser.add_argument("--out", type=Path, default=Path("runs/no_gradient"), help="results")
    arguments = parser.parse_args()

    digits = load_digits()
    images = digits.images[..., np.newaxis] / 16
    X, X_test, y, y_test = train_test_split(
        images, digits.target, test_size=0.4, stratify=digits.target, random_state=0
    )
    kept = (y % 2 == 0) | (np.random.default_rng(0).random(len(y)) < 0.05)
    X, y = X[kept], y[kept]
    print("images of each digit:", np.bincount(y))

    table = {}
    for name, metric in {"accuracy": "accuracy", "macro-F1": "f1_macro", "cost": cost}.items():
        result = gacnn.GACNN(network(), random_seed=0).train(
            X, y, metric=metric, time_limit=arguments.time_limit, validation=None, verbose=False
        )
        predicted = result.model.predict(X_test)
        table[name] = (
            np.mean(predicted == y_test),
            f1_score(y_test, predicted, average="macro"),
            COSTS[y_test, predicted].mean(),
        )
        print(
            "maximises {:<9} accuracy {:.3f}  macro-F1 {:.3f}  cost {:.2f}".format(
                name, *table[name]
            ),
            flush=True,
        )

    figure, axes = pyplot.subplots(1, 3, figsize=(9, 3), layout="constrained")
    for ax, measure, values in zip(
        axes, ("accuracy", "macro-F1", "mean cost"), zip(*table.values(), strict=True), strict=True
    ):
        ax.bar(list(table), values, color=["C0", "C1", "C2"])
        ax.set(title=measure, xlabel="what the run maximised")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "measures.png", dpi=120)


if __name__ == "__main__":
    main()
