"""Scoring: what one worker does with vectors and a batch."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cnn import Engine, Model
from gacnn.fitness.batches import Augmentation, Batch, changed, generator_of
from gacnn.fitness.metrics import Measure, Metric, MetricError, check_numbers, measure_of
from gacnn.types import Array

OUTPUT_BYTES = 64 * 2**20


class Scores(NamedTuple):
    """The fitness of members, (P,) or (P, objectives), and what a sampler learns from.

    log_proba: of the label of each image of a weighted batch, (P, N); None otherwise.
    """

    fitness: Array
    log_proba: Array | None = None


@dataclass(frozen=True)
class Scorer:
    """Scores networks on batches of data: nothing but arrays, names and the model goes with it.

    X, y: checked; several: whether there are several objectives; output_bytes: of network outputs
    that are held at a time; by_row: whether a member's score does not depend on how many others
    are scored in the same call, given its outputs: sums then run along each row of memory alone.
    """

    model: Model
    metrics: tuple[Metric, ...]
    X: Array
    y: Array
    several: bool = False
    augment: Augmentation | None = None
    engine: str | Engine = "numpy"
    threads: int | None = None
    output_bytes: int = OUTPUT_BYTES
    by_row: bool = False
    _latest: list[tuple[Batch, Array, Array]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_latest": []}

    def __call__(self, vectors: Array, batch: Batch) -> Scores:
        """Return the scores of networks (P, num_weights) on a batch."""
        X, y = self.data(batch)
        parts = []
        for start, part in self._parts(vectors, len(X)):
            if batch.weights is None:
                parts.append(Scores(self._scores(part, start, X, y)))
            else:
                parts.append(self._weighted(part, start, X, y, batch.weights))
        fitness = np.concatenate([part.fitness for part in parts])
        if batch.weights is None:
            return Scores(fitness)
        return Scores(fitness, np.concatenate([part.log_proba for part in parts]))

    def data(self, batch: Batch) -> tuple[Array, Array]:
        """Return images and targets of a batch; those of the latest one are kept."""
        for known, X, y in self._latest:
            if known is batch:
                return X, y
        X, y = self.X, self.y
        if batch.chosen is not None:
            X, y = X[batch.chosen], y[batch.chosen]
        if batch.generator is not None and self.augment is not None:
            own = X.copy() if X is self.X else X  # it may change them in place
            X = changed(own, self.augment, generator_of(batch.generator))
        self._latest[:] = [(batch, X, y)]
        return X, y

    def _parts(self, vectors: Array, images: int) -> list[tuple[int, Array]]:
        """Cut the members into parts whose outputs take little memory."""
        floats = images * int(np.prod(self.model.output_shape))
        share = max(1, self.output_bytes // (4 * floats))
        return [(start, vectors[start : start + share]) for start in range(0, len(vectors), share)]

    def _scores(self, vectors: Array, start: int, X: Array, y: Array) -> Array:
        forward = functools.cache(lambda kind: self._forward(kind, X, vectors))
        columns = []
        for metric in self.metrics:
            measure = measure_of(metric)
            try:
                scores = self._measured(measure, forward(measure.on), y)
            except MetricError as error:
                raise MetricError(metric, start + error.position, error.reason) from error
            check_numbers(scores, metric, start)
            columns.append(scores)
        return np.stack(columns, axis=1) if self.several else columns[0]

    def _measured(self, measure: Measure, outputs: Array, y: Array) -> Array:
        if not self.by_row or measure.targets == "any":  # those are called for each member anyway
            return measure.score(outputs, y)
        return np.concatenate([measure.score(own[None], y) for own in outputs])

    def _weighted(self, vectors: Array, start: int, X: Array, y: Array, weights: Array) -> Scores:
        """Score the cross-entropy on images that were not drawn evenly."""
        own = np.arange(len(y)), y
        log_proba = self._forward("log_proba", X, vectors)[:, *own]
        if self.by_row:  # of many members it lies in memory image by image
            log_proba = np.ascontiguousarray(log_proba)
        fitness: Array = (log_proba * weights).mean(axis=1)
        check_numbers(fitness, "cross_entropy", start)
        return Scores(fitness, log_proba)

    def _forward(self, kind: str, X: Array, vectors: Array) -> Array:
        run = self.model.log_proba if kind == "log_proba" else self.model.forward
        return run(X, vectors, engine=self.engine, threads=self.threads)
