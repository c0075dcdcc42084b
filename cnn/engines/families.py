"""What members of a population share: images, or equal weights, found by comparing vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnn import checks
from cnn.layers.layer import Shape
from cnn.layers.vector import split
from cnn.layers.weighted import WeightedLayer
from cnn.types import AnyArray, Array

COMPARED = 4096  # weights of all members that are compared at a time


def have_images_of_their_own(images: AnyArray, input_shape: Shape) -> bool:
    """Tell whether members see each their own images: an axis more, the members', is in front.

    images: (members, N, *input_shape), for which it is so, or (N, *input_shape).
    """
    return images.ndim == 2 + (1 if isinstance(input_shape, int) else len(input_shape))


def weight_arrays(
    layers: Sequence[WeightedLayer], vectors: Array, *, own_images: bool = False
) -> list[Array]:
    """Return views of vectors for each weight array: (members, …), or fewer where they share it.

    With a k-th as many, each serves k consecutive members, whose weights are then the same in
    all layers up to this one. Layers that are not trainable have one for all. Members that see
    each their own images (own_images) have no result in common, and share nothing else.
    """
    parts = iter(split([layer for layer in layers if layer.trainable], vectors))
    arrays: list[Array] = []
    family = 1 if own_images else len(vectors)
    for layer in layers:
        if layer.trainable:
            own = next(parts)
            for array in own:
                family = shared_by(array, family)
            arrays += [array[::family] for array in own]
        else:
            arrays += [checks.finite(a, f"weights of {layer}")[None] for a in layer.trained]
    return arrays


def shared_by(arrays: Array, limit: int) -> int:
    """Return how many consecutive members have the same arrays (members, …): a divisor of limit."""
    members = arrays.reshape(len(arrays), -1)
    if limit == 1 or (members[1] != members[0]).any():
        return 1
    differ = np.zeros(len(members) - 1, bool)
    for first in range(0, members.shape[1], COMPARED):
        part = members[:, first : first + COMPARED]
        differ |= (part[1:] != part[:-1]).any(axis=1)
    return math.gcd(limit, *(np.flatnonzero(differ) + 1).tolist())
