"""Scoring: what one worker does with vectors and a batch."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn import Engine, Model, NumpyEngine
from cnn.engines.engine import ReducingEngine
from cnn.engines.reduction import Reduction, Total
from gacnn.fitness.batches import Augmentation, Batch, changed, generator_of
from gacnn.fitness.features import Features
from gacnn.fitness.layer_inputs import LayerInputs
from gacnn.fitness.metrics import (
    CrossEntropy,
    Measure,
    Metric,
    MetricError,
    check_numbers,
    measure_of,
)
from gacnn.types import Array, Indices

OUTPUT_BYTES = 64 * 2**20
WORST = float(np.finfo(np.float32).min)


class Scores(NamedTuple):
    """The fitness of members, (P,) or (P, objectives), and what a sampler learns from.

    right: the probability of the label of each image of a weighted batch, summed over the members,
    (N,); None otherwise.
    """

    fitness: Array
    right: Array | None = None


class Data(NamedTuple):
    """Images (N, …), their targets (N, …), and their weights (N,), None where all count alike.

    model: the network that takes the images: the rest of one, where X are features.
    """

    X: Array
    y: Array
    sample_weight: Array | None
    model: Model


@dataclass(frozen=True)
class Scorer:
    """Scores networks on batches of data: nothing but arrays, names and the model goes with it.

    X, y: checked; several: whether there are several objectives; output_bytes: of network outputs
    that are held at a time; memory_limit: bytes of a forward pass beside these; sample_weight:
    (N,), above 0 and of mean 1, or None; by_row: whether a member's score does not depend on how
    many others are scored in the same call, given its outputs: sums then run along each row of
    memory alone, and sums of sums over members are exact; features: what the fixed leading layers
    of the model return, None where nothing is kept.

    A network with outputs that are no finite numbers has the worst score in every metric:
    minus infinity, or for several objectives, where PyGAD takes none, the least float32.
    """

    model: Model
    metrics: tuple[Metric, ...]
    X: Array
    y: Array
    several: bool = False
    augment: Augmentation | None = None
    engine: Engine = field(default_factory=NumpyEngine)
    threads: int | None = None
    output_bytes: int = OUTPUT_BYTES
    memory_limit: int = NumpyEngine.memory_limit
    sample_weight: Array | None = None
    by_row: bool = False
    features: Features | None = None
    _latest: list[tuple[Batch, Data]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    _inputs: list[LayerInputs] = field(default_factory=list, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_latest": [], "_inputs": []}

    @property
    def kept_bytes(self) -> int:
        """Bytes of what fixed leading layers return, where that is kept."""
        return 0 if self.features is None else self.features.nbytes

    def __call__(self, vectors: Array, batch: Batch) -> Scores:
        """Return the scores of networks (P, num_weights) on a batch."""
        if self.reduces and not (batch.weights is not None and self._smooths):
            return self._reduced(vectors, batch)
        data = self.data(batch)
        parts = self._parts(vectors, len(data.X))
        if batch.weights is None:
            scores = [self._scores(part, start, data) for start, part in parts]
            return Scores(np.concatenate(scores))
        weights = batch.weights
        if data.sample_weight is not None:
            weights = weights * data.sample_weight
        fitness, log_proba = [], []
        for _, part in parts:
            each, own = self._weighted(part, data)
            fitness.append((each * weights).mean(axis=1))
            log_proba.append(own)
        return Scores(np.concatenate(fitness), self._right(np.concatenate(log_proba)))

    def _right(self, log_proba: Array) -> Array:
        """Return the sum (N,) of the probabilities of the labels of log_proba (P, N)."""
        proba = np.exp(log_proba)
        if self.by_row:  # multiples of 2**-24 add up to the same sum, wherever they are cut
            proba = np.rint(proba.astype(np.float64) * 2**24) / 2**24
        right: Array = proba.sum(axis=0)
        return right

    @functools.cached_property
    def reduces(self) -> bool:
        """Whether the engine makes the score itself; several share one forward pass's outputs."""
        named = len(self.metrics) == 1 and measure_of(self.metrics[0]).total is not None
        return named and isinstance(self.engine, ReducingEngine)

    @property
    def _smooths(self) -> bool:
        """Whether a score and what a sampler learns are two things."""
        metric = self.metrics[0]
        return isinstance(metric, CrossEntropy) and metric.smoothing > 0

    def _reduced(self, vectors: Array, batch: Batch) -> Scores:
        """Let the engine make the scores, of images that it may have already."""
        if batch.weights is not None:
            return self._reduced_weighted(vectors, batch, batch.weights)
        measure = measure_of(self.metrics[0])
        assert measure.total is not None
        assert measure.of_total is not None
        totals, weight = self._total(measure.total, vectors, batch)
        scores = np.asarray(measure.of_total(totals, weight), np.float64)
        broken = np.isnan(totals.reshape(len(totals), -1)).any(axis=1)
        scores[broken] = WORST if self.several else -np.inf
        return Scores(scores[:, None] if self.several else scores)

    def _reduced_weighted(self, vectors: Array, batch: Batch, weights: Array) -> Scores:
        log_proba, _ = self._total(Total.LOG_PROBA, vectors, batch)
        log_proba[np.isnan(log_proba).any(axis=1)] = -np.inf
        if self.sample_weight is not None:
            weights = weights * self.sample_weight[batch.chosen]
        return Scores((log_proba * weights).mean(axis=1), self._right(log_proba))

    def _total(self, total: Total, vectors: Array, batch: Batch) -> tuple[Array, float]:
        """Return what the engine makes of the outputs, and the sum of the weights."""
        (X, y, weights, model), rows = self._shown(batch)
        assert isinstance(self.engine, ReducingEngine)
        reduction, metric = Reduction(total, y, weights, rows), self.metrics[0]
        if isinstance(metric, CrossEntropy):
            reduction = replace(
                reduction, temperature=metric.temperature, smoothing=metric.smoothing
            )
        totals = model.reduce(
            X,
            vectors,
            reduction,
            engine=self.engine,
            threads=self.threads,
            memory_limit=self.memory_limit,
        )
        if weights is None:
            return totals, float(len(y) if rows is None else len(rows))
        return totals, float((weights if rows is None else weights[rows]).sum())

    def _shown(self, batch: Batch) -> tuple[Data, Indices | None]:
        """Return all data, which stay what they are for a run, and which of them a batch is.

        Where those of a batch are made for it, return them.
        """
        made = batch.generator is not None and self.augment is not None
        if self.features is None and not made:
            return Data(self.X, self.y, self.sample_weight, self.model), batch.chosen
        if made or not (self.features and self.features.are_kept):
            return self.data(batch), None
        rest, features = self.features.of(None, self.engine, self.threads, self.memory_limit)
        return Data(features, self.y, self.sample_weight, rest), batch.chosen

    def layer_inputs(self, vector: Array, batch: Batch, *, kept: bool) -> list[Array | None]:
        """Return what each trainable layer takes of a batch, as `LayerInputs` says.

        kept: whether features are taken from those that are kept here, where any are.
        """
        data = self.data(batch) if kept else self._images(batch)
        if not self._inputs or self._inputs[0].model is not data.model:
            self._inputs[:] = [
                LayerInputs(
                    data.model,
                    engine=self.engine,
                    threads=self.threads,
                    memory_limit=self.memory_limit,
                )
            ]
        return self._inputs[0].of(data.X, vector)

    def data(self, batch: Batch) -> Data:
        """Return images, targets and weights of a batch; those of the latest one are kept."""
        for known, data in self._latest:
            if known is batch:
                return data
        data = self._data(batch)
        if self.features is None or batch.chosen is not None:  # who holds the features keeps all
            self._latest[:] = [(batch, data)]
        return data

    def _data(self, batch: Batch) -> Data:
        if self.features is None:
            return self._images(batch)
        settings = self.engine, self.threads, self.memory_limit
        rest, features = self.features.of(batch.chosen, *settings)
        return Data(features, *self._targets(batch), rest)

    def _targets(self, batch: Batch) -> tuple[Array, Array | None]:
        """Return the targets of a batch, and the weights of its images if they have any."""
        y, weights = self.y, self.sample_weight
        if batch.chosen is None:
            return y, weights
        return y[batch.chosen], None if weights is None else weights[batch.chosen]

    def _images(self, batch: Batch) -> Data:
        """Return the images of a batch for the whole network."""
        X = self.X if batch.chosen is None else self.X[batch.chosen]
        if batch.generator is not None and self.augment is not None:
            own = X.copy() if X is self.X else X  # it may change them in place
            X = changed(own, self.augment, generator_of(batch.generator))
        return Data(X, *self._targets(batch), self.model)

    def _parts(self, vectors: Array, images: int) -> list[tuple[int, Array]]:
        """Cut the members into parts whose outputs take little memory."""
        floats = images * int(np.prod(self.model.output_shape))
        share = max(1, self.output_bytes // (4 * floats))
        return [(start, vectors[start : start + share]) for start in range(0, len(vectors), share)]

    def _scores(self, vectors: Array, start: int, data: Data) -> Array:
        forward = functools.cache(lambda kind: self._forward(kind, data, vectors))
        columns = [self._column(metric, forward, start, data) for metric in self.metrics]
        return np.stack(columns, axis=1) if self.several else columns[0]

    def _column(self, metric: Metric, forward: Any, start: int, data: Data) -> Array:
        """Return what a metric says of the members (P,), whose first is number `start`."""
        measure = measure_of(metric)
        outputs = forward(measure.on)
        broken = without_numbers(outputs)
        members = np.arange(len(outputs))
        if broken.any():
            members, outputs = np.flatnonzero(~broken), outputs[~broken]
        try:
            scores = self._measured(measure, outputs, data)
        except MetricError as error:
            position = start + int(members[error.position])
            raise MetricError(metric, position, error.reason) from error.__cause__
        check_numbers(scores, metric, start + members, batch=len(data.y) < len(self.y))
        if not broken.any():
            return scores
        column = np.full(len(broken), WORST if self.several else -np.inf)
        column[members] = scores
        return column

    def _measured(self, measure: Measure, outputs: Array, data: Data) -> Array:
        if not self.by_row or measure.targets == "any":  # those are called for each member anyway
            return measure.score(outputs, data.y, data.sample_weight)
        rows = [measure.score(own[None], data.y, data.sample_weight) for own in outputs]
        return np.concatenate([np.zeros(0), *rows])

    def _weighted(self, vectors: Array, data: Data) -> tuple[Array, Array]:
        """Return the score of each image, and the log-probability of its label, both (P, N)."""
        metric = self.metrics[0]
        outputs = self._forward("log_proba", data, vectors)
        broken = without_numbers(outputs)
        if isinstance(metric, CrossEntropy):
            outputs = metric.tempered(outputs)
        log_proba = outputs[:, np.arange(len(data.y)), data.y]
        each = metric.each(outputs, data.y) if isinstance(metric, CrossEntropy) else log_proba
        if self.by_row:  # of many members it lies in memory image by image
            log_proba, each = np.ascontiguousarray(log_proba), np.ascontiguousarray(each)
        log_proba[broken] = each[broken] = -np.inf
        return each, log_proba

    def _forward(self, kind: str, data: Data, vectors: Array) -> Array:
        run = data.model.log_proba if kind == "log_proba" else data.model.forward
        return run(
            data.X,
            vectors,
            engine=self.engine,
            threads=self.threads,
            memory_limit=self.memory_limit,
        )


def without_numbers(outputs: Array) -> NDArray[np.bool_]:
    """Tell of which members of outputs (P, N, …) some are NaN or infinite."""
    with np.errstate(all="ignore"):
        broken: NDArray[np.bool_] = ~np.isfinite(outputs.reshape(len(outputs), -1).sum(axis=1))
    for member in np.flatnonzero(broken):  # the sum alone may overflow
        broken[member] = not np.isfinite(outputs[member]).all()
    return broken
