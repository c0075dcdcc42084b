"""Metrics of whole populations: outputs in, a number for each network out."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from gacnn.types import Array

Metric = str | Callable[[Array, Array], float]
"""What evolution maximises: a name in `gacnn.fitness.metrics.METRICS`, or a function of the outputs
(N, outputs) of one network, read-only, and the targets (N, …), as they were given, that returns a
number; higher is better."""


class Measure(NamedTuple):
    """How a metric is computed: `score` takes outputs (P, N, classes) and targets (N, …).

    It returns (P,). on: "log_proba" or "outputs"; targets: "labels", "values" or "any".
    """

    score: Callable[[Array, Array], Array]
    on: str
    targets: str


def cross_entropy(log_proba: Array, labels: Array) -> Array:
    """Minus the mean cross-entropy, of log-probabilities (P, N, classes) and labels (N,)."""
    mean: Array = log_proba[:, np.arange(len(labels)), labels].mean(axis=1, dtype=np.float64)
    return mean


def accuracy(log_proba: Array, labels: Array) -> Array:
    """Share of the images whose largest output (P, N, classes) is at their label (N,)."""
    right: Array = (log_proba.argmax(axis=2) == labels).mean(axis=1)
    return right


def balanced_accuracy(log_proba: Array, labels: Array) -> Array:
    """Mean over the classes in `labels` of the share of their images that is right."""
    confusion = _confusion(log_proba, labels)
    support = confusion.sum(axis=2)
    recall = np.diagonal(confusion, axis1=1, axis2=2) / np.maximum(support, 1)
    balanced: Array = recall.sum(axis=1) / (support > 0).sum(axis=1)
    return balanced


def f1_macro(log_proba: Array, labels: Array) -> Array:
    """Mean F1 over the classes that are a label or a prediction, as scikit-learn's."""
    confusion = _confusion(log_proba, labels)
    both = confusion.sum(axis=1) + confusion.sum(axis=2)
    f1 = 2 * np.diagonal(confusion, axis1=1, axis2=2) / np.maximum(both, 1)
    macro: Array = f1.sum(axis=1) / (both > 0).sum(axis=1)
    return macro


def _confusion(log_proba: Array, labels: Array) -> Array:
    """Counts (P, true class, predicted class)."""
    members, _, classes = log_proba.shape
    cells = labels * classes + log_proba.argmax(axis=2)
    cells += np.arange(members)[:, None] * classes**2
    counts = np.bincount(cells.ravel(), minlength=members * classes**2)
    return counts.reshape(members, classes, classes)


def mse(outputs: Array, targets: Array) -> Array:
    """Minus the mean squared error of outputs (P, N, values) against targets (N, values)."""
    error = outputs.astype(np.float64) - targets
    mean: Array = -np.square(error).mean(axis=(1, 2))
    return mean


METRICS = {
    "cross_entropy": Measure(cross_entropy, "log_proba", "labels"),
    "accuracy": Measure(accuracy, "log_proba", "labels"),
    "balanced_accuracy": Measure(balanced_accuracy, "log_proba", "labels"),
    "f1_macro": Measure(f1_macro, "log_proba", "labels"),
    "mse": Measure(mse, "outputs", "values"),
}


class MetricError(ValueError):
    """A metric raised, or returned NaN, for the solution at `position` of the vectors.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)])
        >>> fitness = gacnn.Fitness(model, [[0, 1]], [1], metric=lambda outputs, y: np.nan)
        >>> try:
        ...     fitness(model.weights[None])
        ... except gacnn.MetricError as error:
        ...     print(error.position, error.reason)
        0 it returned NaN
    """

    def __init__(self, metric: Metric, position: int, reason: str) -> None:
        self.metric, self.position, self.reason = metric, position, reason
        super().__init__(f"metric {name_of(metric)} failed for solution {position}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back from another process
        return type(self), (name_of(self.metric), self.position, self.reason)


def measure_of(metric: Metric) -> Measure:
    """Return how a metric is computed; ValueError or TypeError for what is none."""
    if isinstance(metric, str):
        checks.one_of(metric, "metric", list(METRICS))
        return METRICS[metric]
    if not callable(metric):
        raise TypeError(
            f"metric must be one of {', '.join(METRICS)}, or a callable(outputs, y), not {metric!r}"
        )
    return Measure(functools.partial(_each, metric), "outputs", "any")


def _each(metric: Callable[[Array, Array], float], outputs: Array, y: Array) -> Array:
    """Call a metric for the outputs of one member after the other."""
    scores = np.empty(len(outputs))
    outputs = outputs.view()
    outputs.flags.writeable = False
    for position, values in enumerate(outputs):
        try:
            scores[position] = metric(values, y)
        except Exception as error:
            reason = f"it raised {type(error).__name__}: {error}"
            raise MetricError(metric, position, reason) from error
    return scores


def check_numbers(scores: Array, metric: Metric, start: int) -> None:
    """Raise MetricError for the first NaN among scores of the solutions from `start` on."""
    for position in np.flatnonzero(np.isnan(scores)):
        raise MetricError(metric, start + int(position), "it returned NaN")


def name_of(function: str | Callable[..., Any]) -> str:
    """Return a name, or that of a function; an object is known by what it shows of itself."""
    if isinstance(function, str):
        return function
    if isinstance(function, functools.partial):
        given = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in function.keywords.items())]
        return f"partial({', '.join([name_of(function.func), *given])})"
    return getattr(function, "__name__", None) or _shown(function)


def _shown(instance: object) -> str:
    kind = type(instance)
    return kind.__name__ if kind.__repr__ is object.__repr__ else repr(instance)


def checked_targets(model: Model, y: ArrayLike, number: int, kinds: set[str]) -> Array:
    """Return y as metrics of these kinds of targets need it, an entry for each of the images."""
    if kinds >= {"labels", "values"}:
        raise ValueError("metric cannot mix 'mse' with metrics of labels: y holds one or the other")
    if "labels" in kinds:
        try:
            model.check_classifies()
            return checks.labels(y, "y", number, model.num_classes)
        except (TypeError, ValueError) as error:
            error.add_note('such a metric is for class labels; for values use metric="mse"')
            raise
    if "values" in kinds:
        values = checks.real(y, "y")
        values = values[:, None] if values.ndim == 1 and model.output_shape == (1,) else values
        cure = "mse compares y with the outputs; for class labels use another metric"
        shape = (number, *model.output_shape)
        return checks.finite(checks.shaped(values, "y", shape, "images, outputs", cure), "y")
    array = checks.unmasked(y, "y")
    if array.ndim == 0 or len(array) != number:
        raise ValueError(
            f"y must have one entry for each of the {number} images, not {array.shape}"
        )
    return array
