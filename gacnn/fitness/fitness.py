"""Metrics and the fitness of whole populations: vectors (P, n) in, fitness (P,) out."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Model, checks
from cnn.layers.network import describe
from gacnn.fitness.batches import Augmentation, _Batch, _batch
from gacnn.fitness.metrics import Metric, MetricError, _check_numbers, _name, _scorer, _targets
from gacnn.fitness.sampling import ImportanceSampling
from gacnn.types import Array

OUTPUT_BYTES = 64 * 2**20  # of network outputs that are held at a time


class Fitness:
    """The fitness of networks on data, for `gacnn.GA` and for `pygad.GA`; higher is better.

    model: the architecture. X: (N, height, width, channels). y: labels (N,), or values (N,
    outputs) for "mse". metric: a name in `METRICS`, a callable(outputs, y) of one network's
    outputs (N, outputs), also for one output, and of y as it was given; or a list of those for
    several objectives. With a batch_size, every
    call scores all its vectors on one random batch of that many images: the one that `draw_batch`
    drew last, or else a new one; sampling "importance" draws images that the networks get wrong
    more often, and weighs them down again (`ImportanceSampling`; for "cross_entropy" alone).
    augment(images, rng) returns changed images of the same shape for every batch, such as
    `gacnn.augment.Shift`. `full` uses all images, as they are.

    Called with vectors (P, num_weights) it returns (P,), or (P, objectives) for a list of
    metrics. PyGAD may call it too, as fitness(ga, solutions, indices), with fitness_batch_size or
    a solution at a time. Raises ValueError or TypeError for data that do not fit the model, and
    `MetricError` for a metric that fails.
    """

    evaluates_population = True
    ranks_on_all = True
    """Whether `gacnn.GA` shall rank the last population on all data, which takes a while."""

    def __init__(
        self,
        model: Model,
        X: ArrayLike,
        y: ArrayLike,
        metric: Metric | Sequence[Metric] = "cross_entropy",
        *,
        batch_size: int | None = None,
        sampling: str = "uniform",
        augment: Augmentation | None = None,
        random_seed: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.model = model
        self.several = isinstance(metric, list | tuple)
        self.metrics: list[Any] = list(metric) if isinstance(metric, list | tuple) else [metric]
        if not self.metrics:
            raise ValueError("metric is an empty list; name at least one")
        self.scorers = [_scorer(each) for each in self.metrics]
        self.X = model.check_images(X, "X")
        self.y = _targets(model, y, len(self.X), {scorer.targets for scorer in self.scorers})
        self.batch_size = None if batch_size is None else _batch(batch_size, len(self.X))
        self.threads = None if threads is None else checks.whole(threads, "threads")
        if isinstance(augment, type):
            raise TypeError(f"augment must be an object, not a class: write {augment.__name__}(…)")
        if augment is not None and not callable(augment):
            raise TypeError(f"augment must be callable as augment(images, rng), not {augment!r}")
        self.augment = augment
        self.sampler = self._sampler(sampling)
        self.batch: _Batch | None = None
        self._rng = np.random.default_rng(random_seed)

    def _sampler(self, sampling: str) -> ImportanceSampling | None:
        if checks.one_of(sampling, "sampling", ["uniform", "importance"]) == "uniform":
            return None
        if self.metrics != ["cross_entropy"] or self.several:
            raise ValueError(
                'sampling "importance" needs the metric "cross_entropy", a mean over images, not '
                f'{", ".join(map(_name, self.metrics))}; use sampling "uniform"'
            )
        if self.batch_size is None:
            raise ValueError('sampling "importance" chooses batches: give a batch_size')
        return ImportanceSampling(len(self.X), self.model.num_classes)

    @property
    def images_per_network(self) -> int:
        """How many images a call shows to every network: the batch, or all."""
        return self.batch_size or len(self.X)

    @property
    def reevaluate(self) -> bool:
        """Whether kept solutions must be scored again, because every batch is another one."""
        return self.batch_size is not None or self.augment is not None

    def draw_batch(self, rng: np.random.Generator) -> None:
        """Draw the batch of all calls until the next draw; `gacnn.GA` draws one a generation."""
        self.batch = self._drawn(rng)

    def _drawn(self, rng: np.random.Generator) -> _Batch:
        """Return the images and targets of a new batch."""
        images, targets = self.X, self.y
        chosen, weights = np.arange(len(images)), np.ones(self.images_per_network)
        if self.sampler is not None:
            chosen, weights = self.sampler.draw(rng, len(weights))
        elif self.batch_size is not None:
            chosen = rng.choice(len(images), self.batch_size, replace=False)
        if self.batch_size is not None:
            images, targets = images[chosen], targets[chosen]
        if self.augment is not None:
            own = images.copy() if images is self.X else images  # it may change them in place
            images = self._changed(own, rng)
        return _Batch(images, targets, chosen, weights)

    def _changed(self, images: Array, rng: np.random.Generator) -> Array:
        """Return the images augmented."""
        assert self.augment is not None
        changed = np.asarray(self.augment(images, rng))
        if changed.shape != images.shape:
            raise ValueError(
                f"augment must return images of the same shape, {images.shape}, not {changed.shape}"
            )
        return changed

    def __call__(self, vectors: Any, solutions: Any = None, indices: Any = None) -> Any:
        if solutions is None:
            return self._on_batch(np.asarray(vectors))
        rows = np.asarray(solutions)
        fitness = self._on_batch(np.atleast_2d(rows))
        if rows.ndim > 1:
            return fitness.tolist() if fitness.ndim == 1 else list(fitness)
        return float(fitness[0]) if fitness.ndim == 1 else fitness[0]

    def _on_batch(self, vectors: Array) -> Array:
        batch = self.batch
        if batch is None:
            if self.sampler is not None:
                self.sampler.advance()
            batch = self._drawn(self._rng)
        if self.sampler is None:
            return self._score(vectors, batch.X, batch.y)
        return self._weighted(vectors, batch, self.sampler)

    def _weighted(self, vectors: Array, batch: _Batch, sampler: ImportanceSampling) -> Array:
        """Score on images that were not drawn evenly, and tell the sampler how they went."""
        own = np.arange(len(batch.y)), batch.y
        log_proba = np.concatenate(
            [
                self._forward("log_proba", batch.X, part)[:, *own]
                for part in self._parts(vectors, len(batch.X))
            ]
        )
        fitness: Array = (log_proba * batch.weights).mean(axis=1)
        _check_numbers(fitness, "cross_entropy", 0)
        sampler.note(batch.chosen, 1 - np.exp(log_proba).mean(axis=0))
        return fitness

    def full(self, vectors: ArrayLike) -> Array:
        """Return the fitness (P,) or (P, objectives) of vectors (P, num_weights) on all data."""
        return self._score(np.asarray(vectors), self.X, self.y)

    def _parts(self, vectors: Array, images: int) -> list[Array]:
        """Cut the members into parts whose outputs take little memory."""
        share = max(1, OUTPUT_BYTES // (4 * images * int(np.prod(self.model.output_shape))))
        return [vectors[start : start + share] for start in range(0, len(vectors), share)]

    def _score(self, vectors: Array, X: Array, y: Array) -> Array:
        parts, start = [], 0
        for part in self._parts(vectors, len(X)):
            parts.append(self._score_part(part, start, X, y))
            start += len(part)
        return np.concatenate(parts)

    def _score_part(self, vectors: Array, start: int, X: Array, y: Array) -> Array:
        forward = functools.cache(lambda kind: self._forward(kind, X, vectors))
        columns = []
        for metric, scorer in zip(self.metrics, self.scorers, strict=True):
            try:
                scores = scorer.score(forward(scorer.on), y)
            except MetricError as error:
                raise MetricError(metric, start + error.position, error.reason) from error
            _check_numbers(scores, metric, start)
            columns.append(scores)
        return np.stack(columns, axis=1) if self.several else columns[0]

    def _forward(self, kind: str, X: Array, vectors: Array) -> Array:
        run = self.model.log_proba if kind == "log_proba" else self.model.forward
        return run(X, vectors, threads=self.threads)

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this fitness from another: network, metric, batch size and data."""
        return {
            "layers": describe(self.model.layers),
            "fixed_weights": zlib.crc32(self.model.fixed_weights.tobytes()),
            "metrics": [_name(metric) for metric in self.metrics],
            "batch_size": self.batch_size,
            "sampling": "uniform" if self.sampler is None else "importance",
            "augment": None if self.augment is None else _name(self.augment),
            "images": [list(self.X.shape), zlib.crc32(np.ascontiguousarray(self.X).data)],
            "targets": [list(self.y.shape), zlib.crc32(np.ascontiguousarray(self.y).data)],
        }
