"""Networks: chains of layers from input to output, checked, and as JSON."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from cnn.layers.convolution import Conv1D, Conv2D, DepthwiseConv2D
from cnn.layers.elementwise import LeakyReLU, ReLU, Sigmoid, Softmax, SquareRoot, Step, Tanh
from cnn.layers.layer import Flatten, Input1D, Input2D, Layer
from cnn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from cnn.layers.standardization import Standardization
from cnn.layers.weighted import Dense, WeightedLayer

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Input2D, Input1D, Conv2D, Conv1D, DepthwiseConv2D, MaxPooling2D, MaxPooling1D,
        AveragePooling2D, AveragePooling1D, GlobalMaxPooling2D, GlobalMaxPooling1D,
        GlobalAveragePooling2D, GlobalAveragePooling1D, Flatten, Dense, ReLU, LeakyReLU, Sigmoid,
        Tanh, Step, Softmax, SquareRoot, Standardization,
    )
}  # fmt: skip


def chain_of(layers: Layer | Sequence[Layer]) -> list[Layer]:
    """Return the layers from the input to the last one.

    A list is linked in copies, with copies of the weights that its layers have, so that they can
    be used again. Raises TypeError or ValueError for what is no chain.
    """
    if isinstance(layers, Layer):
        return _walk(layers)
    if not isinstance(layers, list | tuple) or not layers:
        raise TypeError(
            f"last_layer must be a layer, or a list of layers from Input2D on, not {layers!r}"
        )
    for position, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(f"layer {position} of the list must be a layer, not {layer!r}")
        if any(layer is other for other in layers[:position]):
            raise ValueError(
                f"layer {position} of the list, {layer}, is in it twice; make a second one"
            )
        expected = layers[position - 1] if position else None
        if layer.previous_layer not in (None, expected):
            raise ValueError(
                f"layer {position} of the list, {layer}, has the previous_layer "
                f"{layer.previous_layer}, but {expected or 'nothing'} stands before it "
                "in the list; list the layers in their order, or leave out previous_layer"
            )
    copies = [layer.unlinked() for layer in layers]
    _check_input(copies[0])
    for previous, layer in itertools.pairwise(copies):
        layer.link(previous)
    for layer, original in zip(copies, layers, strict=True):
        if isinstance(layer, WeightedLayer) and isinstance(original, WeightedLayer):
            layer.take_weights(original)
    return copies


def _walk(last_layer: Layer) -> list[Layer]:
    """Layers from the input to this one, checked."""
    chain = [last_layer]
    while (previous := chain[0].previous_layer) is not None:
        if any(previous is layer for layer in chain):
            raise ValueError(
                f"the layers form a cycle: {previous} comes before and after itself; "
                "link each layer to one that was made before it"
            )
        if chain[0].layer_input_size != previous.layer_output_size:
            raise ValueError(
                f"{chain[0]} was linked to an input of {chain[0].layer_input_size}, but "
                f"{previous} gives {previous.layer_output_size}; link it again"
            )
        chain.insert(0, previous)
    _check_input(chain[0])
    return chain


def _check_input(first: Layer) -> None:
    if not isinstance(first, Input1D | Input2D):
        raise ValueError(
            f"a network begins with Input2D or Input1D, but {first} has no previous_layer; "
            "give it one, or put an input first in the list"
        )


def check_known(chain: Sequence[Layer], what: str) -> None:
    """Raise ValueError for a layer that users have written; what: such as "saved"."""
    for position, layer in enumerate(chain):
        if LAYERS.get(type(layer).__name__) is not type(layer):
            raise ValueError(
                f"layer {position}, {layer}, is one of your own and cannot be {what}: nobody else "
                "knows what it does; put layers of cnn in its place"
            )


def describe(chain: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return the constructor arguments of each layer, for JSON."""
    return [{"layer": type(layer).__name__, **layer.settings()} for layer in chain]


def build(descriptions: Sequence[dict[str, Any]]) -> list[Layer]:
    """Return the chain that `describe` described; raises ValueError for anything else."""
    return chain_of([_layer(dict(description)) for description in descriptions])


def _layer(settings: dict[str, Any]) -> Layer:
    name = settings.pop("layer", None)
    if name not in LAYERS:
        raise ValueError(f"there is no layer {name!r}")
    kind = LAYERS[name]
    if set(settings) != set(kind.arguments):
        raise ValueError(f"{name} has the settings {kind.arguments}, not {sorted(settings)}")
    return kind(**settings)
