"""Shards: a population cut into tasks, which are scored here or elsewhere with the same bits.

Where the cuts lie depends on shapes, and on what members share, and never on who does the work.
Random numbers and sums over members stay with the driver, in the order of the shards.
"""

from __future__ import annotations

import functools
import os
import platform
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from cnn import Model, checks
from cnn.engines.families import weight_arrays
from gacnn.fitness import worker
from gacnn.fitness.batches import Batch
from gacnn.fitness.executors import ExecutorError, Workers, workers_of
from gacnn.fitness.metrics import MetricError
from gacnn.fitness.scoring import Scorer, Scores
from gacnn.fitness.version import VERSION
from gacnn.fitness.worker import Answer, Packed
from gacnn.types import Array

AUTO = "auto"
TASK_NUMBERS = 2**27  # that the layers of a task write: about a tenth of a second on one core
MOST_TASKS = 256  # of a generation: each takes the driver about a millisecond
GIVEN_BYTES = 2**28  # of data that are on their way at a time


def checked_shard(shard: Any, executor: Any) -> int | str | None:
    """Return the members of a task, or "auto"; None for no shards at all."""
    if shard is None:
        return None if executor is None else AUTO
    if isinstance(shard, str):
        return checks.one_of(shard, "shard", [AUTO])
    return checks.whole(shard, "shard")


