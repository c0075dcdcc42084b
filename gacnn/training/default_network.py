"""The network that is taken where none is given."""

from __future__ import annotations

import math

from cnn import AveragePooling2D, Conv2D, Dense, Flatten, Input2D, MaxPooling2D, Model, checks
from cnn.layers.layer import Layer

HIDDEN_UNITS = 16
FILTERS = 8
LARGEST_CONVOLVED = 32  # pixels a side of the maps that filters see
LARGEST_POOLED = 8  # and of the last maps


def default_layers(input_shape: tuple[int, ...]) -> list[Layer]:
    """Return hidden layers for inputs of this shape, with few weights, since evolution likes few.

    Rows: 16 units of tanh. Images: 8 filters of 3 x 3 with relu and max pooling by 2, as often as
    it takes to leave at most 8 pixels a side; images of more than 32 pixels a side are averaged
    down to at most 32 first.
    """
    if len(input_shape) == 1:
        return [Dense(HIDDEN_UNITS, activation_function="tanh")]
    layers: list[Layer] = []
    height, width = input_shape[:2]
    shrink = math.ceil(height / LARGEST_CONVOLVED), math.ceil(width / LARGEST_CONVOLVED)
    if max(shrink) > 1:
        layers.append(AveragePooling2D(shrink, stride=shrink))
        height, width = height // shrink[0], width // shrink[1]
    while True:
        pool_size = min(2, height), min(2, width)
        layers += [
            Conv2D(FILTERS, 3, None, "relu", padding="same"),
            MaxPooling2D(pool_size, stride=pool_size),
        ]
        height, width = height // pool_size[0], width // pool_size[1]
        if max(height, width) <= LARGEST_POOLED:
            return layers


def default_network(
    input_shape: tuple[int, ...], num_classes: int, random_seed: int | None = None
) -> Model:
    """Return a network for images (height, width, channels) of so many classes."""
    number = checks.whole(num_classes, "num_classes")
    if number >= 2**31:
        raise ValueError(f"num_classes is too large, {number:,}")
    first = Input2D(input_shape)
    output = Dense(number, activation_function="softmax")
    layers = [first, *default_layers(first.input_shape), Flatten(), output]
    return Model(layers, random_seed=random_seed)
