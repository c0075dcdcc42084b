"""The table of a network's layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cnn.layers.layer import Layer
from cnn.layers.weighted import WeightedLayer


def summary_table(layers: Sequence[Layer], write: Callable[..., str]) -> str:
    """Return a row for each layer, and the totals, as `write` of `cnn.tables` writes them.

    Its columns are output shape, weights, and the multiplications by weights for one image.
    """
    rows, weights, multiplications = [], 0, 0
    for layer in layers:
        count, fixed, products = 0, "", 0
        if isinstance(layer, WeightedLayer):
            count = sum(values.size for values in layer.trained)
            fixed = "" if layer.trainable else " (fixed)"
            products = multiplications_of(layer)
            weights += count * layer.trainable
            multiplications += products
        kind, shape = type(layer).__name__, str(layer.layer_output_size)
        rows.append((kind, shape, f"{count:,}{fixed}", f"{products:,}"))
    header = ("Layer", "Output shape", "Weights", "Multiplications")
    total = ("Total", "", f"{weights:,}", f"{multiplications:,}")
    return write(header, rows, names=2, total=total)


def multiplications_of(layer: WeightedLayer) -> int:
    """Return how many weights are multiplied for one image, the same one at every place."""
    size = layer.layer_output_size
    places = math.prod(size[:-1]) if isinstance(size, tuple) else 1
    return int(layer.trained[0].size) * places
