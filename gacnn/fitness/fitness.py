"""The fitness of networks on data: vectors (P, n) in, fitness (P,) out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Engine, Model, checks
from cnn.engines.engine import engine_named
from cnn.layers.network import describe
from gacnn.fitness.batches import (
    ALL,
    Augmentation,
    Batch,
    checked_augmentation,
    checked_batch_size,
    drawn,
)
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.metrics import Metric, checked_targets, measure_of, name_of
from gacnn.fitness.sampling import ImportanceSampling
from gacnn.fitness.scoring import Scorer
from gacnn.types import Array


class Fitness(Evaluator):
    """The fitness of networks on data, for `gacnn.GA` and for `pygad.GA`; higher is better.

    model: the architecture. X: (N, height, width, channels). y: labels (N,), or values (N,
    outputs) for "mse". metric: a name in `METRICS`, a callable(outputs, y) of one network's
    outputs (N, outputs), also for one output, and of y as it was given; or a list of those for
    several objectives. With a batch_size, every call scores all its vectors on one random batch of
    that many images: the one that `draw` drew last, or else a new one; sampling "importance" draws
    images that the networks get wrong more often, and weighs them down again
    (`ImportanceSampling`; for "cross_entropy" alone). augment(images, rng) returns changed images
    of the same shape for every batch, such as `gacnn.augment.Shift`. `full` uses all images, as
    they are. engine, threads: as for `Model.forward`.

    Called with vectors (P, num_weights) it returns (P,), or (P, objectives) for a list of
    metrics. PyGAD may call it too, as fitness(ga, solutions, indices), with fitness_batch_size or
    a solution at a time. Raises ValueError or TypeError for data that do not fit the model, and
    `MetricError` for a metric that fails.
    """

    model: Model
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
        engine: str | Engine = "numpy",
        threads: int | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"model must be a cnn.Model, not {type(model).__name__}")
        self.model = model
        several = isinstance(metric, list | tuple)
        metrics: list[Any] = list(metric) if isinstance(metric, list | tuple) else [metric]
        if isinstance(metric, str):
            self.measure = metric
        if not metrics:
            raise ValueError("metric is an empty list; name at least one")
        targets = {measure_of(each).targets for each in metrics}
        images = model.check_images(X, "X")
        self.scorer = Scorer(
            model,
            tuple(metrics),
            images,
            checked_targets(model, y, len(images), targets),
            several,
            checked_augmentation(augment),
            engine_named(engine),
            None if threads is None else checks.whole(threads, "threads"),
        )
        self.batch_size = (
            None if batch_size is None else checked_batch_size(batch_size, len(images))
        )
        self.sampler = self._sampler(sampling)
        self.batch: Batch | None = None
        self._rng = np.random.default_rng(random_seed)

    def _sampler(self, sampling: str) -> ImportanceSampling | None:
        if checks.one_of(sampling, "sampling", ["uniform", "importance"]) == "uniform":
            return None
        metrics = self.scorer.metrics
        if metrics != ("cross_entropy",) or self.scorer.several:
            raise ValueError(
                'sampling "importance" needs the metric "cross_entropy", a mean over images, not '
                f'{", ".join(map(name_of, metrics))}; use sampling "uniform"'
            )
        if self.batch_size is None:
            raise ValueError('sampling "importance" chooses batches: give a batch_size')
        return ImportanceSampling(len(self.X), self.model.num_classes)

    @property
    def X(self) -> Array:  # noqa: N802 # scikit-learn's name
        """The images (N, height, width, channels)."""
        return self.scorer.X

    @property
    def y(self) -> Array:
        """The labels (N,) or values (N, outputs)."""
        return self.scorer.y

    @property
    def images_per_network(self) -> int:
        """How many images a call shows to every network: the batch, or all."""
        return self.batch_size or len(self.X)

    @property
    def reevaluates(self) -> bool:  # type: ignore[override] # follows from the settings
        """Whether kept solutions must be scored again, because every batch is another one."""
        return self.batch_size is not None or self.scorer.augment is not None

    @contextmanager
    def session(self) -> Iterator[None]:
        """Forget what was learned of the images in another run, and hold what the engine needs."""
        if self.sampler is not None:
            self.sampler.reset()
        with engine_named(self.scorer.engine).session():
            yield

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the batch of all calls until the next draw; `gacnn.GA` draws one a generation."""
        self.batch = self._drawn(rng)

    def _drawn(self, rng: np.random.Generator) -> Batch:
        if self.sampler is not None:
            self.sampler.advance()
        augmented = self.scorer.augment is not None
        return drawn(rng, len(self.X), self.batch_size, self.sampler, augmented=augmented)

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
            augmented = self.scorer.augment is not None
            batch = self._drawn(self._rng.spawn(1)[0] if augmented else self._rng)
        fitness, log_proba = self.scorer(vectors, batch)
        if self.sampler is not None and batch.chosen is not None and log_proba is not None:
            self.sampler.note(batch.chosen, 1 - np.exp(log_proba).mean(axis=0))
        return fitness

    def full(self, vectors: ArrayLike) -> Array:
        """Return the fitness (P,) or (P, objectives) of vectors (P, num_weights) on all data."""
        return self.scorer(np.asarray(vectors), ALL).fitness

    def on_all(self, vectors: Array) -> Array | None:
        """Return the fitness on all data, where that on the batch is another and ranks shall be."""
        return self.full(vectors) if self.reevaluates and self.ranks_on_all else None

    def state(self) -> dict[str, Any]:
        """Return what the sampler has learned, and the batch."""
        return {
            "sampler": None if self.sampler is None else self.sampler.state(),
            "batch": None if self.batch is None else self.batch._asdict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take them up again."""
        if self.sampler is not None:
            self.sampler.restore(state["sampler"])
        self.batch = None if state["batch"] is None else Batch(**state["batch"])

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this fitness from another: network, metric, batch size and data."""
        scorer = self.scorer
        return {
            "layers": describe(self.model.layers),
            "fixed_weights": zlib.crc32(self.model.fixed_weights.tobytes()),
            "metrics": [name_of(metric) for metric in scorer.metrics],
            "batch_size": self.batch_size,
            "sampling": "uniform" if self.sampler is None else "importance",
            "augment": None if scorer.augment is None else name_of(scorer.augment),
            "engine": engine_named(scorer.engine).name,
            "images": [list(self.X.shape), zlib.crc32(np.ascontiguousarray(self.X).data)],
            "targets": [list(self.y.shape), zlib.crc32(np.ascontiguousarray(self.y).data)],
        }
