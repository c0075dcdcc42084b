"""What an engine is, and how one is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from cnn.engines.numpy.engine import NumpyEngine
from cnn.engines.reduction import Reduction
from cnn.engines.torch.engine import TorchEngine
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

    @property
    def memory_limit(self) -> int:
        """Bytes beside input and output that `run` is given where nothing is said."""
        ...

    def compile(self, operations: Sequence[Operation], input_shape: Shape) -> Any:
        """Return a program for operations as `cnn.engines.operations.listed` gives them.

        input_shape: (height, width, channels), (length, channels) of series, which to layers are
        maps of one column, or a number of inputs. Raises ValueError, with the layer, for an
        operation that the engine does not know.
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
            images: (N, *input_shape), which all members see; or each member's own, (members, N,
                *input_shape): `have_images_of_their_own` in `cnn.engines.families` tells.
            weights: for each weight array of the network the values of all members, (members, …),
                or of every k-th, where each serves k consecutive members
                (`cnn.engines.families`), but not with images of their own; those of layers that
                are not trainable are (1, …).
            out: (members, N, …), to be written.
            threads: cores that it may use.
            memory_limit: bytes beside input and output, where the work is done.

        The result does not depend on threads; another limit may change its last bits.
        """
        ...

    def session(self) -> AbstractContextManager[Any]:
        """Return what holds what the engine needs while it runs again and again.

        Inside, an engine may keep copies of image arrays where it works, known by the identity of
        the array, for as long as that lives; what is written into one then is not seen.
        """
        ...


@runtime_checkable
class ReducingEngine(Engine, Protocol):
    """An engine that makes scores of outputs where they are, so that these need not travel."""

    def reduce(
        self,
        program: Any,
        images: AnyArray,
        weights: Sequence[Array],
        reduction: Reduction,
        out: AnyArray,
        *,
        threads: int,
        memory_limit: int,
    ) -> None:
        """Write what a reduction makes of the outputs of every member.

        Args:
            program, weights, threads, memory_limit: as for `run`.
            images: (M, …), all that there are; `reduction.rows` says which are shown.
            reduction: what is made.
            out: (members, *reduction.shape(…)), to be written.
        """
        ...


_ENGINES: dict[str, Callable[[], Engine]] = {"numpy": NumpyEngine, "torch": TorchEngine}


def engine_named(engine: str | Engine) -> Engine:
    """Return the engine of that name, or the engine itself; an error says which there are."""
    if isinstance(engine, str):
        if engine not in _ENGINES:
            known = ", ".join(map(repr, _ENGINES))
            raise ValueError(f"engine must be one of {known}, or an engine, not {engine!r}")
        return _ENGINES[engine]()
    if isinstance(engine, type) or not isinstance(engine, Engine):
        raise TypeError(
            "engine must be a name, or an object with name, memory_limit, compile, run and "
            f"session, not {engine!r}"
        )
    return engine


def run_into(engine: Engine, out: Array, *arguments: Any, **limits: int) -> None:
    """Run an engine, of which nobody knows whether it does as `Engine.run` says.

    arguments: of `run`, those before `out`; limits: those after it. Numbers that it does not write
    are NaN, and not what memory held before. Raises TypeError where it returns its result.
    """
    run: Callable[..., Any] = engine.run
    if not isinstance(engine, NumpyEngine | TorchEngine):
        out.fill(np.nan)
    result = run(*arguments, out, **limits)
    if result is not None:
        raise TypeError(
            f"engine {engine.name!r} must write what it computes into out, and return None from "
            f"run(), not {type(result).__name__}"
        )


def engine_for(engine: str | Engine | None, device: str | None) -> Engine:
    """Return the engine that is meant by `engine`, by `device`, or by both.

    None of them: NumPy's. A device alone is the short way to PyTorch's engine on it; together
    they must agree, or ValueError says how they do not.
    """
    if device is None:
        return engine_named("numpy" if engine is None else engine)
    if engine is None or engine == "torch":
        return TorchEngine(device)
    chosen = engine_named(engine)
    if not isinstance(chosen, TorchEngine):
        raise ValueError(
            f"device={device!r} is for the engine 'torch', not for {chosen.name!r}; leave out one "
            "of the two"
        )
    wanted = TorchEngine(device)
    if chosen.device != wanted.device:
        raise ValueError(
            f"device={device!r} is not that of the engine, {chosen.device!r}; leave out device"
        )
    return chosen
