"""The directions in which features vary most, for a fixed dense layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cnn import checks
from cnn.engines.numpy.threads import single_threaded_blas
from cnn.types import AnyArray, Array

PART = 4096  # rows, or numbers of a vector, that are worked on at a time
LEAST = 2e-6  # of the largest variance: what is less comes from rounding


def principal_components(
    features: ArrayLike, number: int, *, whitening: float = 0.5
) -> tuple[Array, Array]:
    """Return weights and bias of a fixed dense layer that reduces features to fewer.

    Every feature is standardised; then come the directions in which they vary most together, each
    divided by its deviation to the power of `whitening`: 0 leaves the deviations as they are, 1
    makes them all 1. Last, one factor for all makes the root of the mean square of the outputs 1.
    A head on few features has few weights to evolve, and none that stands for many others.

    Pearson 1901, On lines and planes of closest fit to systems of points in space.

    Args:
        features: (N, inputs), such as a `Model` of the layers before returns.
        number: outputs, at most inputs and N - 1.
        whitening: from 0 to 1.

    Returns:
        (weights, bias) of the shapes (inputs, number) and (number,), float32: the `weights` of a
        `Dense`.

    Raises:
        ValueError: for more outputs than there are directions in which the features vary.

    Examples:
        >>> features = np.random.default_rng(0).normal(size=(100, 20))
        >>> reduce = cnn.Dense(
        ...     8, None, None, trainable=False, weights=cnn.principal_components(features, 8)
        ... )
        >>> head = cnn.Dense(3, activation_function="softmax")
        >>> cnn.Model([cnn.Input1D(20), reduce, head]).num_weights
        27
    """
    values = checks.finite(checks.shaped(features, "features", (None, None), _AXES), "features")
    outputs = checks.whole(number, "number")
    power = checks.number(whitening, "whitening", 0)
    if power > 1:
        raise ValueError(f"whitening must be from 0 to 1, not {whitening!r}")
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1
    standard = np.empty(values.shape, np.float32)
    for start in range(0, len(values), PART):
        rows = slice(start, start + PART)
        standard[rows] = (values[rows] - mean) / deviation
    with single_threaded_blas():  # the same sums with any number of cores
        variances, axes = _axes_of(standard)
    there = min(int((variances > LEAST * variances[-1]).sum()), len(values) - 1)
    if outputs > there:
        raise ValueError(
            f"number must be at most {there}, the directions in which the {len(mean)} features of "
            f"{len(values)} rows vary, not {outputs}"
        )
    variances, axes = variances[: -outputs - 1 : -1], axes[:, : -outputs - 1 : -1]
    factors = variances ** (-power / 2)
    factors /= np.sqrt(np.mean(variances * factors**2))
    weights = axes * factors / deviation[:, None]
    return weights.astype(np.float32), (-mean @ weights).astype(np.float32)


def _axes_of(standard: Array) -> tuple[AnyArray, AnyArray]:
    """Return variances, ascending, and axes (inputs, directions) of features (N, inputs).

    Through the products of features, or those of rows where these are fewer.
    """
    rows, inputs = standard.shape
    if rows > inputs:
        variances, axes = np.linalg.eigh(_products(standard.T) / rows)
        return variances, axes
    variances, weights = np.linalg.eigh(_products(standard) / rows)
    lengths = np.sqrt(np.maximum(variances, LEAST * variances[-1]) * rows)
    axes = standard.T @ (weights / np.where(lengths > 0, lengths, 1))
    return variances, axes


def _products(vectors: Array) -> AnyArray:
    """Return the scalar products (K, K) of vectors (K, n), added up in double precision."""
    products = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors.shape[1], PART):
        part = np.ascontiguousarray(vectors[:, start : start + PART])
        products += part @ part.T
    return products


_AXES = "samples, features"
