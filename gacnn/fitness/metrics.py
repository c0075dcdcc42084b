"""Metrics of whole populations: outputs in, a number for each network out."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from cnn.engines.reduction import Total
from gacnn.fitness.callables import (
    check_own,
    is_of_sklearn,
    own_score,
    sklearn_kind,
    sklearn_score,
    takes_sample_weight,
)
from gacnn.types import Array, Indices


class Measure(NamedTuple):
    """How a metric is computed: `score` takes outputs (P, N, classes), targets (N, …) and weights.

    It returns (P,). on: "log_proba" or "outputs"; targets: "labels", "values" or "any"; weighs:
    whether weights of the samples (N,) have a meaning for it, which are else None.

    total: what an engine that reduces outputs itself makes of them, (P, …), and of_total: the
    score (P,) of that and of the sum of the weights.
    """

    score: Callable[[Array, Array, Array | None], Array]
    on: str
    targets: str
    weighs: bool = True
    total: Total | None = None
    of_total: Callable[[Array, float], Array] | None = None


def cross_entropy(log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
    """Minus the mean cross-entropy, of log-probabilities (P, N, classes) and labels (N,)."""
    return _mean(log_proba[:, np.arange(len(labels)), labels], weights)


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of softer outputs, against softer labels: a metric for `train` and `Fitness`.

    A network whose outputs are large is sure of itself, rightly or not, and its cross-entropy is
    that of the few images that are most wrong. At a temperature above 1 more images count. The
    largest output stays the largest, so that nothing changes for the finished network. It is what
    whole-numbered weights need, whose outputs are large whether they are right or wrong.

    Args:
        temperature: what outputs are divided by before the softmax (Hinton et al. 2015, Distilling
            the knowledge in a neural network, eq. 1); 1 for plain cross-entropy.
        smoothing: the share of each label that goes to all classes alike, from 0 to below 1
            (Szegedy et al. 2016, Rethinking the Inception architecture, sec. 7).

    Raises:
        ValueError: for a temperature that is not above 0, or a share out of bounds.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, use_bias=False)])
        >>> fitness = gacnn.Fitness(
        ...     model, [[1, 0], [0, 1]], [0, 1], gacnn.CrossEntropy(temperature=4)
        ... )
        >>> fitness([[8, 0, 0, 8]]).round(3)  # outputs of 8 and 0 are as good as 2 and 0
        array([-0.127])
    """

    temperature: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if checks.number(self.temperature, "temperature", 0) == 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature!r}")
        if checks.number(self.smoothing, "smoothing", 0) >= 1:
            raise ValueError(f"smoothing must be below 1, not {self.smoothing!r}")

    def __call__(self, log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
        """Return minus the mean (P,) of log-probabilities (P, N, classes) and labels (N,)."""
        return _mean(self.each(self.tempered(log_proba), labels), weights)

    def tempered(self, log_proba: Array) -> Array:
        """Return the log-probabilities (P, N, classes) that the temperature makes of others."""
        if self.temperature == 1:
            return log_proba
        softer = log_proba / np.float32(self.temperature)
        softer -= softer.max(axis=-1, keepdims=True)
        softer -= np.log(np.exp(softer).sum(axis=-1, keepdims=True))
        return np.asarray(softer)

    def each(self, log_proba: Array, labels: Array) -> Array:
        """Return minus the cross-entropy (P, N) of every image, with what is `tempered`."""
        own: Array = log_proba[:, np.arange(len(labels)), labels]
        if self.smoothing == 0:
            return own
        share = np.float32(self.smoothing)
        return np.asarray((1 - share) * own + share * log_proba.mean(axis=-1))


Metric = str | Callable[[Array, Array], float] | CrossEntropy
"""What evolution maximises: a name in `gacnn.fitness.metrics.METRICS`, a `CrossEntropy`, or a
function of the outputs (N, outputs) of one network, read-only, and the targets (N, …), as they were
given, that returns a number; higher is better."""


def accuracy(log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
    """Share of the images whose largest output (P, N, classes) is at their label (N,)."""
    return _mean(log_proba.argmax(axis=2) == labels, weights)


class Share:
    """The share of the images that are right, whatever they weigh: what people are told."""

    def __call__(self, log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
        """Return it (P,) for log-probabilities (P, N, classes) and labels (N,)."""
        return accuracy(log_proba, labels)


def _mean(values: Array, weights: Array | None) -> Array:
    """Return the mean (P,) of values (P, N), weighted by (N,)."""
    if weights is None:
        mean: Array = values.mean(axis=1, dtype=np.float64)
        return mean
    return np.asarray(values @ (weights / weights.sum()))


def balanced_accuracy(log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
    """Mean over the classes in `labels` of the share of their images that is right."""
    return _balanced(_confusion(log_proba, labels, weights))


def _balanced(confusion: Array, _: float = 0) -> Array:
    support = confusion.sum(axis=2)
    recall = np.diagonal(confusion, axis1=1, axis2=2) / _or_one(support)
    balanced: Array = recall.sum(axis=1) / (support > 0).sum(axis=1)
    return balanced


def f1_macro(log_proba: Array, labels: Array, weights: Array | None = None) -> Array:
    """Mean F1 over the classes that are a label or a prediction, as scikit-learn's."""
    return _macro(_confusion(log_proba, labels, weights))


def _macro(confusion: Array, _: float = 0) -> Array:
    both = confusion.sum(axis=1) + confusion.sum(axis=2)
    f1 = 2 * np.diagonal(confusion, axis1=1, axis2=2) / _or_one(both)
    macro: Array = f1.sum(axis=1) / (both > 0).sum(axis=1)
    return macro


def _or_one(counts: Array) -> Array:
    return np.where(counts > 0, counts, 1)


def _confusion(log_proba: Array, labels: Array, weights: Array | None) -> Array:
    """Counts, or sums of weights, (P, true class, predicted class)."""
    members, _, classes = log_proba.shape
    cells = labels * classes + log_proba.argmax(axis=2)
    cells += np.arange(members)[:, None] * classes**2
    each = None if weights is None else np.broadcast_to(weights, cells.shape).ravel()
    counts = np.bincount(cells.ravel(), each, minlength=members * classes**2)
    return counts.reshape(members, classes, classes)


def mse(outputs: Array, targets: Array, weights: Array | None = None) -> Array:
    """Minus the mean squared error of outputs (P, N, values) against targets (N, values)."""
    squares = np.square(outputs.astype(np.float64) - targets)
    if weights is None:
        mean: Array = -squares.mean(axis=(1, 2))
        return mean
    return -_mean(squares.mean(axis=2), weights)


def _labelled(
    score: Callable[[Array, Array, Array | None], Array],
    total: Total,
    of_total: Callable[[Array, float], Array],
) -> Measure:
    return Measure(score, "log_proba", "labels", total=total, of_total=of_total)


METRICS = {
    "cross_entropy": _labelled(cross_entropy, Total.CROSS_ENTROPY, np.divide),
    "accuracy": _labelled(accuracy, Total.HITS, np.divide),
    "balanced_accuracy": _labelled(balanced_accuracy, Total.CONFUSION, _balanced),
    "f1_macro": _labelled(f1_macro, Total.CONFUSION, _macro),
    "mse": Measure(
        mse, "outputs", "values", True, Total.SQUARES, lambda total, weight: -total / weight
    ),
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


def is_cross_entropy(metric: Any) -> bool:
    """Tell whether a metric is a mean over images of how probable their labels are."""
    return isinstance(metric, CrossEntropy) or metric == "cross_entropy"


def measure_of(metric: Metric) -> Measure:
    """Return how a metric is computed; ValueError or TypeError for what is none."""
    if isinstance(metric, str):
        checks.one_of(metric, "metric", list(METRICS), _OTHER_NAMES)
        return METRICS[metric]
    if isinstance(metric, CrossEntropy):
        return _labelled(metric, Total.CROSS_ENTROPY, np.divide)
    if isinstance(metric, Share):
        return Measure(metric, "log_proba", "labels")
    if not callable(metric):
        raise TypeError(
            f"metric must be one of {', '.join(METRICS)}, or a callable(outputs, y), not {metric!r}"
        )
    weighs = takes_sample_weight(metric)
    if is_of_sklearn(metric):
        on, targets, _ = sklearn_kind(metric)
        return Measure(functools.partial(_each, metric, sklearn_score), on, targets, weighs)
    check_own(metric, name_of(metric))
    return Measure(functools.partial(_each, metric, own_score), "outputs", "any", weighs)


_OTHER_NAMES = {  # of scikit-learn and Keras
    **dict.fromkeys(("acc", "categorical_accuracy", "sparse_categorical_accuracy"), "accuracy"),
    **dict.fromkeys(("neg_log_loss", "log_loss", "nll"), "cross_entropy"),
    **dict.fromkeys(("categorical_crossentropy", "crossentropy"), "cross_entropy"),
    **dict.fromkeys(("sparse_categorical_crossentropy", "binary_crossentropy"), "cross_entropy"),
    **dict.fromkeys(("neg_mean_squared_error", "mean_squared_error", "r2"), "mse"),
    **dict.fromkeys(("f1", "f1_score", "f1_weighted", "f1_micro"), "f1_macro"),
}


def _each(
    metric: Callable[..., Any],
    score: Callable[[Callable[..., Any], Array, Array, Array | None], float],
    outputs: Array,
    y: Array,
    weights: Array | None,
) -> Array:
    """Score the outputs of one member after the other."""
    scores = np.empty(len(outputs))
    for position, values in enumerate(outputs):
        try:
            scores[position] = score(metric, values, y, weights)
        except Exception as error:
            notes = "".join(f"; it was given {note}" for note in getattr(error, "__notes__", ()))
            reason = f"it raised {type(error).__name__}: {error}{notes}"
            raise MetricError(metric, position, reason) from error
    return scores


def check_numbers(scores: Array, metric: Metric, members: Indices, *, batch: bool = False) -> None:
    """Raise MetricError for the first NaN among scores of members of these positions.

    batch: whether they are of a part of the images, for which a metric may have no meaning.
    """
    cure = (
        ", perhaps of a batch that lacks a class: batch_size=None takes all images" if batch else ""
    )
    for position in members[np.isnan(scores)]:
        raise MetricError(metric, int(position), f"it returned NaN{cure}")


def name_of(function: str | Callable[..., Any]) -> str:
    """Return a name, or that of a function; an object is known by what it shows of itself."""
    if isinstance(function, str):
        return function
    if isinstance(function, functools.partial):
        named = (f"{name}={_argument(value)}" for name, value in function.keywords.items())
        given = [*map(_argument, function.args), *named]
        return f"partial({', '.join([name_of(function.func), *given])})"
    return getattr(function, "__name__", None) or _shown(function)


def _argument(value: object) -> str:
    return name_of(value) if callable(value) else _shown(value)


def _shown(instance: object) -> str:
    """Return how an object shows itself, without addresses, which every process has others of."""
    kind = type(instance)
    if kind.__repr__ is object.__repr__:
        return kind.__name__
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(instance))


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
        cure = "such a metric compares y with the outputs; for class labels use another"
        shape = (number, *model.output_shape)
        return checks.finite(checks.shaped(values, "y", shape, "images, outputs", cure), "y")
    array = checks.unmasked(y, "y")
    if array.ndim == 0 or len(array) != number:
        raise ValueError(
            f"y must have one entry for each of the {number} images, not {array.shape}"
        )
    return array
