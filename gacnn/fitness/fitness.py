"""The fitness of networks on data: vectors (P, n) in, fitness (P,) out."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import Engine, Model, checks
from cnn.engines.engine import engine_for
from cnn.layers.network import describe
from cnn.model import check_model
from cnn.slabs import checked_memory
from gacnn.fitness.batches import (
    ALL,
    Augmentation,
    Batch,
    checked_augmentation,
    checked_batch_size,
    drawn,
)
from gacnn.fitness.evaluator import Evaluator
from gacnn.fitness.features import kept_features
from gacnn.fitness.layer_inputs import sees_more
from gacnn.fitness.metrics import (
    METRICS,
    Measure,
    Metric,
    checked_targets,
    is_cross_entropy,
    measure_of,
    name_of,
)
from gacnn.fitness.sampling import ImportanceSampling
from gacnn.fitness.scoring import Scorer, Scores
from gacnn.fitness.shards import Shards, checked_shard
from gacnn.fitness.weights import ClassWeight, weights_for
from gacnn.types import Array


class Fitness(Evaluator):
    """The fitness of networks on data, for `gacnn.GA` and for `pygad.GA`; higher is better.

    Called with vectors (P, num_weights) it returns (P,), or (P, objectives) for a list of
    metrics. PyGAD may call it too, as fitness(ga, solutions, indices), with fitness_batch_size or
    a solution at a time. `full` uses all images, as they are. A network whose outputs are no
    finite numbers is worse than any other, whatever the metric.

    Args:
        model: the architecture.
        X: (N, height, width, channels). It is not copied: leave it as it is while a run goes on.
            What the first layers return that have trainable=False is computed once a run, and
            kept where it takes at most four times memory_limit and nothing augments the images.
        y: labels (N,), or values (N, outputs) for "mse"; copied.
        metric: a name in `METRICS`; a `CrossEntropy`; a callable(outputs, y) of one network's
            outputs, (N, outputs), or (N,) of a network with one, and of y as it was given, but (N,)
            for a column, both read-only; a function of sklearn.metrics, or a partial of one, which
            is given labels, probabilities or values as it wants them; or a list of those for
            several objectives.
        batch_size: every call scores all its vectors on one random batch of that many images: the
            one that `draw` drew last, or else a new one; None for all images.
        sampling: "uniform"; "importance" draws images that the networks get wrong more often, and
            weighs them down again (`ImportanceSampling`; for cross-entropy alone).
        augment: augment(images, rng) returns changed images of the same shape for every batch,
            such as `gacnn.augment.Shift`.
        random_seed: of batches that are drawn by no GA.
        engine, device, memory_limit: as for `Model.forward`.
        threads: likewise; with an executor those of a task, one if nothing is said.
        executor: scores the population in shards on other workers: a Dask `Client`, a cluster of
            Dask's, an address "tcp://host:8786", an executor of `concurrent.futures`' kind, or the
            module `ray`. None: here.
        shard: members of a task, or "auto": so many as make a task of about a tenth of a second.
            It belongs to what a run is: the same shard gives the same bits with any executor and
            none. None: "auto" with an executor, and without one no shards.
        sample_weight: (N,), how much each image counts; a metric of one's own is given those of a
            batch as sample_weight=…. None for all alike. Those of weight 0 are left out.
        class_weight: "balanced", as often as a class is rarer than others, or a dict of weights by
            label; it multiplies sample_weight.

    Raises:
        ValueError, TypeError: for data that do not fit the model, or arguments each other, and
            an executor that is closed or none.
        MetricError: when called, for a metric that fails.
        ConnectionError: when called, for workers that are gone.

    Examples:
        >>> model = cnn.Model([cnn.Input2D((4, 4, 1)), cnn.Flatten(), cnn.Dense(2)])
        >>> X = np.random.default_rng(0).random((6, 4, 4, 1))
        >>> fitness = gacnn.Fitness(model, X, y=[0, 1, 0, 1, 0, 1], metric="accuracy")
        >>> fitness(np.zeros((3, model.num_weights)))
        array([0.5, 0.5, 0.5])
    """

    model: Model

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
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        memory_limit: int | None = None,
        executor: Any = None,
        shard: int | str | None = None,
    ) -> None:
        self.model = check_model(model)
        several = isinstance(metric, list | tuple)
        metrics: list[Any] = list(metric) if isinstance(metric, list | tuple) else [metric]
        if isinstance(metric, str):
            self.measure = metric
        if not metrics:
            raise ValueError("metric is an empty list; name at least one")
        measures = [measure_of(each) for each in metrics]
        images = model.check_images(X, "X")
        targets = checked_targets(model, y, len(images), {each.targets for each in measures})
        weights = weights_for(model, targets, sample_weight, class_weight)
        if weights is not None:
            for each, measure in zip(metrics, measures, strict=True):
                _check_weighs(each, measure)
            counting = weights > 0
            if not counting.all():
                images, targets, weights = images[counting], targets[counting], weights[counting]
                weights /= weights.mean()
        augment = checked_augmentation(augment)
        chosen = engine_for(engine, device)
        limit = checked_memory(memory_limit, chosen)
        self.scorer = Scorer(
            model,
            tuple(metrics),
            images,
            np.array(targets),
            several,
            augment,
            chosen,
            None if threads is None else checks.whole(threads, "threads"),
            sample_weight=weights,
            memory_limit=limit,
            features=kept_features(model, images, limit) if augment is None else None,
        )
        size = checked_shard(shard, executor)
        self.shards = None if size is None else Shards(self.scorer, size, executor)
        works_here = self.shards is None or self.shards.workers is None
        self.threads = self.scorer.threads if works_here else None  # all, where workers score
        self.batch_size = (
            None if batch_size is None else checked_batch_size(batch_size, len(images))
        )
        self.sampler = self._sampler(sampling)
        self.batch: Batch | None = None
        seed = None if random_seed is None else checks.whole(random_seed, "random_seed", minimum=0)
        self._rng = np.random.default_rng(seed)

    def _sampler(self, sampling: str) -> ImportanceSampling | None:
        if checks.one_of(sampling, "sampling", ["uniform", "importance"]) == "uniform":
            return None
        metrics = self.scorer.metrics
        if self.scorer.several or not is_cross_entropy(metrics[0]):
            raise ValueError(
                'sampling "importance" needs the metric "cross_entropy", a mean over images, not '
                f'{", ".join(map(name_of, metrics))}; use sampling "uniform"'
            )
        if self.batch_size is None:
            raise ValueError('sampling "importance" chooses batches: give a batch_size')
        return ImportanceSampling(
            len(self.X), self.model.num_classes, weights=self.scorer.sample_weight
        )

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
        with ExitStack() as stack:
            stack.enter_context(self.keeping_features())
            stack.enter_context(self.scorer.engine.session())
            if self.shards is not None:
                stack.enter_context(self.shards.session())
            yield

    def keeping_features(self) -> AbstractContextManager[None]:
        """Return what keeps inside what fixed leading layers return, computed once for all images.

        Images and fixed weights must stay as they are inside. `session` does it too.
        """
        features = self.scorer.features
        return nullcontext() if features is None else features.held()

    @property
    def keeps_features_here(self) -> bool:
        """Whether that is in this process, and not with workers or on a device of an engine."""
        workers = None if self.shards is None else self.shards.workers
        here = workers is None or workers.share_memory
        return here and self.scorer.features is not None and not self.scorer.reduces

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

    def _coming(self) -> Batch:
        """Return the batch that was drawn, or a new one."""
        if self.batch is not None:
            return self.batch
        augmented = self.scorer.augment is not None
        return self._drawn(self._rng.spawn(1)[0] if augmented else self._rng)

    def _on_batch(self, vectors: Array) -> Array:
        batch = self._coming()
        fitness, right = self._scores(vectors, batch)
        if self.sampler is not None and batch.chosen is not None and right is not None:
            self.sampler.note(batch.chosen, 1 - right / len(vectors))
        return fitness

    def layer_inputs(self, vector: Array) -> list[Array | None]:
        """Return what each trainable layer takes of the batch, in the network of a vector (n,).

        (images, inputs) for a dense layer that takes twice as many inputs and bias as there are
        images, or more; None for any other layer.
        """
        images = self.images_per_network
        if not any(sees_more(layer, images) for layer in self.model.trainable_layers):
            return [None] * len(self.model.trainable_layers)
        kept = self.shards is None  # with any executor and none the same bits
        return self.scorer.layer_inputs(vector, self._coming(), kept=kept)

    def full(self, vectors: ArrayLike) -> Array:
        """Return the fitness (P,) or (P, objectives) of vectors (P, num_weights) on all data."""
        return self._scores(np.asarray(vectors), ALL).fitness

    def _scores(self, vectors: Array, batch: Batch) -> Scores:
        score = self.scorer if self.shards is None else self.shards
        with self.keeping_features() if batch.chosen is None else nullcontext():
            return score(vectors, batch)

    def on(self, executor: Any) -> Fitness:
        """Return this fitness on another executor, or for None in this process, bit for bit.

        They share batches and sampler. Without shards it has them from now on, and other bits.
        """
        twin = copy.copy(self)
        size = checked_shard(None if self.shards is None else self.shards.size, executor)
        twin.shards = None if size is None else Shards(self.scorer, size, executor)
        return twin

    def on_all(self, vectors: Array) -> Array | None:
        """Return the fitness on all data, where that on the batch is another."""
        return self.full(vectors) if self.reevaluates else None

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
        batch = state["batch"]
        self.batch = None if batch is None else Batch(*(batch[name] for name in Batch._fields))

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this fitness from another: network, metric, batch size and data."""
        scorer = self.scorer
        weights = scorer.sample_weight
        weighted = {} if weights is None else {"sample_weight": zlib.crc32(weights.tobytes())}
        return {
            "layers": describe(self.model.layers),
            "fixed_weights": zlib.crc32(self.model.fixed_weights.tobytes()),
            "metrics": [name_of(metric) for metric in scorer.metrics],
            "batch_size": self.batch_size,
            "sampling": "uniform" if self.sampler is None else "importance",
            "augment": None if scorer.augment is None else name_of(scorer.augment),
            "engine": scorer.engine.name,
            **({} if self.shards is None else {"shard": self.shards.size}),
            "images": [list(self.X.shape), zlib.crc32(np.ascontiguousarray(self.X).data)],
            "targets": [list(self.y.shape), zlib.crc32(np.ascontiguousarray(self.y).data)],
            **weighted,
        }


def _check_weighs(metric: Metric, measure: Measure) -> None:
    if not measure.weighs:
        name = name_of(metric)
        raise ValueError(
            f"sample_weight and class_weight have no meaning for the metric {name}, which is not "
            f"told them; give it a parameter sample_weight, or take one of {', '.join(METRICS)}"
        )
