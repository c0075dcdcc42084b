"""The networks and data of learning.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from sys import path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn  # found through the lines above

Array = NDArray[Any]


class Data(NamedTuple):
    """Images and labels to train on, and to test."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


# Networks


def digits_network(seed: int, *, activation: str = "relu") -> cnn.Model:
    """16 filters of 3 x 3, padded; max pooling; 2,730 weights."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.Conv2D(16, 3, padding="same", activation_function=activation),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def pooled_network(seed: int) -> cnn.Model:
    """Averages of 2 x 2 pixels and a dense layer; 170 weights."""
    return cnn.Model(
        [
            cnn.Input2D((8, 8, 1)),
            cnn.AveragePooling2D(2, stride=2),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def mnist_network(seed: int) -> cnn.Model:
    """8 and 16 filters of 5 x 5, with max pooling by 2 and by 4; 4,074 weights."""
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            cnn.Conv2D(8, 5, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(16, 5, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def wide_mnist_network(seed: int) -> cnn.Model:
    """8 filters of 5 x 5 with stride 2, 16 and 32 of 3 x 3 with max pooling; 8,906 weights."""
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            cnn.Conv2D(8, 5, stride=2, activation_function="relu"),
            cnn.Conv2D(16, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(32, 3, activation_function="relu"),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def fruits_network(seed: int) -> cnn.Model:
    """4 filters of 7 x 7, stride 4, and max pooling; 1,172 weights."""
    return cnn.Model(
        [
            cnn.Input2D((100, 100, 3)),
            cnn.Conv2D(4, 7, stride=4, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Flatten(),
            cnn.Dense(4, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def dense_network(inputs: int, hidden: int, outputs: int, seed: int) -> cnn.Model:
    """One hidden layer of tanh."""
    return cnn.Model(
        [
            cnn.Input1D(inputs),
            cnn.Dense(hidden, activation_function="tanh"),
            cnn.Dense(outputs, activation_function=None),
        ],
        random_seed=seed,
    )


# Data


def digits_folds() -> Iterator[Data]:
    """Five stratified folds of scikit-learn's digits."""
    from sklearn.model_selection import StratifiedKFold

    X, y, _ = cnn.datasets.load_digits()
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, y):
        yield Data(X[train], y[train], X[test], y[test])


def unbalanced_digits(seed: int) -> Data:
    """A fold of digits, the seed's, with 5 % of the odd digits among the training images."""
    X, y, X_test, y_test = list(digits_folds())[seed % 5]
    kept = (y % 2 == 0) | (np.random.default_rng(seed).random(len(y)) < 0.05)
    return Data(X[kept], y[kept], X_test, y_test)


ODD_COSTS = np.ones((10, 10)) - np.eye(10)
"""What a digit (row) costs that is taken for another (column): 1 if it is even, 20 if odd."""
ODD_COSTS[1::2] *= 20


def stored(file: Path) -> Data:
    """Images and labels of an .npz file in Keras' format."""
    train, test = cnn.datasets.load_npz(file)
    if test is None:
        raise SystemExit(f"{file} has no test images")
    return Data(train.X, train.y, test.X, test.y)


def diabetes_folds(seed: int) -> Iterator[Data]:
    """Five folds of scikit-learn's diabetes, inputs and targets standardised."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import KFold
    from sklearn.preprocessing import StandardScaler

    X, y = load_diabetes(return_X_y=True)
    for train, test in KFold(5, shuffle=True, random_state=seed).split(X):
        inputs, targets = StandardScaler().fit(X[train]), StandardScaler().fit(y[train, None])
        yield Data(
            inputs.transform(X[train]),
            targets.transform(y[train, None])[:, 0],
            inputs.transform(X[test]),
            targets.transform(y[test, None])[:, 0],
        )
