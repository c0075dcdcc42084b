"""The flat vector of a network's weights, cut into its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn.layers.weighted import WeightedLayer


def split(layers: Sequence[WeightedLayer], vectors: NDArray[Any]) -> list[list[NDArray[Any]]]:
    """Return, for each layer, views of its weights in vectors (…, weights of all the layers)."""
    sizes = [math.prod(shape) for layer in layers for shape in layer.weight_shapes()]
    if sum(sizes) != vectors.shape[-1]:
        raise ValueError(
            f"{vectors.shape[-1]} weights were given, but the layers have {sum(sizes)}"
        )
    parts = iter(np.split(vectors, np.cumsum(sizes)[:-1], axis=-1))
    return [
        [next(parts).reshape(*vectors.shape[:-1], *shape) for shape in layer.weight_shapes()]
        for layer in layers
    ]
