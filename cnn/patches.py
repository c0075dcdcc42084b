"""Filters of a first convolution from the patches of images, without labels and gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cnn import checks
from cnn.engines.numpy.threads import single_threaded_blas
from cnn.types import AnyArray, Array, Size

PATCHES = 100_000
ROUNDS = 15  # of k-means
RIDGE = 0.1  # added to the eigenvalues: what is weaker is noise
SOFTENED = 0.1  # of the typical deviation, so that patches of nearly one colour stay small
FLAT = 1e-4  # of the largest deviation: with less a patch has none but that of rounding
BIAS = -0.5


def patch_filters(
    X: ArrayLike, size: Size, number: int, *, random_seed: int | None = None
) -> tuple[Array, Array]:
    """Return filters and biases that images themselves suggest, for a fixed first convolution.

    100,000 patches of the images are contrast-normalised (their mean taken off, divided by their
    standard deviation), whitened with 0.1 added to the eigenvalues, and clustered by spherical
    k-means. The filters are the centres and, behind them, their negatives, as one linear map of
    pixels: whitening and taking off the mean of the patch under the filter are in it, exactly.
    Dividing by a standard deviation is not linear: in its place stands one division for all, by
    the median over the patches. The bias is -0.5, so that relu keeps what is like a centre.

    Coates, Lee & Ng 2011, An analysis of single-layer networks in unsupervised feature learning;
    Coates & Ng 2012, Learning feature representations with k-means.

    Args:
        X: images (N, height, width, channels), with numbers such as those of training.
        size: rows and columns of a filter: one integer, or (vertical, horizontal).
        number: filters, an even number: half of them are centres.
        random_seed: what patches and first centres are drawn from; None for others every time.

    Returns:
        (filters, biases) of the shapes (number, rows, columns, channels) and (number,), float32:
        the `weights` of a `Conv2D`.

    Raises:
        ValueError: for filters larger than the images, an odd number, and images without contrast.

    Examples:
        >>> X = np.random.default_rng(0).random((50, 8, 8, 1))
        >>> filters = cnn.patch_filters(X, 5, 16, random_seed=0)
        >>> first = cnn.Conv2D(16, 5, None, "relu", trainable=False, weights=filters)
        >>> model = cnn.Model(
        ...     [cnn.Input2D((8, 8)), first, cnn.AveragePooling2D(2), cnn.Flatten(), cnn.Dense(10)]
        ... )
        >>> model.num_weights  # those of the head alone
        650
    """
    images = checks.finite(checks.shaped(X, "X", (None,) * 4, _AXES, _CURE), "X")
    rows, columns = checks.pair(size, "size")
    if rows > images.shape[1] or columns > images.shape[2]:
        raise ValueError(
            f"size must be at most that of the images, {images.shape[1]} x {images.shape[2]}, not "
            f"{rows} x {columns}"
        )
    if checks.whole(number, "number", 2) % 2 or number > PATCHES:
        raise ValueError(
            f"number must be even, for centres and their negatives, and at most {PATCHES:,}, not "
            f"{number}"
        )
    seed = None if random_seed is None else checks.whole(random_seed, "random_seed", minimum=0)
    rng = np.random.default_rng(seed)
    with single_threaded_blas():  # the same sums with any number of cores
        linear, offset = _maps(_patches(images, rows, columns, rng), number // 2, rng)
    filters = np.concatenate([linear, -linear]).reshape(number, rows, columns, -1)
    biases = np.concatenate([-offset, offset]) + BIAS
    return filters.astype(np.float32), biases.astype(np.float32)


_AXES = "images, height, width, channels"
_CURE = "grey images are X[..., None]"


def _patches(images: AnyArray, rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Return patches (PATCHES, rows · columns · channels) from anywhere in the images."""
    number, height, width, _ = images.shape
    image = rng.integers(number, size=(PATCHES, 1, 1))
    row = rng.integers(height - rows + 1, size=(PATCHES, 1, 1)) + np.arange(rows)[:, None]
    column = rng.integers(width - columns + 1, size=(PATCHES, 1, 1)) + np.arange(columns)
    patches: Array = images[image, row, column].reshape(PATCHES, -1).astype(np.float32)
    return patches


def _maps(patches: Array, number: int, rng: np.random.Generator) -> tuple[AnyArray, AnyArray]:
    """Return linear maps (number, taps) of raw patches, and what to take off each (number,)."""
    patches = patches - patches.mean(axis=1, keepdims=True)
    spread = patches.std(axis=1)
    if not spread.any():
        raise ValueError("X has no contrast: all pixels of each patch are the same; give images")
    typical = float(np.median(spread[spread > FLAT * spread.max()]))
    patches /= np.hypot(spread, SOFTENED * typical)[:, None]
    mean = patches.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(np.cov(patches.T, dtype=np.float64).reshape([len(mean)] * 2))
    whitening = (axes / np.sqrt(np.maximum(values, 0) + RIDGE)) @ axes.T
    white = ((patches - mean) @ whitening).astype(np.float32)
    linear = spherical_means(white, number, rng).astype(np.float64) @ whitening
    offset = linear @ mean
    return (linear - linear.mean(axis=1, keepdims=True)) / typical, offset


def spherical_means(points: Array, number: int, rng: np.random.Generator) -> Array:
    """Return centres (number, n) of length 1, each along the points (N, n) that are most like it.

    A point belongs to the centre with the largest product, of whichever sign; a centre moves to
    the sum of its points, weighted by these products, and of itself.
    """
    centres = rng.standard_normal((number, points.shape[1]), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    for _ in range(ROUNDS):
        products = points @ centres.T
        own = np.abs(products).argmax(axis=1)
        weights = products[np.arange(len(points)), own]
        order = np.argsort(own, kind="stable")
        found, first = np.unique(own[order], return_index=True)
        centres[found] += np.add.reduceat(points[order] * weights[order, None], first, axis=0)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    return centres
