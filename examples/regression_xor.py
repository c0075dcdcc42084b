"""XOR and a regression on networks of dense layers: `python examples/regression_xor.py`.

The jobs of pygad.gann: XOR from ten seeds, and scikit-learn's diabetes beside ridge regression,
with the predictions drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

import cnn
import gacnn


def dense(inputs: int, hidden: int, outputs: int, seed: int) -> cnn.Model:
    """A network of one hidden layer of tanh and linear outputs."""
    return cnn.Model(
        [
            cnn.Input1D(inputs),
            cnn.Dense(hidden, activation_function="tanh"),
            cnn.Dense(outputs, activation_function=None),
        ],
        random_seed=seed,
    )


def solve_xor(seed: int, num_generations: int) -> bool:
    """Evolve two hidden units; tell whether all four rows are right."""
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    result = gacnn.GACNN(dense(2, 2, 2, seed), random_seed=seed).train(
        X, y, num_generations=num_generations, verbose=False
    )
    return bool((result.model.predict(X) == y).all())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=2000, help="(2000)")
    parser.add_argument("--out", type=Path, default=Path("runs/regression"), help="results")
    arguments = parser.parse_args()

    solved = sum(solve_xor(seed, arguments.generations) for seed in range(10))
    print(f"XOR: solved from {solved} of 10 seeds")

    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    mean, deviation = X.mean(axis=0), X.std(axis=0)
    X, X_test = (X - mean) / deviation, (X_test - mean) / deviation
    result = gacnn.GACNN(dense(10, 4, 1, seed=0), random_seed=0).train(
        X,
        (y - y.mean()) / y.std(),
        metric="mse",
        num_generations=min(300, arguments.generations),
        crossover_type=gacnn.WeightedRecombination("fitness", 1.4, 0.1, weight_decay=0.02),
        mutation_type=gacnn.GaussianMutation(0.1, scale="fan_in", mirrored=True),
        validation=None,
        verbose=False,
    )
    predicted = result.model.forward(X_test)[:, 0] * y.std() + y.mean()
    ridge = RidgeCV(np.logspace(-3, 3, 25)).fit(X, y)
    print(
        f"diabetes: R2 {r2_score(y_test, predicted):.3f} on rows never seen before, ridge "
        f"regression {ridge.score(X_test, y_test):.3f}"
    )

    figure, ax = pyplot.subplots(figsize=(5, 5), layout="constrained")
    ax.scatter(y_test, predicted, s=12)
    ax.plot([25, 350], [25, 350], color="grey", linewidth=1)
    ax.set(xlabel="progression of the disease", ylabel="prediction", title="unseen patients")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "diabetes.png", dpi=120)
    print(f"The picture is {arguments.out / 'diabetes.png'}.")


if __name__ == "__main__":
    main()
