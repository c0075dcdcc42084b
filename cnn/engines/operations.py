"""The operations of a whole network, as engines are given them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnn.layers.activation import LOG_SIGMOID_PAIR, LOG_SOFTMAX
from cnn.layers.layer import Kind, Layer, Operation, maps_of
from cnn.layers.weighted import WeightedLayer


def listed(layers: Sequence[Layer]) -> list[Operation]:
    """Return the operations of linked layers, in their order.

    Inputs are the numbers of operations, -1 for the images; weights those of the weight arrays of
    all layers, trainable or not.
    """
    operations: list[Operation] = []
    arrays = 0
    for layer in layers:
        _check_shape(layer, own := list(layer.operations()))
        for operation in own:
            place = len(operations)
            operations.append(
                operation._replace(
                    inputs=tuple(place + back for back in operation.inputs),
                    weights=tuple(arrays + own for own in operation.weights),
                )
            )
        if isinstance(layer, WeightedLayer):
            arrays += len(layer.weight_shapes())
    return operations


def _check_shape(layer: Layer, operations: Sequence[Operation]) -> None:
    """Raise ValueError where a layer says another shape than such of its operations leave."""
    shape = layer.layer_input_size
    for operation in operations:
        if operation.kind == Kind.FLATTEN:
            shape = math.prod(maps_of(shape))
        elif operation.kind not in _KEEP_SHAPES:
            return
    if layer.previous_layer is not None and shape != layer.layer_output_size:
        raise ValueError(
            f"{layer} says that it gives {layer.layer_output_size}, but its operations leave "
            f"{shape}; mend its output_shape(), or its operations()"
        )


_KEEP_SHAPES = Kind.BIAS, Kind.SCALE, Kind.ACTIVATE


def with_logarithms(operations: Sequence[Operation], last: Layer) -> list[Operation]:
    """Return operations that end in log-probabilities.

    A last softmax, or a sigmoid of one neuron, is replaced by its logarithm; any other end is
    taken as logits. last: the last layer.
    """
    ending = operations[-1].activation if operations else None
    if ending is not None and ending.name == "sigmoid" and last.layer_output_size == 1:
        return [*operations[:-1], operations[-1]._replace(activation=LOG_SIGMOID_PAIR)]
    kept = list(operations)
    if ending is not None and ending.name == "softmax":
        kept.pop()
    inputs = (len(kept) - 1,)
    return [*kept, Operation(Kind.ACTIVATE, last, inputs, activation=LOG_SOFTMAX)]


def check_chain(operations: Sequence[Operation], engine: str) -> None:
    """Raise ValueError where an operation reads anything but the one before it."""
    for place, operation in enumerate(operations):
        if operation.inputs != (place - 1,):
            raise ValueError(
                f"engine {engine!r} runs chains only, but {operation.layer} reads the operations "
                f"{operation.inputs}, not the one before it; take another engine"
            )


def unknown(operation: Operation, engine: str) -> ValueError:
    """Return the error for an operation that an engine does not know."""
    name = str(operation.kind)
    if operation.activation is not None:
        name += f" {operation.activation.name}"
    return ValueError(
        f"engine {engine!r} cannot run {operation.layer}: it knows no operation {name!r}; take "
        "another engine, or make the layer of the operations in cnn.layers.layer.Kind"
    )
