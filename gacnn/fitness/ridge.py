"""Ridge regression of a last dense layer on what the layers before it return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cnn import Dense, Engine, Flatten, Model, Softmax
from cnn.layers.weighted import WeightedLayer
from gacnn.types import Array

ROWS = 4096  # of features that are held at a time, or as many as there are features
SOFTENED = 10_000  # rows, from all over, that say how steep a softmax shall be
HALVINGS = 40
STEEPEST = 2.0**12
TINY = 1e-30  # of features that are 0
ROUNDING = 1e-6  # of features' mean squares, by which their variances may be wrong
FACTORS = np.geomspace(0.25, 4, 17)  # of weights, to begin rounding with
ROUNDS = 8  # in which rounded weights are mended
NO_GAIN = 1e-9  # of what a step changes, and no better than none


class Head(NamedTuple):
    """The weights (inputs, outputs) of a dense layer, and its bias (outputs,), or None."""

    weights: Array
    bias: Array | None

    @property
    def genes(self) -> Array:
        """Both as one vector, float32, as a model has them."""
        arrays = [self.weights] if self.bias is None else [self.weights, self.bias]
        return np.concatenate([each.ravel() for each in arrays]).astype(np.float32)


def head_position(model: Model) -> int:
    """Return the position of the last dense layer, whose outputs are those of the network.

    Raises ValueError where the network ends in anything else than a trainable Dense layer that is
    linear or has softmax.
    """
    position = len(model.layers) - 1
    while isinstance(model.layers[position], Softmax | Flatten):
        position -= 1
    last = model.layers[position]
    linear = isinstance(last, Dense) and last.activation_function in (None, "softmax")
    if not linear or not isinstance(last, WeightedLayer) or not last.trainable:
        raise ValueError(
            f"a head is solved that is a Dense layer, linear or with softmax, and trainable, not "
            f"{last}; let the network end in one"
        )
    return position


def ridge_head(
    model: Model,
    X: Array,
    targets: Array,
    vector: Array,
    alpha: float,
    sample_weight: Array | None = None,
    *,
    values: Array | None = None,
    engine: Engine | None = None,
    threads: int | None = None,
    memory_limit: int = 2**28,
) -> Head:
    """Return the last dense layer with the least squared error, for the other weights of a vector.

    Args:
        model: a network for X, or the rest of one for features.
        X: (N, …).
        targets: labels (N,), of which the outputs are to be one-hot, and are then scaled so that
            their softmax has the least cross-entropy; or values (N, outputs).
        vector: (num_weights,), of which those of the last layer do not matter.
        alpha: what is added to the features' variances, times their mean.
        sample_weight: (N,), or None.
        values: what weights and bias may be, as `rounded` finds them; None for any number. For
            labels their scores are then as good as they can be but for a factor, which is left out.
        engine, threads, memory_limit: as for `Model.forward`.

    Hoerl & Kennard 1970, Ridge regression: biased estimation for nonorthogonal problems.
    """
    position = head_position(model)
    front, rest = model.cut(position)
    own = np.ascontiguousarray(vector[None, : front.num_weights], np.float32)
    options: dict[str, Any] = {"engine": engine, "threads": threads, "memory_limit": memory_limit}

    def features(rows: slice) -> Array:
        returned: Array = front.forward(X[rows], own, **options)[0]
        return returned

    labels = targets.ndim == 1
    outputs = rest.layers[1].layer_output_size
    wanted = np.eye(outputs)[targets] if labels else np.asarray(targets, np.float64)
    weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    biased = len(rest.layers[1].weight_shapes()) > 1  # type: ignore[attr-defined] # a Dense
    head = _least_squares(features, wanted, weights, alpha, biased=biased, values=values)
    if not labels or values is not None:
        return head
    some = slice(0, None, -(-len(X) // SOFTENED))
    scores = features(some) @ head.weights + (0 if head.bias is None else head.bias)
    factor = steepness(scores, targets[some], weights[some])
    return Head(factor * head.weights, None if head.bias is None else factor * head.bias)


def _least_squares(
    features: Any,
    wanted: Array,
    weights: Array,
    alpha: float,
    *,
    biased: bool,
    values: Array | None,
) -> Head:
    """Return the head for features(rows) and wanted outputs (N, outputs), with weights (N,)."""
    roots = np.sqrt(weights / weights.sum())
    size = features(slice(0, 1)).shape[1]
    products = np.zeros((size, size))
    towards = np.zeros((size, wanted.shape[1]))
    mean = np.zeros(size)
    block = max(ROWS, size)
    for start in range(0, len(wanted), block):
        rows = slice(start, start + block)
        own = features(rows) * roots[rows, None].astype(np.float32)
        products += own.T @ own  # of which BLAS computes one half
        towards += own.T @ (roots[rows, None] * wanted[rows]).astype(np.float32)
        mean += roots[rows].astype(np.float32) @ own
    target = np.square(roots) @ wanted
    least = max(ROUNDING * float(np.trace(products)) / size, TINY)
    if biased:
        products -= np.outer(mean, mean)
        towards -= np.outer(mean, target)
    products[np.diag_indices(size)] += alpha * max(float(np.trace(products)) / size, least)
    solved = np.linalg.solve(products, towards)
    bias = target - mean @ solved if biased else None
    if values is None:
        return Head(solved, bias)
    if bias is None:
        return Head(rounded(solved, products, towards, values), None)
    products += np.outer(mean, mean)
    products = np.block([[products, mean[:, None]], [mean, np.ones(1)]])
    towards = np.vstack([towards + np.outer(mean, target), target])
    every = rounded(np.vstack([solved, bias]), products, towards, values)
    return Head(every[:-1], every[-1])


def rounded(weights: Array, products: Array, towards: Array, values: Array) -> Array:
    """Return weights (n, classes) of which each is one of some values, with little squared error.

    The weights of one feature after the other take the values next to those that would be best with
    all others as they are, so that every error of rounding is made up for by those that follow.
    What counts is how the scores of the classes differ, and up to a factor.

    Args:
        weights: any numbers, to begin with.
        products: (n, n), means over the images of a feature times another.
        towards: (n, classes), means of a feature times the wanted output.
        values: in ascending order.

    Coordinate descent for the error that Frantar & Alistarh 2022, Optimal brain compression, have.
    """
    middles = (values[1:] + values[:-1]) / 2
    weights, towards = _centred(weights), _centred(towards)
    squares, shares = np.square(weights).mean(axis=1), products.diagonal() / np.trace(products)
    sizes = np.sqrt([squares.mean(), shares @ squares]) / values.std() + TINY
    starts = (weights / each + values.mean() for each in np.outer(sizes, FACTORS).ravel())
    found: Array = min(
        (values[np.searchsorted(middles, start)] for start in starts),
        key=lambda start: _fit(start, products, towards).error,
    )
    for _ in range(ROUNDS):
        fit = _fit(found, products, towards)
        slopes = fit.seen - towards / fit.factor
        changed = False
        for feature, curvature in enumerate(products.diagonal()):
            step = _step(found[feature], slopes[feature], curvature, values, middles)
            if step.any():
                found[feature] += step
                slopes += np.outer(products[feature], step - step.mean())
                changed = True
        if not changed:
            break
    return found


def _step(row: Array, slope: Array, curvature: float, values: Array, middles: Array) -> Array:
    """Return what to add to the weights (classes,) of a feature: one class at a time, the best."""
    start, slope = row, slope.copy()
    own = curvature * (1 - 1 / len(row))  # all scores move by a share, which decides nothing
    while True:
        steps = values[np.searchsorted(middles, row - slope / own)] - row
        gains = steps * (slope + own * steps / 2)
        best = gains.argmin()
        if not gains[best] < -NO_GAIN * own * steps[best] ** 2:  # two as good would take turns
            changes: Array = row - start
            return changes
        row = row.copy()
        row[best] += steps[best]
        slope -= curvature * steps[best] / len(row)
        slope[best] += curvature * steps[best]


class _Fit(NamedTuple):
    """What weights have for scores, the factor that suits them best, and the error with it."""

    seen: Array
    factor: float
    error: float


def _fit(weights: Array, products: Array, towards: Array) -> _Fit:
    centred = _centred(weights)
    seen = products @ centred
    alike, length = float((centred * towards).sum()), float((centred * seen).sum())
    if alike <= 0 or length <= 0:  # all classes get the same
        return _Fit(seen, 1.0, 0.0)
    return _Fit(seen, alike / length, -alike * alike / length)


def _centred(weights: Array) -> Array:
    """Return weights (n, classes) less what is common to all classes, which decides nothing."""
    centred: Array = weights - weights.mean(axis=1, keepdims=True)
    return centred


def steepness(scores: Array, labels: Array, weights: Array) -> float:
    """Return the factor of scores (N, classes) whose softmax has the least cross-entropy.

    That is a convex function of the factor: the place where its slope is 0 is found by halving.
    """
    own = scores[np.arange(len(labels)), labels]

    def slope(factor: float) -> float:
        powers = np.exp(factor * (scores - scores.max(axis=1, keepdims=True)))
        expected = (powers * scores).sum(axis=1) / powers.sum(axis=1)
        return float(weights @ (expected - own))

    low, high = 1 / STEEPEST, STEEPEST
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(np.sqrt(low * high))
