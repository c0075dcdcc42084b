"""The networks of learning.py whose first layer comes from the data, without labels."""

from __future__ import annotations

from learning_tasks import Array, Data

import cnn


def features_network(
    X: Array, seed: int, *, size: int, number: int, cells: int, classes: int = 10
) -> cnn.Model:
    """Return fixed filters of patches, averages in cells, roots, standardised, and a dense head.

    X: images to train on; size: pixels a side of a filter; number: filters; cells: a side.
    """
    filters = cnn.patch_filters(X, size, number, random_seed=seed)
    stride = -(-(X.shape[1] - size + 1) // cells)
    layers = [
        cnn.Input2D(X.shape[1:]),
        cnn.Conv2D(number, size, None, "relu", trainable=False, weights=filters),
        cnn.AveragePooling2D(stride, stride=stride, padding="same"),
        cnn.SquareRoot(),
        cnn.Flatten(),
    ]
    features = cnn.Model(layers).forward(X[:5000])
    head = cnn.Dense(classes, activation_function="softmax")
    return cnn.Model([*layers, cnn.Standardization.of(features), head], random_seed=seed)


def standardised(data: Data) -> Data:
    """Return images of mean 0 and deviation 1, by one of each for all pixels to train on."""
    mean, deviation = data.X.mean(), data.X.std()
    return data._replace(X=(data.X - mean) / deviation, X_test=(data.X_test - mean) / deviation)