def shard_size(shard: int | str, model: Model, images: int, members: int, kept: int = 0) -> int:
    """Return how many members a task has: what was said, or what follows from the shapes.

    kept: layers at the beginning whose outputs are kept, so that no task computes them.
    """
    if not isinstance(shard, str):
        return shard
    layers = model.get_layers()[kept:]
    numbers = images * sum(int(np.prod(layer.layer_output_size)) for layer in layers)
    return max(1, TASK_NUMBERS // numbers, -(-members // MOST_TASKS))


def cuts(model: Model, vectors: Array, size: int) -> list[slice]:
    """Return where shards of at most so many members lie in vectors (members, num_weights).

    No shard reaches over the edge of a family that is larger, and families that are smaller are
    not cut: what consecutive members share is computed once.
    """
    members = len(vectors)
    families = {members // len(each) for each in weight_arrays(model.weighted_layers, vectors)}
    around = min((family for family in families if family > size), default=members)
    inside = max((family for family in families if family <= size), default=1)
    step = size // inside * inside
    return [
        slice(start, min(start + step, first + around))
        for first in range(0, members, around)
        for start in range(first, first + around, step)
    ]


class Journey(NamedTuple):
    """What the latest population took: tasks, bytes of vectors and batches, bytes of scores."""

    tasks: int
    sent: int
    received: int


class Shards:
    """Scores populations in shards: on the workers of an executor, or here.

    Args:
        scorer: what is done with a shard.
        size: members of a shard, or "auto": so many as make a task of a tenth of a second, and
            not more than 256 tasks.
        executor: what `gacnn.fitness.executors.workers_of` takes, or None: in this process.
    """

    def __init__(self, scorer: Scorer, size: int | str, executor: Any = None) -> None:
        self.scorer = replace(scorer, by_row=True)
        self.size = size
        self.workers = None if executor is None else workers_of(executor)
        self.answered: Counter[str] = Counter()
        """How many tasks each worker has done."""
        self.journey = Journey(0, 0, 0)
        self._packed: Packed | None = None
        self._own: tuple[str, str] | None = None  # the probe of this process
        self._is_open = False
        self._draw: tuple[Batch | None, str] = (None, "")

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process gets: it scores there."""
        fresh = {"workers": None, "_packed": None, "_is_open": False, "_draw": (None, "")}
        return {**self.__dict__, **fresh}

    @property
    def data_bytes(self) -> int:
        """Bytes that travel once to each worker; 0 where the data are in memory that they share."""
        return 0 if self._packed is None else self._packed.nbytes

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold the workers for a run; raises what says that they, or the data, are no good."""
        if self.workers is None or self._is_open:
            yield
            return
        with ExitStack() as stack:
            if not self.workers.share_memory and self._packed is None:
                self._packed = worker.packed(self.scorer)
            stack.enter_context(self.workers.session())
            stack.enter_context(worker.held_here(self._token, self.scorer))
            self._is_open = True
            try:
                yield
            finally:
                self._is_open = False

    @property
    def _token(self) -> str:
        return str(id(self)) if self._packed is None else self._packed.token

    def __call__(self, vectors: Array, batch: Batch) -> Scores:
        """Return the scores of vectors (members, num_weights) on a batch."""
        model = self.scorer.model
        axes = "members, weights"
        vectors = checks.shaped(vectors, "vectors", (None, model.num_weights), axes)
        checks.finite(vectors, "vectors")
        with np.errstate(all="ignore"):
            vectors = np.ascontiguousarray(vectors, np.float32)
        images = len(self.scorer.X) if batch.chosen is None else len(batch.chosen)
        kept = 0 if self.scorer.features is None else self.scorer.features.layers
        size = shard_size(self.size, model, images, len(vectors), kept)
        parts = cuts(model, vectors, size)
        if self.workers is None or len(vectors) == 1:  # one is not worth the journey
            return self._joined([self._scored(vectors, part, batch) for part in parts])
        with self.session():
            scores = self._there(self.workers, [vectors[part] for part in parts], parts, batch)
        return self._joined(scores)

    def _scored(self, vectors: Array, part: slice, batch: Batch) -> Scores:
        try:
            return self.scorer(vectors[part], batch)
        except MetricError as error:
            position = part.start + error.position
            raise MetricError(error.metric, position, error.reason) from error.__cause__

    def _joined(self, scores: Sequence[Scores]) -> Scores:
        fitness = np.concatenate([each.fitness for each in scores])
        right = [each.right for each in scores if each.right is not None]
        return Scores(fitness, functools.reduce(np.add, right) if right else None)

    def _there(
        self, workers: Workers, vectors: Sequence[Array], parts: Sequence[slice], batch: Batch
    ) -> list[Scores]:
        """Return the scores of shards, from workers; those that lack the data are given them."""
        if self._draw[0] is not batch:
            self._draw = batch, uuid.uuid4().hex
        fields = VERSION, (platform.node(), os.getpid()), self._token, self._draw[1]
        tasks = [tuple(worker.Task(*fields, tuple(batch), each)) for each in vectors]
        scores: dict[int, Scores] = {}
        left, given = list(range(len(tasks))), dict[int, str]()
        while left:
            rows: list[tuple[Any, ...]] = [(tasks[index],) for index in left]
            if given:
                rows = [(tasks[index], tuple(self._packed or ())) for index in left]
            places = [given[index] for index in left] if given else None
            lacking: dict[int, str] = {}
            for index, answer in zip(left, _answers(workers, rows, places), strict=True):
                if answer.kind == "missing":
                    lacking[index] = answer.worker
                elif answer.kind == "version":
                    self._refuse(workers, answer)
                else:
                    scores[index] = self._taken(answer, parts[index].start)
            left = [index for index in range(len(tasks)) if index not in scores]
            given = self._to_give(lacking)
            left = list(given) or left
        self.journey = _journey(tasks, list(scores.values()))
        return [scores[index] for index in range(len(tasks))]

    def _to_give(self, lacking: dict[int, str]) -> dict[int, str]:
        """Return the tasks that take the data with them: one a worker, and few at a time."""
        first = {place: index for index, place in reversed(lacking.items())}
        most = max(1, GIVEN_BYTES // max(1, self.data_bytes))
        return {index: place for place, index in list(first.items())[:most]}

    def _taken(self, answer: Answer, start: int) -> Scores:
        """Return the scores of an answer; note whose they are."""
        if answer.kind == "metric":
            name, position, reason = answer.content
            raise MetricError(name, start + position, reason)
        fitness, right, probe, kernel = answer.content
        if answer.worker not in self.answered:
            self._compare(answer.worker, probe, kernel)
        self.answered[answer.worker] += 1
        return Scores(fitness, right)

    def _compare(self, name: str, probe: str, kernel: str) -> None:
        """Warn of a worker whose numbers differ from those of this process in their last bits."""
        if self._own is None:
            self._own = worker.probe(self.scorer)
        if probe != self._own[0]:
            checks.warn(
                f"worker {name} computes other bits (BLAS kernel {kernel}) than this process "
                f"(BLAS kernel {self._own[1]}): the run is as good, but it depends on who scores "
                "whom; for the same bits start all of them with the same OPENBLAS_CORETYPE, such "
                "as Haswell"
            )

    def _refuse(self, workers: Workers, answer: Answer) -> None:
        """Leave a worker with another version out, or raise an error where that cannot be had."""
        (version,) = answer.content
        what = (
            f"worker {answer.worker} has gacnn {version}, and this is gacnn {VERSION}: "
            "install the same version on both"
        )
        if not workers.refuse(answer.worker):
            raise ExecutorError(what)
        checks.warn(f"{what}; until then it is given no tasks")


def _answers(
    workers: Workers, rows: Sequence[tuple[Any, ...]], places: Sequence[str] | None
) -> list[Answer]:
    try:
        return [Answer(*each) for each in workers.run(worker.score, rows, places)]
    except (ImportError, AttributeError) as error:
        error.add_note(
            "workers need this package, and the modules of metric and augment, in the driver's "
            "versions"
        )
        raise


def _journey(tasks: Sequence[tuple[Any, ...]], scores: Sequence[Scores]) -> Journey:
    batch, vectors = tasks[0][4], [task[5] for task in tasks]
    own = sum(part.nbytes for part in batch if isinstance(part, np.ndarray))
    received = sum(array.nbytes for each in scores for array in each if array is not None)
    sent = len(tasks) * own + sum(each.nbytes for each in vectors)
    return Journey(len(tasks), sent, received)
