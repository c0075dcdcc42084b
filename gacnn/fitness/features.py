"""What fixed leading layers return for images: computed once, and kept while a run goes on."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnn import Engine, Model
from gacnn.types import Array, Indices

KEPT = 4  # times memory_limit that may be kept


class Features:
    """What the fixed leading layers of a network return for images.

    While somebody holds them they are computed for all images, when they are first asked for, and
    kept; otherwise for those that are asked for, every time, because images and fixed weights may
    change between two runs. A copy in another process keeps its own: there nothing changes.

    model: whose first `fixed_layers` are fixed; X: all images.
    """

    def __init__(self, model: Model, X: Array) -> None:
        self.model, self.X = model, X
        self.layers = model.fixed_layers
        self._holders = 0
        self._kept: tuple[Model, Array] | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "X": self.X, "layers": self.layers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _holders=1, _kept=None, _lock=threading.Lock())

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return features_bytes(self.model, len(self.X))

    @property
    def are_kept(self) -> bool:
        """Whether somebody holds them."""
        return self._holders > 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is computed inside, until the last who holds it leaves."""
        with self._lock:
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._kept = None

    def of(
        self, chosen: Indices | None, engine: Engine, threads: int | None, memory_limit: int
    ) -> tuple[Model, Array]:
        """Return the rest of the network, and what it takes for some of the images, or for all."""
        with self._lock:
            kept = self._kept
            if kept is None and not self._holders:
                images = self.X if chosen is None else self.X[chosen]
                return self.computed(images, engine, threads, memory_limit)
            if kept is None:
                kept = self._kept = self.computed(self.X, engine, threads, memory_limit)
        rest, features = kept
        return rest, features if chosen is None else features[chosen]

    def computed(
        self, images: Array, engine: Engine, threads: int | None, memory_limit: int
    ) -> tuple[Model, Array]:
        """Return the rest of the network, and what it takes for these images."""
        fixed, rest = self.model.cut(1 + self.layers)
        limits: dict[str, Any] = {"threads": threads, "memory_limit": memory_limit}
        return rest, fixed.forward(images, engine=engine, **limits)


def features_bytes(model: Model, images: int) -> int:
    """Return how many bytes the outputs of the fixed leading layers take for so many images."""
    size = model.layers[model.fixed_layers].layer_output_size
    return 4 * images * (math.prod(size) if isinstance(size, tuple) else size)


def kept_features(model: Model, X: Array, memory_limit: int) -> Features | None:
    """Return what keeps the outputs of the fixed leading layers, or None.

    That is where there are none, or where they take more than four times the memory limit.
    """
    if not model.fixed_layers or features_bytes(model, len(X)) > KEPT * memory_limit:
        return None
    return Features(model, X)
