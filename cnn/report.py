"""What a network gets right, class by class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnn import tables
from cnn.types import AnyArray, Array, Labels


@dataclass(frozen=True, eq=False)
class Report:
    """How well predictions agree with labels: `Model.evaluate` returns it.

    Shares are NaN where nothing can be told: the recall of a class without images, the precision of
    one that was never predicted.

    Args:
        confusion: how many images of each class (a row) were taken for which (a column).
        class_names: a name for each class.
        unknown: how many images of each class were taken for none, because their outputs are no
            finite numbers; they count as wrong.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2, use_bias=False)])
        >>> model.weights = [1, 0, 0, 1]  # the larger input is the class
        >>> print(model.evaluate([[3, 1], [1, 2], [5, 4]], [0, 1, 1], ["cat", "dog"]))
        class      images  recall  precision     F1
        -------------------------------------------
        cat             1  100.0%      50.0%  66.7%
        dog             2   50.0%     100.0%  66.7%
        -------------------------------------------
        all, mean       3   75.0%      75.0%  66.7%
        <BLANKLINE>
        66.7% of 3 images are right
    """

    confusion: AnyArray
    class_names: tuple[str, ...]
    unknown: AnyArray

    @property
    def accuracy(self) -> float:
        """The share of the images that are right."""
        return float(_shares(np.trace(self.confusion), self.support.sum()))

    @property
    def support(self) -> AnyArray:
        """How many images there are of each class."""
        counts: AnyArray = self.confusion.sum(axis=1) + self.unknown
        return counts

    @property
    def recall(self) -> Array:
        """The share of each class's images that is right."""
        return _shares(np.diagonal(self.confusion), self.support)

    @property
    def precision(self) -> Array:
        """The share of what was taken for each class that is of it."""
        return _shares(np.diagonal(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> Array:
        """The harmonic mean of recall and precision of each class."""
        both = self.support + self.confusion.sum(axis=0)
        return _shares(2 * np.diagonal(self.confusion), both)

    def _table(self, write: Callable[..., str]) -> str:
        columns = self.recall, self.precision, self.f1
        rows = [
            (name, f"{images:,}", *map(_percent, shares))
            for name, images, *shares in zip(self.class_names, self.support, *columns, strict=True)
        ]
        means = (_percent(_mean(column)) for column in columns)
        header = ("class", "images", "recall", "precision", "F1")
        total = ("all, mean", f"{self.support.sum():,}", *means)
        return write(header, rows, names=1, total=total)

    def __str__(self) -> str:
        return f"{self._table(tables.as_text)}\n\n{self._sentence()}"

    def __repr__(self) -> str:
        return f"<Report: {self._sentence()}>"

    def _repr_html_(self) -> str:
        return f"{self._table(tables.as_html)}<p>{self._sentence()}</p>"

    def _sentence(self) -> str:
        return f"{_percent(self.accuracy)} of {self.support.sum():,} images are right"


def of_labels(labels: Labels, predicted: Labels, class_names: Sequence[str]) -> Report:
    """Return the report of labels (N,) and predictions (N,): numbers of classes, or -1 for none."""
    classes, labels, predicted = len(class_names), np.asarray(labels), np.asarray(predicted)
    known = predicted >= 0
    cells = labels[known] * classes + predicted[known]
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    unknown = np.bincount(labels[~known], minlength=classes)
    return Report(confusion, tuple(map(str, class_names)), unknown)


def _shares(parts: AnyArray, wholes: AnyArray) -> Array:
    with np.errstate(invalid="ignore"):
        shares: Array = np.divide(parts, wholes)
    return shares


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.1%}"
