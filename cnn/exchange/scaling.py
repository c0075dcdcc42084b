"""Networks that have the standardisation of their inputs and outputs in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn.layers.convolution import Conv1D, Conv2D
from cnn.layers.layer import Flatten, Layer
from cnn.layers.weighted import Dense, WeightedLayer
from cnn.model import Model
from cnn.types import AnyArray


def with_inputs(model: Model, mean: ArrayLike, deviation: ArrayLike) -> Model:
    """Return a network that does for X what the model does for (X - mean) / deviation.

    Of rows the first Dense layer takes it up, or one is put before the others; of images and series
    a convolution of one pixel, which is not trainable, is put before them, because padding is of
    zeros behind it.

    Args:
        mean, deviation: a number, or one for each channel, or for each feature of rows.
    """
    layers = list(model.layers)
    size = model.input_shape[-1]
    factors = np.broadcast_to(1 / np.asarray(deviation, np.float64), (size,))
    shift = -np.broadcast_to(np.asarray(mean, np.float64), (size,)) * factors
    first = next((i for i, each in enumerate(layers[1:], 1) if type(each) is not Flatten), 0)
    rows = len(model.input_shape) == 1
    if rows and isinstance(layers[first], Dense):
        weights, bias = _weights(layers[first])
        layers[first] = _changed(layers[first], weights * factors[:, None], bias + shift @ weights)
        return _with_layers(model, layers)
    diagonal: Layer
    if rows:
        diagonal = Dense(size, activation_function=None, trainable=False)
        _fill(diagonal, np.diag(factors), shift)
    else:
        series = len(model.input_shape) == 2
        diagonal = (Conv1D if series else Conv2D)(size, 1, trainable=False)
        _fill(
            diagonal,
            np.diag(factors).reshape(size, *(1,) * (len(model.input_shape) - 1), size),
            shift,
        )
    return _with_layers(model, [layers[0], diagonal, *layers[1:]])


def with_outputs(model: Model, mean: ArrayLike, deviation: ArrayLike) -> Model:
    """Return a network whose outputs are those of the model times deviation plus mean.

    mean, deviation: a number for each output. The model ends in a Dense layer without activation.
    """
    layers = list(model.layers)
    last = layers[-1]
    weights, bias = _weights(last)
    factors = np.asarray(deviation, np.float64)
    layers[-1] = _changed(last, weights * factors, bias * factors + np.asarray(mean, np.float64))
    changed = _with_layers(model, layers)
    changed.scale, changed.input_range = model.scale, model.input_range
    return changed


def _with_layers(model: Model, layers: list[Layer]) -> Model:
    changed = Model([_free(layer) for layer in layers], model.epochs, model.learning_rate)
    changed.class_names = model.class_names
    return changed


def _free(layer: Layer) -> Layer:
    """Return a copy that has the weights and no previous layer, which may be another now."""
    copy = layer.unlinked()
    if isinstance(copy, WeightedLayer) and isinstance(layer, WeightedLayer):
        copy.take_weights(layer)
    return copy


def _weights(layer: Any) -> tuple[AnyArray, AnyArray]:
    """Return weights and bias of a Dense layer, float64."""
    weights, *bias = (values.astype(np.float64) for values in layer.trained)
    return weights, bias[0] if bias else np.zeros(layer.num_neurons)


def _changed(layer: Any, weights: AnyArray, bias: AnyArray) -> Dense:
    changed = Dense(**{**layer.settings(), "use_bias": True})
    _fill(changed, weights, bias)
    return changed


def _fill(layer: Any, *arrays: AnyArray) -> None:
    values = [array.astype(np.float32) for array in arrays]
    layer.fill(values, [value.copy() for value in values])
