"""What a worker does: it is given the data once, and then vectors and the indices of a batch.

A worker is a process, or a thread of this one. Its answers are tuples of plain values, so that one
with another version of this package can still say so.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pickle
import platform
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from cnn.engines.engine import engine_named
from cnn.engines.numpy.threads import blas_kernels
from gacnn.fitness.batches import ALL, Batch
from gacnn.fitness.metrics import MetricError, measure_of, name_of
from gacnn.fitness.scoring import Scorer, Scores
from gacnn.fitness.version import VERSION
from gacnn.types import Array

HELD = 4  # data sets that a worker keeps at a time, the latest
PROBED = 64, 4  # images and networks of the probe
TRIM, MMAP = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h


class Task(NamedTuple):
    """What travels in every generation, as a plain tuple.

    version: of this package; driver: the process that asks; token: names the data; draw: names the
    batch; batch: its fields; vectors: (members, num_weights).
    """

    version: str
    driver: tuple[str, int]
    token: str
    draw: str
    batch: tuple[Any, ...]
    vectors: Array


class Packed(NamedTuple):
    """A scorer as bytes, and its arrays beside it, which are not copied; token: names them."""

    token: str
    text: bytes
    arrays: tuple[Array, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that travel once to each worker."""
        return len(self.text) + sum(array.nbytes for array in self.arrays)


class Answer(NamedTuple):
    """What comes back, as a plain tuple: which kind, from whom, and what is in it.

    "scores": fitness, right, bits of the probe, BLAS kernel; "missing": nothing, for the data
    are not there; "metric": name, position, reason of a `MetricError`; "version": the worker's.
    """

    kind: Literal["scores", "missing", "metric", "version"]
    worker: str
    content: tuple[Any, ...] = ()


