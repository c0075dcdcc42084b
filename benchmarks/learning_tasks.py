"""The networks and data of learning.py."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from sys import path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn  # found through the lines above
import gacnn

Array = NDArray[Any]


class Data(NamedTuple):
    """Images and labels to train on, and to test."""

    X: Array
    y: Array
    X_test: Array
    y_test: Array


class Strategy(NamedTuple):
    """An evolution strategy with so many image evaluations. Pairs are first and last values.

    nested: versions of each layer; False for plain noise. settings: others of `train`.
    """

    network: Callable[..., cnn.Model]
    file: str
    evaluations: float
    rates: tuple[float, float]
    sigmas: tuple[float, float | None]
    decays: tuple[float, float | None] = (5e-4, None)
    num_solutions: int = 64
    batch_size: int = 128
    nested: tuple[int, ...] | bool = False
    activation: str | None = None
    scale: str | None = "fan_in"
    settings: Mapping[str, Any] = MappingProxyType({})

    def model(self, seed: int) -> cnn.Model:
        """Return the network before evolution."""
        return self.network(seed, **({"activation": self.activation} if self.activation else {}))

    def data(self, folder: Path) -> Data:
        """Return the images; those of CIFAR-10 standardised."""
        data = stored(folder / self.file)
        return standardised(data) if self.file == "cifar10.npz" else data

    def options(self, budget: float) -> dict[str, Any]:
        """Return the arguments of `train` for a share of the evaluations; nothing held out."""
        images = self.num_solutions * self.batch_size
        return {
            **strategy(
                self.rates,
                self.sigmas,
                self.decays,
                self.num_solutions,
                self.nested,
                self.scale,
            ),
            "num_solutions": self.num_solutions,
            "num_generations": int(self.evaluations * budget / images),
            "batch_size": self.batch_size,
            **self.settings,
        }


def strategy(
    rates: tuple[float, float],
    sigmas: tuple[float, float | None],
    decays: tuple[float, float | None] = (5e-4, None),
    num_solutions: int = 64,
    nested: tuple[int, ...] | bool = False,
    scale: str | None = "fan_in",
    input_span: bool = False,
) -> dict[str, Any]:
    """Return the settings of an evolution strategy whose learning rate falls; nothing held out."""
    recombination = gacnn.WeightedRecombination("fitness", *rates, *decays)
    noise: dict[str, Any] = {"mirrored": True, "nested": nested, "input_span": input_span}
    mutation = gacnn.GaussianMutation(*sigmas, scale=scale, **noise)
    return {
        "num_parents_mating": num_solutions,
        "crossover_type": recombination,
        "mutation_type": mutation,
        "validation": None,
    }


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


def wide_mnist_network(seed: int, *, activation: str = "relu", pooled: bool = False) -> cnn.Model:
    """8 filters of 5 x 5 with stride 2, 16 and 32 of 3 x 3 with max pooling; 8,906 weights.

    pooled: with max pooling of the last maps too; 7,306 weights, and two thirds of the time.
    """
    last = [cnn.MaxPooling2D(2, stride=1)] if pooled else []
    return cnn.Model(
        [
            cnn.Input2D((28, 28, 1)),
            cnn.Conv2D(8, 5, stride=2, activation_function=activation),
            cnn.Conv2D(16, 3, activation_function=activation),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(32, 3, activation_function=activation),
            *last,
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def cifar_network(seed: int) -> cnn.Model:
    """24 filters of 6 x 6 with stride 2, and max pooling by 4; 4,786 weights."""
    return cnn.Model(
        [
            cnn.Input2D((32, 32, 3)),
            cnn.Conv2D(24, 6, stride=2, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Flatten(),
            cnn.Dense(10, activation_function="softmax"),
        ],
        random_seed=seed,
    )


def deeper_cifar_network(seed: int) -> cnn.Model:
    """16 filters of 5 x 5, 32 of 3 x 3, padded, with max pooling by 4 and by 3; 7,146 weights."""
    return cnn.Model(
        [
            cnn.Input2D((32, 32, 3)),
            cnn.Conv2D(16, 5, activation_function="relu"),
            cnn.MaxPooling2D(4, stride=4),
            cnn.Conv2D(32, 3, padding="same", activation_function="relu"),
            cnn.MaxPooling2D(3, stride=3),
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


_NESTED: dict[str, Any] = {"num_solutions": 128, "nested": (16, 32, 64, 128)}
_SMALL_BATCHES: dict[str, Any] = {
    "sigmas": (0.05, 0.015),
    "decays": (3e-4, 5e-5),
    "batch_size": 64,
    **_NESTED,
}
_TERNARY = {"gene_space": [-1, 0, 1], "metric": gacnn.CrossEntropy(temperature=6)}
STRATEGIES = {
    "mnist-66M": Strategy(wide_mnist_network, "mnist.npz", 66e6, (2.0, 0.2), **_SMALL_BATCHES),
    "mnist-131M": Strategy(wide_mnist_network, "mnist.npz", 131e6, (2.0, 0.15), **_SMALL_BATCHES),
    "mnist-328M": Strategy(
        functools.partial(wide_mnist_network, pooled=True),
        "mnist.npz",
        328e6,
        (2.0, 0.1),
        settings={"augment": gacnn.augment.Shift(0.5)},
        **{**_SMALL_BATCHES, "sigmas": (0.05, 0.012)},
    ),
    "mnist-solved-25M": Strategy(
        wide_mnist_network,
        "mnist.npz",
        25e6,
        (2.0, 0.3),
        (0.03, 0.012),
        (3e-4, 5e-5),
        batch_size=64,
        settings={"callbacks": (gacnn.RidgeHead(50),)},
        **_NESTED,
    ),
    "mnist-ternary": Strategy(
        wide_mnist_network,
        "mnist.npz",
        66e6,
        (2.0, 0.5),
        (0.4, 0.05),
        (0.0, None),
        scale=None,
        activation="tanh",
        batch_size=64,
        settings=_TERNARY,
        **_NESTED,
    ),
    "mnist-step": Strategy(
        wide_mnist_network,
        "mnist.npz",
        66e6,
        (2.0, 0.2),
        (0.1, 0.03),
        (3e-4, 5e-5),
        activation="step",
        batch_size=64,
        **_NESTED,
    ),
    "cifar10-41M": Strategy(
        cifar_network,
        "cifar10.npz",
        41e6,
        (2.0, 0.2),
        (0.03, 0.012),
        (3e-4, 5e-5),
        num_solutions=128,
        batch_size=64,
        nested=(32, 128),
        settings={"augment": gacnn.augment.Flip()},
    ),
    "cifar10-268M": Strategy(
        deeper_cifar_network,
        "cifar10.npz",
        268e6,
        (2.0, 0.12),
        (0.03, 0.008),
        (3e-4, 3e-5),
        num_solutions=128,
        batch_size=64,
        nested=(16, 64, 128),
        settings={"augment": gacnn.augment.Flip()},
    ),
}
"""The cases of learning.py that are an evolution strategy with a given cost."""


ODD_COSTS = np.ones((10, 10)) - np.eye(10)
"""What a digit (row) costs that is taken for another (column): 1 if it is even, 20 if odd."""
ODD_COSTS[1::2] *= 20


def stored(file: Path) -> Data:
    """Images and labels of an .npz file in Keras' format."""
    train, test = cnn.datasets.load_npz(file)
    if test is None:
        raise SystemExit(f"{file} has no test images")
    return Data(train.X, train.y, test.X, test.y)


def standardised(data: Data) -> Data:
    """Return the images less the mean of each channel, over its standard deviation."""
    mean, deviation = data.X.mean((0, 1, 2)), data.X.std((0, 1, 2))
    X, X_test = ((images - mean) / deviation for images in (data.X, data.X_test))
    return Data(X, data.y, X_test, data.y_test)


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
