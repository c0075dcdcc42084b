"""Models of other libraries as models of this one."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn.layers.layer import Input2D, Layer
from cnn.layers.network import LAYERS
from cnn.layers.weighted import WeightedLayer
from cnn.model import Model

_ARGUMENTS = ("num_filters", "kernel_size", "pool_size", "stride", "num_neurons")


def from_pygad(model: Any) -> Model:
    """Return a model with the architecture and the trained weights of a `pygad.cnn.Model`.

    It has no biases. Where pygad is wrong this model differs: softmax is softmax, and pooling
    adds no row and column of zeros; if that changes the number of inputs of a Dense layer, its
    weights do not fit, which raises ValueError. Raises TypeError for anything but such a model.
    """
    theirs = getattr(model, "network_layers", None)
    if not theirs or not type(model).__module__.startswith("pygad.cnn"):
        raise TypeError(f"model must be a pygad.cnn.Model, not {type(model).__name__}")
    previous: Layer = Input2D(theirs[0].previous_layer.input_shape)
    for their in theirs:
        previous = _layer(their, previous)
    return Model(previous, model.epochs, model.learning_rate)


def _layer(their: Any, previous: Layer) -> Layer:
    kind: Any = LAYERS[type(their).__name__]
    settings = {name: getattr(their, name) for name in _ARGUMENTS if hasattr(their, name)}
    if not issubclass(kind, WeightedLayer):
        plain: Layer = kind(previous_layer=previous, **settings)
        return plain
    layer: WeightedLayer = kind(
        previous_layer=previous,
        activation_function=their.activation_function,
        use_bias=False,
        **settings,
    )
    initial, trained = (
        np.array(values, np.float32) for values in (their.initial_weights, their.trained_weights)
    )
    if trained.shape != layer.weight_shapes()[0]:
        raise ValueError(
            f"{layer} has weights of the shape {layer.weight_shapes()[0]} here, but "
            f"{trained.shape} in pygad, whose pooling adds a row and a column of zeros; choose "
            "pool_size and stride so that stride does not divide height - pool_size + 1"
        )
    layer.fill([initial], [trained])
    return layer