def score(task: tuple[Any, ...], packed: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
    """Return the `Answer` to a `Task`; packed: the data, for a worker that said it lacks them."""
    worker = name()
    if task[0] != VERSION:
        return "version", worker, (VERSION,)
    _, driver, token, draw, batch, vectors = task
    _settle(driver, os.getpid())
    held = _held_for(token, packed)
    if held is None:
        return tuple(Answer("missing", worker))
    try:
        scores = held.scores(draw, Batch(*batch), vectors)
    except MetricError as error:
        content = name_of(error.metric), error.position, error.reason
        return tuple(Answer("metric", worker, content))
    probe, kernel = held.probe()
    return tuple(Answer("scores", worker, (scores.fitness, scores.right, probe, kernel)))


def name() -> str:
    """Return what messages call this worker: its address, or its process and machine."""
    worker = _dask_worker()
    return f"process {os.getpid()} on {platform.node()}" if worker is None else str(worker.address)


def _dask_worker() -> Any:
    """Return Dask's worker that this task runs in, or None."""
    distributed = sys.modules.get("distributed")
    try:
        return None if distributed is None else distributed.get_worker()
    except ValueError:  # Dask is here, but this is none of its tasks
        return None


def packed(scorer: Scorer) -> Packed:
    """Return a scorer ready to travel; TypeError, with what it is, for one that cannot."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        text = _pickler().dumps(scorer, protocol=5, buffer_callback=buffers.append)
    except Exception as error:
        culprit = next((each for each in _parts(scorer) if not _is_picklable(each)), scorer)
        raise TypeError(
            f"{_called(culprit)} cannot be sent to other processes: {error}; define it at the top "
            "level of a module, or pip install cloudpickle, which takes lambdas, or give an "
            "executor of threads"
        ) from error
    arrays = tuple(np.asarray(buffer.raw()) for buffer in buffers)
    digest = hashlib.blake2b(text, digest_size=16)
    for array in arrays:
        digest.update(array.data)
    return Packed(digest.hexdigest(), text, arrays)


def _pickler() -> Any:
    try:
        import cloudpickle
    except ImportError:
        return pickle
    return cloudpickle


def _parts(scorer: Scorer) -> list[Any]:
    return [*scorer.metrics, scorer.augment, scorer.engine, scorer.model]


def _called(part: Any) -> str:
    return name_of(part) if callable(part) else f"{type(part).__name__} {part!r}"


def _is_picklable(part: Any) -> bool:
    try:
        _pickler().dumps(part, protocol=5)
    except Exception:  # noqa: BLE001 # whatever a user's object raises
        return False
    return True


# In the worker


class _Held:
    """A scorer in a worker, with the latest batch."""

    def __init__(self, scorer: Scorer) -> None:
        threads = 1 if scorer.threads is None else scorer.threads  # beside others of the machine
        self.scorer = replace(scorer, threads=threads)
        self.engine = engine_named(scorer.engine)
        self._lock = threading.Lock()
        self._draw: tuple[str, Batch] = ("", ALL)
        self._probe: tuple[str, str] | None = None

    def scores(self, draw: str, batch: Batch, vectors: Array) -> Scores:
        """Return the scores of vectors on a batch, whose images are kept until the next one."""
        with self._lock:
            if self._draw[0] != draw:
                self._draw = draw, batch
            batch = self._draw[1]
            self.scorer.data(batch)
        own = np.require(vectors, np.float32, ["C", "ALIGNED"])  # what has travelled lies anywhere
        with self.engine.session():
            return self.scorer(own, batch)

    def probe(self) -> tuple[str, str]:
        """Return a digest of what this machine computes, and the kernel of its BLAS."""
        with self._lock:
            if self._probe is None:
                self._probe = probe(self.scorer)
            return self._probe


def probe(scorer: Scorer) -> tuple[str, str]:
    """Return a digest of the outputs of a few networks, and the kernel of BLAS.

    Processors of another kind may sum in another order, and so give other bits.
    """
    rng = np.random.default_rng(0)
    model, (images, networks) = scorer.model, PROBED
    vectors = np.stack([model.draw_weights(rng) for _ in range(networks)])
    digest = hashlib.blake2b(digest_size=8)
    with engine_named(scorer.engine).session():
        for kind in sorted({measure_of(metric).on for metric in scorer.metrics}):
            run = model.log_proba if kind == "log_proba" else model.forward
            outputs = run(scorer.X[:images], vectors, engine=scorer.engine, threads=1)
            digest.update(outputs.tobytes())
    return digest.hexdigest(), blas_kernels()


_lock = threading.Lock()
_here: dict[str, _Held] = {}  # of runs of this very process, for workers that are its threads
_sent: OrderedDict[str, _Held] = OrderedDict()  # what came from elsewhere, the latest last


@contextmanager
def held_here(token: str, scorer: Scorer) -> Iterator[None]:
    """Let workers that are threads of this process, or forked from it, find the data."""
    with _lock:
        _here[token] = _Held(scorer)
    try:
        yield
    finally:
        with _lock:
            _here.pop(token, None)


def _held_for(token: str, packed: tuple[Any, ...] | None) -> _Held | None:
    """Return the scorer of a token, if it is here or has just come."""
    with _lock:
        if token in _here:
            return _here[token]
        if token not in _sent:
            if packed is None:
                return None
            _sent[token] = _Held(_unpacked(Packed(*packed)))
        _sent.move_to_end(token)
        while len(_sent) > HELD:
            _sent.popitem(last=False)
        return _sent[token]


def _unpacked(data: Packed) -> Scorer:
    """Return the scorer; arrays at odd addresses, which some engines refuse, are copied."""
    arrays: Sequence[Array] = [
        array if array.ctypes.data % 16 == 0 else array.copy() for array in data.arrays
    ]
    scorer: Scorer = pickle.loads(data.text, buffers=arrays)
    return scorer


@functools.cache
def _settle(driver: tuple[str, int], process: int) -> None:
    """Make a process fit for the work: its memory, and Ctrl-C, which is for the driver alone."""
    if driver == (platform.node(), process):
        return
    _keep_freed_memory()
    if driver == (platform.node(), os.getppid()):  # a terminal sends Ctrl-C to the children too
        worker = _dask_worker()
        if worker is None:
            _ignore_interrupts()
        else:
            worker.loop.add_callback(_ignore_interrupts)  # runs in the main thread


def _ignore_interrupts() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _keep_freed_memory() -> None:
    """Take back what Dask's nanny sets: glibc would return freed memory after every step.

    A variable in the environment also switches off that glibc learns it by itself.
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ or platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(MMAP, 32 * 2**20)  # the most there is
    mallopt(TRIM, 64 * 2**20)
