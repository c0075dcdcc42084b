"""What a training gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, Report, tables
from cnn.types import Array, Labels
from gacnn import plots
from gacnn.algorithm.ga import GA
from gacnn.callbacks.history import History
from gacnn.operators.names import OPERATORS
from gacnn.training.plan import Plan, described


@dataclass(frozen=True)
class Result:
    """What a training gives: the best network and how it was found.

    Args:
        model: the best network.
        score: its fitness on all training data.
        validation_score: that on the held-out data, or None.
        history: a row for every generation.
        ga: the genetic algorithm after its run.
        plan: what was planned.
        image_evaluations: what it cost, networks times images, validation included.
        validation_accuracy: the share of the held-out images that are right, or None.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Dense(2)], random_seed=0)
        >>> networks = gacnn.GACNN(model, 8, random_seed=0)
        >>> result = networks.train(np.eye(2), [1, 0], num_generations=100, verbose=False)
        >>> result.predict(np.eye(2)).tolist()  # the same as result.model.predict
        [1, 0]
        >>> len(result.history) == result.ga.generations_completed
        True
    """

    model: Model
    score: Any
    validation_score: Any
    history: History
    ga: GA
    plan: Plan
    image_evaluations: int
    validation_accuracy: float | None = None

    def predict(self, X: ArrayLike, **options: Any) -> Labels:
        """Return what `model.predict` does, labels (N,) of images; options: of that."""
        return self.model.predict(X, **options)

    def predict_proba(self, X: ArrayLike, **options: Any) -> Array:
        """Return what `model.predict_proba` does, (N, classes); options: of that."""
        return self.model.predict_proba(X, **options)

    def evaluate(
        self, X: ArrayLike, y: ArrayLike, class_names: Sequence[str] | None = None
    ) -> Report:
        """Return what `model.evaluate` does, a report on labelled images with the accuracy.

        `score` is no function, but the fitness on the training data; `model.score(X, y)` is one.
        """
        return self.model.evaluate(X, y, class_names)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the fitness over the run, or the front of two objectives; return the Axes.

        options: those of `gacnn.plots.fitness` or `gacnn.plots.pareto_front`.
        """
        if np.ndim(self.score):
            return plots.pareto_front(self, ax=ax, **options)
        return self.history.plot(ax, **options)

    def _facts(self) -> dict[str, str]:
        facts = {"score": _score(self.score), "validation score": _score(self.validation_score)}
        if self.validation_accuracy is not None:
            facts["validation accuracy"] = f"{100 * self.validation_accuracy:.1f} %"
        seconds = self.history["seconds"][-1] if len(self.history) else 0.0
        return {
            **facts,
            "generations": f"{self.ga.generations_completed:,}",
            "image evaluations": f"{self.image_evaluations:,}",
            "seconds": f"{seconds:,.1f}",
            "weights": f"{self.model.num_weights:,}",
        }

    def __repr__(self) -> str:
        return f"<Result: {', '.join(f'{name} {value}' for name, value in self._facts().items())}>"

    def _repr_html_(self) -> str:
        settings = {name: described(self.plan.settings[name]) for name in OPERATORS}
        return tables.as_html((), {**self._facts(), **settings}.items(), names=2)


def _score(value: Any) -> str:
    return "none" if value is None else " / ".join(f"{each:.4g}" for each in np.atleast_1d(value))
