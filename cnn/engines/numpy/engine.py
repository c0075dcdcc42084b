"""The engine that needs NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from cnn.engines.numpy.lowering import Program, lower
from cnn.engines.numpy.population import evaluate
from cnn.engines.numpy.threads import single_threaded_blas
from cnn.layers.layer import Operation, Shape
from cnn.types import AnyArray, Array


@dataclass(frozen=True)
class NumpyEngine:
    """Runs networks with NumPy, in blocks that fit the cache, on the cores of this machine.

    thread_floats: numbers that a forward pass writes, below which another thread is not worth it.

    Examples:
        >>> model = cnn.Model([cnn.Input1D(4), cnn.Dense(3)], random_seed=0)
        >>> engine = cnn.NumpyEngine(thread_floats=10**6)  # for a machine of quick threads
        >>> model.forward(np.ones((10, 4)), engine=engine).shape
        (10, 3)
    """

    thread_floats: int = 18_000_000

    name: ClassVar[str] = "numpy"
    memory_limit: ClassVar[int] = 256 * 2**20

    def compile(self, operations: Sequence[Operation], input_shape: Shape) -> Program:
        """Work out the kernel calls of a chain; ValueError for an operation that is not known."""
        return lower(operations, input_shape)

    def run(
        self,
        program: Program,
        images: AnyArray,
        weights: Sequence[Array],
        out: Array,
        *,
        threads: int,
        memory_limit: int,
    ) -> None:
        """Run images (N, …) through every member's network, into out (members, N, …)."""
        evaluate(
            program,
            images,
            weights,
            out,
            threads=threads,
            memory_limit=memory_limit,
            thread_floats=self.thread_floats,
        )

    def session(self) -> AbstractContextManager[None]:
        """Keep BLAS to one thread: threads that others wake would keep the cores busy, waiting."""
        return single_threaded_blas()
