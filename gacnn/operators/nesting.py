"""What operators know of a network's layers: where their genes lie, and how many versions pay."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnn import Dense, Model, checks
from cnn.layers.vector import split
from cnn.layers.weighted import WeightedLayer
from cnn.model import check_model
from cnn.summary import multiplications_of
from gacnn.types import Array

DEPENDENT = 1e-5  # of the longest: what is left of a row that is a combination of others
REST_OF_GENERATION = 16  # of a network's multiplications, one part in so many


def fan_in_scale(model: Model) -> Array:
    """Return a factor for each weight (num_weights,): 1 / sqrt(inputs of its unit).

    That is the scale at which the weights are drawn (LeCun et al. 1998, Efficient BackProp), so
    that all layers are disturbed alike; the root of the mean square is 1.
    """
    scale = np.empty(check_model(model).num_weights, np.float32)
    layers = model.trainable_layers
    for layer, arrays in zip(layers, split(layers, scale), strict=True):
        fan_in, _ = layer.fans()
        for array in arrays:
            array[...] = fan_in**-0.5
    return np.asarray(scale / np.sqrt(np.square(scale).mean()), np.float32)


def layer_slices(model: Model) -> list[slice]:
    """Return where each trainable layer's weights lie in the vector."""
    sizes = [sum(map(math.prod, layer.weight_shapes())) for layer in model.trainable_layers]
    ends = list(itertools.accumulate(sizes, initial=0))
    return list(itertools.starmap(slice, itertools.pairwise(ends)))


def nested_counts(model: Model, members: int) -> tuple[int, ...]:
    """Return how many versions of each trainable layer a nested population should hold.

    As near as may be to counts proportional to sqrt(weights / cost), which give the estimated
    gradient the least variance for the time if the gradients of all layers are equally large
    (Neyman 1934, On the two different aspects of the representative method). The last layer has
    `members` versions, and every count divides the next, in pairs of opposite noise. cost: a
    layer's multiplications, and for the last one a sixteenth of the whole network's for the rest
    of a generation. Raises ValueError for a number of members that cannot be divided so.
    """
    if members % 4 and len(model.trainable_layers) > 1:
        raise ValueError(
            "nested=True needs a number of offspring that 4 divides, such as 32 or 64, not "
            f"{members}: change the number of solutions, and keep none (keep_elitism=0)"
        )
    layers = model.weighted_layers
    work = np.array([multiplications_of(layer) for layer in layers], float)
    work[-1] += work.sum() / REST_OF_GENERATION
    owner = np.cumsum([layer.trainable for layer in layers])  # fixed layers run with those before
    cost = np.bincount(owner, work)[1:]
    sizes = [each.stop - each.start for each in layer_slices(model)]
    wanted = np.sqrt(sizes / cost)
    wanted *= members / wanted[-1]
    counts = [members]
    for ideal in wanted[-2::-1]:
        distance = np.abs(np.log(np.array(_fewer(counts[0])) / ideal))
        counts.insert(0, _fewer(counts[0])[distance.argmin()])
    return tuple(counts)


def _fewer(count: int) -> list[int]:
    """Return the even numbers that divide one an even number of times, and itself."""
    return [*(n for n in range(2, count, 2) if count % (2 * n) == 0), count]


def checked_counts(
    counts: Sequence[int], model: Model, members: int, *, mirrored: bool
) -> tuple[int, ...]:
    """Return the versions of each layer that a user named; ValueError where they do not fit."""
    number, pair = len(model.trainable_layers), 2 if mirrored else 1
    if len(counts) != number:
        raise ValueError(
            f"nested must have a count for each of the {number} trainable layers, not {counts!r}"
        )
    if counts[-1] != members:
        raise ValueError(
            f"nested must end with the number of offspring, {members}, not {counts[-1]}: every "
            "one has a last layer of its own"
        )
    before = 1
    for position, count in enumerate(counts):
        if count % (pair * before) and (position == 0 or count != before):
            same = f"{before}, as the one before, or " if position else ""
            raise ValueError(
                f"nested[{position}] must be {same}a multiple of {pair * before}, not {count}"
                + (": mirrored noise comes in pairs" if mirrored else "")
            )
        before = count
    return tuple(counts)


def checked_inputs(inputs: Sequence[Any], model: Model) -> list[Array | None]:
    """Return what `Evaluator.layer_inputs` says; ValueError where it does not fit the layers."""
    layers = model.trainable_layers
    if not isinstance(inputs, list | tuple) or len(inputs) != len(layers):
        raise ValueError(
            f"layer_inputs must return a list of {len(layers)}, an array or None for each "
            f"trainable layer, not {inputs!r}"
        )
    checked: list[Array | None] = []
    for place, (each, layer) in enumerate(zip(inputs, layers, strict=True)):
        if each is not None:
            name = f"layer_inputs[{place}]"
            if type(layer) is not Dense:
                raise ValueError(f"{name} must be None for {layer}, which is not dense")
            shape = None, layer.layer_input_size
            each = checks.finite(checks.shaped(each, name, shape, "rows, inputs"), name)
        checked.append(each)
    return checked


def input_bases(inputs: Sequence[Array | None], model: Model) -> list[Array | None]:
    """Return orthonormal bases (inputs and bias, rank) of what each trainable layer takes.

    inputs: (rows, inputs) of each layer, or None, for which there is no basis. The gradient of a
    dense layer's weights, for a batch, is in the span of its inputs. The basis has a column for
    each row; where some are combinations of others, that many are zeros.
    """
    return [
        _basis(each, layer) if each is not None and len(each) else None
        for each, layer in zip(inputs, model.trainable_layers, strict=True)
    ]


def _basis(inputs: Array, layer: WeightedLayer) -> Array | None:
    ones = np.ones((len(inputs), 1), np.float32)
    columns = np.concatenate([inputs, ones], axis=1) if layer.use_bias else inputs
    basis, triangle = np.linalg.qr(columns.T.astype(np.float32))
    if not np.isfinite(basis).all() or not np.isfinite(triangle).all():
        return None  # inputs near the largest number
    lengths = np.abs(np.diagonal(triangle))
    if lengths.min() <= DEPENDENT * lengths.max():
        turned, lengths, _ = np.linalg.svd(triangle)
        basis = (basis @ turned) * (lengths > DEPENDENT * lengths.max())
    return np.ascontiguousarray(basis)
