"""Outputs as classes: which networks have any, their probabilities and labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnn.layers.elementwise import ActivationLayer
from cnn.layers.layer import Flatten, Layer
from cnn.layers.weighted import WeightedLayer
from cnn.types import Array, Labels


def check_classifies(last_layer: Layer) -> None:
    """Raise ValueError if the outputs are no classes: maps, or one that is no sigmoid."""
    if isinstance(last_layer.layer_output_size, tuple):
        raise ValueError(
            f"labels need a flat output, but {last_layer} gives {last_layer.layer_output_size}; "
            "end the network in Dense or global pooling, or use forward"
        )
    if last_layer.layer_output_size == 1 and output_activation(last_layer) != "sigmoid":
        raise ValueError(
            "labels need two outputs or more, or a single sigmoid; "
            "for regression use forward, which returns the outputs"
        )


def output_activation(last_layer: Layer) -> str | None:
    """Return the name of the last activation; a Flatten of what is flat changes nothing."""
    last = last_layer
    while isinstance(last, Flatten) and isinstance(last.layer_input_size, int):
        assert last.previous_layer is not None
        last = last.previous_layer
    if isinstance(last, ActivationLayer):
        return last.name
    return last.activation_function if isinstance(last, WeightedLayer) else None


def probabilities(outputs: Array, activation: str | None) -> Array:
    """Return class probabilities (N, classes) of outputs (N, outputs) of such an activation.

    Those of softmax are probabilities; a single sigmoid p gives the columns 1 - p and p; all
    others are put through a softmax. Rows that are `without_class` become NaN.
    """
    if activation == "sigmoid" and outputs.shape[1] == 1:
        return np.concatenate([1 - outputs, outputs], axis=1)
    if activation == "softmax":
        return outputs
    with np.errstate(all="ignore"):
        columns = outputs.T - outputs.max(axis=1)
        np.exp(columns, out=columns)
        shares: Array = (columns / columns.sum(axis=0)).T
    shares[without_class(outputs)] = np.nan
    return shares


def labels_of(outputs: Array) -> Labels:
    """Return the labels (N,) of the largest outputs (N, outputs); of one output, whether over ½.

    Rows that are `without_class` are -1.
    """
    labels: Labels = outputs.argmax(axis=1)
    if outputs.shape[1] == 1:
        labels = (outputs[:, 0] > 0.5).astype(np.intp)
    labels[without_class(outputs)] = -1
    return labels


def without_class(outputs: Array) -> NDArray[np.bool_]:
    """Tell which rows of outputs (N, outputs) are not all finite, and so of no class."""
    without: NDArray[np.bool_] = np.logical_not(np.isfinite(outputs).all(axis=1))
    return without


def checked_names(names: Sequence[str], number: int) -> tuple[str, ...]:
    """Return names of so many classes; TypeError or ValueError for anything else."""
    if isinstance(names, str) or not isinstance(names, Sequence | np.ndarray):
        raise TypeError(f"class_names must be a list of names, not {names!r}")
    listed = tuple(str(name) for name in names)
    if len(listed) != number or len(set(listed)) < number:
        raise ValueError(
            f"class_names must be {number} different names, one for each class, not {listed}"
        )
    return listed
