"""What an engine is, and how one is named."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from cnn.engines.numpy.engine import NumpyEngine
from cnn.layers.layer import Operation, Shape
from cnn.types import AnyArray, Array


@runtime_checkable
class Engine(Protocol):
    """What runs networks: an object, or a module, with these names.

    Equal engines give equal programs: a model keeps a program for each engine that it has met, so
    engines must be hashable.

    Examples:
        >>> isinstance(cnn.NumpyEngine(), cnn.Engine)
        True
    """

    @property
    def name(self) -> str:
        """What messages and the fingerprints of runs call it."""
        ...

    def compile(self, operations: Sequence[Operation], input_shape: Shape) -> Any:
        """Return a program for operations as `cnn.engines.operations.listed` gives them.

        input_shape: (height, width, channels), or a number of inputs. Raises ValueError, with the
        layer, for an operation that the engine does not know.
        """
        ...

    def run(
        self,
        program: Any,
        images: AnyArray,
        weights: Sequence[Array],
        out: Array,
        *,
        threads: int,
        memory_limit: int,
    ) -> None:
        """Run images through all members; the result depends on neither threads nor memory.

        Args:
            program: what `compile` returned.
            images: (N, height, width, channels), or (N, inputs).
            weights: for each weight array of the network the values of all members, (members, …),
                or of every k-th, where each serves k consecutive members
                (`cnn.engines.families`); those of layers that are not trainable are (1, …).
            out: (members, N, …), to be written.
            threads: cores that it may use.
            memory_limit: bytes beside input and output.
        """
        ...

    def session(self) -> AbstractContextManager[Any]:
        """Return what holds what the engine needs while it runs again and again."""
        ...


_ENGINES = {"numpy": NumpyEngine()}


def engine_named(engine: str | Engine) -> Engine:
    """Return the engine of that name, or the engine itself; an error says which there are."""
    if isinstance(engine, str):
        if engine not in _ENGINES:
            known = ", ".join(map(repr, _ENGINES))
            raise ValueError(f"engine must be one of {known}, or an engine, not {engine!r}")
        return _ENGINES[engine]
    if isinstance(engine, type) or not isinstance(engine, Engine):
        raise TypeError(
            "engine must be a name, or an object with name, compile, run and session, not "
            f"{engine!r}"
        )
    return engine
