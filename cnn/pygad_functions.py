"""The weights of a model as a list of arrays or one vector, with the functions of pygad.cnn.

A layer with a bias gives two arrays, its weights and its bias; layers that are not trainable give
none. Order: the layers from input to output, each array in C order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn import checks
from cnn.layers.vector import split
from cnn.model import Model, check_model
from cnn.types import Array


def layers_weights(model: Model, initial: bool = True) -> list[Array]:
    """Return the initial weights of the layers, or with initial=False the trained ones (views)."""
    return _matrices(model, _vector(model, initial))


def layers_weights_as_vector(model: Model, initial: bool = True) -> Array:
    """Return the initial or, with initial=False, the trained weights as a vector (num_weights,)."""
    return _vector(model, initial).copy()


def layers_weights_as_matrix(model: Model, vector_weights: ArrayLike) -> NDArray[Any]:
    """Return an object array of the layers' weight arrays that a vector (num_weights,) holds."""
    shape = (check_model(model).num_weights,)
    vector = checks.shaped(vector_weights, "vector_weights", shape, "weights of the model")
    arrays = _matrices(model, vector)
    matrices = np.empty(len(arrays), dtype=object)
    for position, array in enumerate(arrays):
        matrices[position] = array
    return matrices


def update_layers_trained_weights(model: Model, final_weights: Sequence[ArrayLike]) -> None:
    """Give a model new trained weights, an array for each of `layers_weights(model)`."""
    wanted = layers_weights(model, initial=False)
    is_array = isinstance(final_weights, np.ndarray) and final_weights.ndim > 0
    if not is_array and not isinstance(final_weights, list | tuple):
        raise TypeError(f"final_weights must be a list of arrays, not {final_weights!r}")
    if len(final_weights) != len(wanted):
        raise ValueError(
            f"final_weights must hold {len(wanted)} arrays, as layers_weights(model) does (a bias "
            f"is an array of its own), not {len(final_weights)}"
        )
    parts = [
        checks.shaped(array, f"final_weights[{position}]", target.shape, "weights of the layer")
        for position, (array, target) in enumerate(zip(final_weights, wanted, strict=True))
    ]
    model.weights = np.concatenate([np.zeros(0), *(part.ravel() for part in parts)])


def _vector(model: Model, initial: bool) -> Array:
    check_model(model)
    if not isinstance(initial, bool):
        raise ValueError(f"initial must be True or False, not {initial!r}")
    return model.initial_weights if initial else model.weights


def _matrices(model: Model, vector: NDArray[Any]) -> list[NDArray[Any]]:
    return [array for arrays in split(model.trainable_layers, vector) for array in arrays]
