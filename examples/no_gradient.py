"""Maximise a measure that has no gradient: `python examples/no_gradient.py`.

scikit-learn's digits, of which only five of each odd digit are there to train on, and an odd digit
that is taken for another costs twenty times as much. A small network learns by cross-entropy; then
one run goes on with that, one maximises accuracy, one the macro-F1 itself, one minus the mean cost.
The picture shows the three measures of each on images that no run has seen, weighted so that odd
digits are as rare as in training. Cross-entropy is hard to beat at accuracy and F1, which it
resembles; of the costs it knows nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

import cnn
import gacnn

COSTS = np.ones((10, 10)) - np.eye(10)
COSTS[1::2] *= 20


def cost(outputs: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return minus the mean cost of the predictions from outputs (N, 10): higher is better."""
    return -float(COSTS[labels, outputs.argmax(axis=1)].mean())


def network() -> cnn.Model:
    """A network of 170 weights, too few to know the images by heart."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.AveragePooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=1500, help="of each run (1500)")
    parser.add_argument("--out", type=Path, default=Path("runs/no_gradient"), help="results")
    arguments = parser.parse_args()

    digits = cnn.datasets.load_digits()
    X, X_test, y, y_test = train_test_split(
        digits.X, digits.y, test_size=0.4, stratify=digits.y, random_state=0
    )
    most = [5 if digit % 2 else len(y) for digit in range(10)]
    kept = np.concatenate([np.flatnonzero(y == digit)[: most[digit]] for digit in range(10)])
    X, y = X[kept], y[kept]
    weights = (np.bincount(y) / np.bincount(y_test))[y_test]
    print("images of each digit:", np.bincount(y))

    def learn(population: gacnn.GACNN, metric: Any, generations: int) -> cnn.Model:
        options: dict[str, Any] = {"validation": None, "patience": None, "verbose": False}
        return population.train(
            X, y, metric=metric, num_generations=generations, batch_size=None, **options
        ).model

    metrics = {
        "cross-entropy": "cross_entropy",
        "accuracy": "accuracy",
        "macro-F1": "f1_macro",
        "cost": cost,
    }
    first = gacnn.GACNN(network(), random_seed=0)
    start = learn(first, "cross_entropy", arguments.generations // 5)
    table = {}
    for name, metric in metrics.items():
        population = gacnn.GACNN(start, random_seed=0, spread=0.05)
        predicted = learn(population, metric, arguments.generations).predict(X_test)
        table[name] = (
            accuracy_score(y_test, predicted, sample_weight=weights),
            f1_score(y_test, predicted, average="macro", sample_weight=weights),
            np.average(COSTS[y_test, predicted], weights=weights),
        )
        print(
            "run by {:<14} accuracy {:.3f}  macro-F1 {:.3f}  cost {:.2f}".format(
                name, *table[name]
            ),
            flush=True,
        )

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3), layout="constrained")
    for ax, measure, values in zip(
        axes, ("accuracy", "macro-F1", "mean cost"), zip(*table.values(), strict=True), strict=True
    ):
        ax.barh(list(table), values, color=["C0", "C1", "C2", "C3"])
        ax.bar_label(ax.containers[0], fmt="%.2f", label_type="center", color="white")
        ax.set(title=measure)
        ax.invert_yaxis()
    axes[0].set_ylabel("what the run improved")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "measures.png", dpi=120)
    print(f"The picture is {arguments.out / 'measures.png'}.")


if __name__ == "__main__":
    main()
